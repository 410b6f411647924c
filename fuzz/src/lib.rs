//! What fuzz targets do with the parsers of core, of connectors and of responders; those of the server are behind
//! `turted::fuzzing`.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken. Private files of connectors and responders are
//! compiled into this crate as well, so that they need no door for it.

mod criteria;
mod mapping;
mod push;
mod rest;
mod source;

#[allow(dead_code, unused_imports)]
#[path = "../../connectors/tcp/src/credentials.rs"]
mod credentials;
#[allow(dead_code, unused_imports)]
#[path = "../../responders/mongodb/src/fields.rs"]
mod fields;
#[allow(dead_code, unused_imports)]
#[path = "../../responders/mongodb/src/filter.rs"]
mod filter;
#[allow(dead_code, unused_imports)]
#[path = "../../responders/mongodb/src/criteria/mod.rs"]
mod translator;

#[allow(dead_code, unused_imports)]
#[path = "../../connectors/redis/src/entry.rs"]
mod entry;
#[allow(dead_code, unused_imports)]
#[path = "../../connectors/file/src/line.rs"]
mod line;
#[allow(dead_code, unused_imports)]
#[path = "../../connectors/file/src/logfmt.rs"]
mod logfmt;
#[allow(dead_code, unused_imports)]
#[path = "../../connectors/file/src/rule.rs"]
mod rule;

pub use criteria::criteria;
pub use mapping::mapping;
pub use push::push;
pub use rest::rest;
pub use source::{file, lines, redis, tcp};
