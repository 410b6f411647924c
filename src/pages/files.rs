//! The browser client and the demo pages.
//!
//! In: GET requests that no other route took. Out: files that are part of the program, or those of a folder that the
//! operator chose.

use std::path::PathBuf;

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};

/// What `/` shows.
#[derive(Debug, Clone)]
pub enum Pages {
    /// Nothing.
    None,
    /// The demo inside the program.
    Embedded,
    /// The files of a folder.
    Folder(PathBuf),
}

/// Everything that a page may do: no foreign resources, no inline scripts; sockets to anywhere, since the server may be
/// elsewhere.
const POLICY: &str =
    "default-src 'self'; connect-src 'self' ws: wss: http: https:; frame-ancestors 'none'; base-uri 'none'";

struct File {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal => $kind:expr),* $(,)?) => {
        &[$(File {
            path: concat!("/", $name),
            kind: $kind,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/", $name)),
        }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TYPES: &str = "text/plain; charset=utf-8";

const FILES: &[File] = files! {
    "index.html" => HTML,
    "index.js" => SCRIPT,
    "push.html" => HTML,
    "push.js" => SCRIPT,
    "log.html" => HTML,
    "log.js" => SCRIPT,
    "log-line.js" => SCRIPT,
    "log-rows.js" => SCRIPT,
    "log.css" => STYLE,
    "page.js" => SCRIPT,
    "turted.css" => STYLE,
    "favicon.svg" => "image/svg+xml",
    "turted.js" => SCRIPT,
    "turted.mjs" => SCRIPT,
    "turted.d.ts" => TYPES,
    "turted.d.mts" => TYPES,
};

impl Pages {
    /// Puts the pages behind every other route.
    pub fn routes(&self, config: &mut ServiceConfig) {
        match self {
            Self::None => {}
            Self::Embedded => {
                config.route("/", web::get().to(|| async { show(&FILES[0]) }));
                for file in FILES {
                    config.route(file.path, web::get().to(move || async { show(file) }));
                }
            }
            Self::Folder(folder) => {
                let files = actix_files::Files::new("/", folder).index_file("index.html");
                config.service(web::scope("").wrap(theirs()).service(files));
            }
        }
    }
}

/// What goes with the operator's own pages: browsers take the type of a file as it is told, and tell other origins
/// where a visitor comes from, but no path and no query. No `Content-Security-Policy`: only who wrote the pages knows
/// what they load, and can say it in them.
fn theirs() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "strict-origin-when-cross-origin"))
}

fn show(file: &'static File) -> impl Responder + use<> {
    HttpResponse::Ok()
        .content_type(file.kind)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .body(file.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What makes the folder an npm package is no page.
    const PACKAGE: [&str; 2] = ["package.json", "README.md"];

    #[test]
    fn every_file_of_the_folder_is_in_the_program() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static")).unwrap();
        let there: BTreeSet<String> = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !PACKAGE.contains(&name.as_str()))
            .map(|name| format!("/{name}"))
            .collect();
        let here: BTreeSet<String> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(here, there);
        assert_eq!(FILES[0].path, "/index.html");
    }
}
