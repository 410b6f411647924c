//! The browser client of Socket.IO, for pages that load it from the server.
//!
//! In: requests for `socket.io.js` and its variants below the path of the service. Out: files of a folder that the
//! operator chose; without one, a sentence that says so. None of these files is part of the program.

use std::path::PathBuf;
use std::sync::Arc;

use actix_files::NamedFile;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::carriers::engineio::EngineIo;
use crate::carriers::{Mounts, Offer, Routes};
use crate::gate::methods::only;

/// What the published package has in its folder `dist`.
const NAMES: [&str; 7] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
];
const ABSENT: &str = "There is no browser client of Socket.IO here. Set client under [clients.socketio] in turted.toml to the folder that holds it (the folder \
                      dist of the npm package socket.io-client), or let the page load it from elsewhere.\n";

/// A service, and beside it the browser client.
pub struct WithClient {
    /// The service.
    pub service: EngineIo,
    /// The folder with the browser client, if there is one.
    pub folder: Option<PathBuf>,
}

impl Offer for WithClient {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let service = Box::new(self.service).open(path, mounts);
        let (path, folder) = (path.to_owned(), self.folder);
        Arc::new(move |config| {
            routes(config, &path, folder.as_ref());
            service(config);
        })
    }
}

/// The routes below `path`.
fn routes(config: &mut ServiceConfig, path: &str, folder: Option<&PathBuf>) {
    for name in NAMES {
        let file = folder.map(|folder| folder.join(name));
        let answer = move |request: HttpRequest| {
            let shown = show(&request, file.as_ref());
            async move { shown }
        };
        let script = web::resource(format!("{path}/{name}")).route(web::get().to(answer));
        config.service(script.default_service(only("GET, HEAD")));
    }
}

fn show(request: &HttpRequest, file: Option<&PathBuf>) -> HttpResponse {
    let Some(found) = file.and_then(|file| NamedFile::open(file).ok()) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body(ABSENT);
    };
    let mut response = found.into_response(request);
    let fresh = header::HeaderValue::from_static("public, max-age=0");
    response.headers_mut().insert(header::CACHE_CONTROL, fresh);
    response
}
