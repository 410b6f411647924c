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
        let path = path.to_owned();
        Arc::new(move |config| {
            let (routes, path) = (Arc::clone(&routes), path.clone());
            // Of the path as well: the scope is asked about every request, and answers whatever its guard lets in.
            let ours = web::scope("").guard(guard::fn_guard(move |request| {
                let uri = &request.head().uri;
                let query = uri.query().unwrap_or_default();
                uri.path().trim_end_matches('/') == path && query.split('&').any(|pair| pair.starts_with("EIO="))
            }));
            config.service(ours.configure(move |config| routes(config)));
        })
    }

    fn shares(&self) -> bool {
        true
    }
}
