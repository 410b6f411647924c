//! The browser client and the demo pages.
//!
//! In: GET requests that no other route took. Out: files that are part of the program, or those of a folder that the
//! operator chose. The browser client is there in any case: pages of other origins load it from here.

use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest, Sha1};

use crate::gate::methods::{nothing, only};

/// What `/` shows.
#[derive(Debug, Clone)]
pub enum Pages {
    /// Nothing but the browser client.
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

/// What pages of any origin may load.
pub const CLIENT: [&str; 4] = ["/turted.js", "/turted.mjs", "/turted.d.ts", "/turted.d.mts"];

impl Pages {
    /// Puts the pages behind every other route.
    pub fn routes(&self, config: &mut ServiceConfig) {
        let mut offer = |path: &str, file: &'static Ready| {
            let show = web::get().to(move |request: HttpRequest| async move { file.show(&request) });
            config.service(web::resource(path).route(show).default_service(only("GET, HEAD")));
        };
        match self {
            Self::None => READY
                .iter()
                .filter(|file| file.is_client())
                .for_each(|file| offer(file.path(), file)),
            Self::Embedded => {
                offer("/", &READY[0]);
                READY.iter().for_each(|file| offer(file.path(), file));
            }
            Self::Folder(folder) => {
                // A file of that name in the folder goes before the one in the program.
                let client = |request: HttpRequest| async move {
                    let file = READY
                        .iter()
                        .find(|file| file.is_client() && file.path() == request.path());
                    file.map_or_else(nothing, |file| file.show(&request))
                };
                let files = actix_files::Files::new("/", folder)
                    .index_file("index.html")
                    .default_handler(web::to(client));
                let told = web::scope("").wrap(theirs()).wrap_fn(|request, next| {
                    let answered = next.call(request);
                    async move { answered.await.map(with_allow) }
                });
                config.service(told.service(files));
            }
        }
    }
}

/// What answers for a folder says 405 without the methods that it would answer.
fn with_allow(mut response: ServiceResponse) -> ServiceResponse {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// What goes with the operator's own pages: browsers take the type of a file as it is told, and tell other origins
/// where a visitor comes from, but no path and no query. No `Content-Security-Policy`: only who wrote the pages knows
/// what they load, and can say it in them.
fn theirs() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "strict-origin-when-cross-origin"))
}

/// A file as it is sent: also compressed, each form under a tag of its own.
struct Ready {
    file: &'static File,
    tag: String,
    zipped: Option<Vec<u8>>,
}

static READY: LazyLock<Vec<Ready>> = LazyLock::new(|| FILES.iter().map(Ready::new).collect());

impl Ready {
    fn new(file: &'static File) -> Self {
        let mut zipped = GzEncoder::new(Vec::new(), Compression::best());
        let zipped = zipped.write_all(file.bytes).and_then(|()| zipped.finish());
        Self {
            tag: hex::encode(Sha1::digest(file.bytes)),
            zipped: zipped.ok().filter(|zipped| zipped.len() < file.bytes.len()),
            file,
        }
    }

    fn path(&self) -> &'static str {
        self.file.path
    }

    fn is_client(&self) -> bool {
        CLIENT.contains(&self.file.path)
    }

    fn show(&'static self, request: &HttpRequest) -> HttpResponse {
        let zipped = self.zipped.as_deref().filter(|_| takes_gzip(request));
        let tag = format!("\"{}{}\"", self.tag, if zipped.is_some() { "-gzip" } else { "" });
        let mut response = HttpResponse::Ok();
        response
            .insert_header((header::ETAG, tag.as_str()))
            .insert_header((header::VARY, "Accept-Encoding"))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "same-origin"));
        if self.is_client() {
            response
                .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
                .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
        }
        if is_known(request, &tag) {
            return response.status(StatusCode::NOT_MODIFIED).finish();
        }
        response.content_type(self.file.kind);
        match zipped {
            Some(zipped) => response.insert_header((header::CONTENT_ENCODING, "gzip")).body(zipped),
            None => response.body(self.file.bytes),
        }
    }
}

/// The members of a list in a header, which may come in several lines.
fn listed(request: &HttpRequest, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn is_known(request: &HttpRequest, tag: &str) -> bool {
    // Weak comparison (RFC 9110 section 13.1.2): proxies that compress make a tag weak.
    listed(request, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn takes_gzip(request: &HttpRequest) -> bool {
    listed(request, header::ACCEPT_ENCODING).any(|taken| {
        let (name, quality) = taken.split_once(';').unwrap_or((taken, "q=1"));
        let refused = quality.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
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
