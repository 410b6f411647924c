//! Where clients come in: Engine.IO, at a path that others may have as well.
//!
//! In: requests whose query has `EIO`. Out: what Engine.IO makes of them. All others are not for it.

use std::sync::Arc;

use actix_web::guard;
use actix_web::web;

use crate::carriers::engineio::EngineIo;
use crate::carriers::{Mounts, Offer, Routes};

/// Engine.IO that leaves to others what is not for it.
pub struct Shared(pub EngineIo);

impl Offer for Shared {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let routes = Box::new(self.0).open(path, mounts);
        Arc::new(move |config| {
            let routes = Arc::clone(&routes);
            let ours = web::scope("").guard(guard::fn_guard(|request| {
                let query = request.head().uri.query().unwrap_or_default();
                query.split('&').any(|pair| pair.starts_with("EIO="))
            }));
            config.service(ours.configure(move |config| routes(config)));
        })
    }

    fn shares(&self) -> bool {
        true
    }
}
