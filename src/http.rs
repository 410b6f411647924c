//! The list of routes.
//!
//! In: what the server offers. Out: each of it at its path. The order is part of it: pushes come first, since they are
//! many and each route before theirs is tried; but a connector may take the methods of a client's path that its dialect
//! leaves. Pages come last.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::Route;
use actix_web::guard;
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use turted_core::Endpoint;

use crate::carriers::Routes;
use crate::client::Worker;
use crate::gate::methods::{nothing, only, spellings};
use crate::gate::{Shared, door};
use crate::pages::api::{self, Api};
use crate::pages::files::Pages;
use crate::pages::tickets;
use crate::pages::watch::{self, Watched};

/// What is served besides the doors of connectors.
pub struct Site {
    /// Where clients come in: the path, and what is there.
    pub entrances: Vec<(String, Routes)>,
    /// What there is to look at.
    pub watched: Arc<Watched>,
    /// The server API, unless no backend may use it.
    pub api: Option<Arc<Api>>,
    /// What `/` shows.
    pub pages: Pages,
}

/// Puts every route into place, for one worker.
pub fn routes(config: &mut ServiceConfig, site: &Site, shared: &Arc<Shared>, worker: &Rc<Worker>) {
    config.app_data(web::Data::from(Arc::clone(shared)));
    config.app_data(web::Data::from(Arc::clone(&site.watched)));
    config.app_data(Rc::clone(worker));
    let is_clients = |endpoint: &Endpoint| {
        let at = endpoint.prefix.trim_end_matches('/');
        site.entrances.iter().any(|(path, _)| path.trim_end_matches('/') == at)
    };
    let doors = shared.endpoints.iter().enumerate();
    let (shared_paths, own): (Vec<_>, Vec<_>) = doors.partition(|(_, endpoint)| is_clients(endpoint));
    doors_at(config, own);
    site.entrances.iter().for_each(|(_, routes)| routes(config));
    doors_at(config, shared_paths);
    pages(config, site);
}

/// The doors of connectors.
fn doors_at(config: &mut ServiceConfig, doors: Vec<(usize, &Endpoint)>) {
    for (index, endpoint) in doors {
        let answer = web::to(move |request, shared, payload| door::answer(index, request, shared, payload));
        if endpoint.is_exact {
            let at = endpoint.prefix.trim_end_matches('/');
            let paths = [at, &format!("{at}/")].map(str::to_owned);
            let paths: Vec<String> = paths.into_iter().filter(|path| !path.is_empty()).collect();
            let pushes = guard::Any(guard::Post()).or(guard::Options());
            config.service(web::resource(paths).guard(pushes).route(answer));
            continue;
        }
        let below = format!("{}{{rest:.*}}", endpoint.prefix);
        let at = endpoint.prefix.strip_suffix('/').filter(|at| !at.is_empty());
        for path in at.map(str::to_owned).into_iter().chain([below]) {
            config.route(
                &path,
                web::to(move |request, shared, payload| door::answer(index, request, shared, payload)),
            );
        }
    }
}

fn pages(config: &mut ServiceConfig, site: &Site) {
    let mut look = |path: &str, answer: Route| {
        let page = web::resource(spellings(path)).route(answer);
        config.service(page.default_service(only("GET, HEAD")));
    };
    look("/health/live", web::get().to(watch::live));
    look("/health/ready", web::get().to(watch::ready));
    if site.watched.metrics.is_some() {
        look("/metrics", web::get().to(watch::metrics));
    }
    if site.watched.stream {
        look("/observe", web::get().to(crate::pages::observe::stream));
    }
    let own = web::resource(spellings("/ticket"))
        .route(web::post().to(tickets::of_client))
        .route(web::method(Method::OPTIONS).to(tickets::preflight));
    config.service(own.default_service(only("POST, OPTIONS")));
    if let Some(api) = &site.api {
        api::routes(config, api);
    }
    site.pages.routes(config);
    config.default_service(web::to(|| async { nothing() }));
}
