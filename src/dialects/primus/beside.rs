//! What stands beside the connections of Primus: its client library, and what it is made for.
//!
//! In: `GET <path>/primus.js` and `<path>/spec`. Out: a file that the operator chose, or a sentence that there is none;
//! the specification. The library is made by the npm package primus for a transformer, and no part of this program.

use std::path::PathBuf;
use std::sync::Arc;

use actix_files::NamedFile;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::config::Transformer;
use crate::carriers::{Mounts, Offer, Routes};
use crate::gate::methods::{only, sentence};
use crate::gate::request::answer;

/// The version whose behaviour this is.
const VERSION: &str = "8.0.9";
const ABSENT: &str = "There is no client library of Primus here. Set client in its section of [clients] in turted.toml to a file that \
                      primus.save() wrote for the same transformer, or let the page load it from elsewhere.";

/// The connections, and what stands beside them.
pub struct WithLibrary {
    /// The connections.
    pub service: Box<dyn Offer>,
    /// The library, if there is one.
    pub library: Option<PathBuf>,
    /// What it is made for.
    pub transformer: Transformer,
    /// Milliseconds between two pings of the server.
    pub ping: u128,
}

impl Offer for WithLibrary {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let path = path.trim_end_matches('/').to_owned();
        let spec = json!({
            "pingInterval": self.ping,
            "pathname": path,
            "version": VERSION,
            "parser": "json",
            "transformer": self.transformer.word(),
        });
        let (spec, library) = (spec.to_string(), self.library);
        let service = self.service.open(&path, mounts);
        Arc::new(move |config| {
            routes(config, &path, library.as_ref(), &spec);
            service(config);
        })
    }
}

fn routes(config: &mut ServiceConfig, path: &str, library: Option<&PathBuf>, spec: &str) {
    let library = library.cloned();
    let show = move |request: HttpRequest| {
        let shown = show(&request, library.as_ref());
        async move { shown }
    };
    let tell = {
        let spec = spec.to_owned();
        move |request: HttpRequest| {
            let told = answer(&request, StatusCode::OK, spec.clone());
            async move { told }
        }
    };
    let only = || only("GET, HEAD");
    config.service(
        web::resource(format!("{path}/primus.js"))
            .route(web::get().to(show))
            .default_service(only()),
    );
    config.service(
        web::resource(format!("{path}/spec"))
            .route(web::get().to(tell))
            .default_service(only()),
    );
}

fn show(request: &HttpRequest, library: Option<&PathBuf>) -> HttpResponse {
    let Some(found) = library.and_then(|file| NamedFile::open(file).ok()) else {
        return sentence(StatusCode::NOT_FOUND, ABSENT);
    };
    let mut response = found.into_response(request);
    let fresh = header::HeaderValue::from_static("public, max-age=0");
    response.headers_mut().insert(header::CACHE_CONTROL, fresh);
    response
}
