//! The pages: those in the program, and those of a folder.
//!
//! In: GET requests. Out: files, and the headers that keep a browser careful with them.

use crate::harness::{Request, Server, json, to_all};

#[tokio::test]
async fn the_pages_in_the_program_load_nothing_from_elsewhere() {
    let server = Server::start();
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
}

#[tokio::test]
async fn the_pages_of_a_folder_are_kept_from_being_guessed_at_but_may_load_what_they_like() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("public")).unwrap();
    for (name, text) in [("index.html", "<title>mine</title>"), ("app.mjs", "export {}")] {
        std::fs::write(folder.path().join("public").join(name), text).unwrap();
    }
    let public = folder.path().join("public");
    let server = Server::within_folder(folder, &format!("server.static_dir = {public:?}"));
    for (path, status, kind) in [
        ("/", 200, "html"),
        ("/app.mjs", 200, "javascript"),
        ("/log.html", 404, ""),
    ] {
        let reply = server.get(path).await;
        let kind_said = reply.header("content-type").unwrap_or_default();
        assert!(
            reply.status == status && kind_said.contains(kind),
            "{path}: {kind_said}"
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(
            reply.header("referrer-policy"),
            Some("strict-origin-when-cross-origin"),
            "{path}"
        );
        assert_eq!(reply.header("content-security-policy"), None, "{path}");
    }
    assert_eq!(server.get("/").await.text(), "<title>mine</title>");
    assert_eq!(server.get("/health/live").await.header("referrer-policy"), None);
    let mut client = server.client().await;
    server.receipt(&to_all("E", json!(1))).await;
    assert_eq!(client.event().await["data"]["payload"], 1);
}

#[tokio::test]
async fn the_browser_client_is_there_whatever_pages_there_are_and_any_page_may_load_it() {
    let folder = tempfile::tempdir().unwrap();
    let (public, own) = (folder.path().join("public"), folder.path().join("own"));
    for folder in [&public, &own] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(own.join("turted.js"), "mine").unwrap();
    let of_folder = format!("server.static_dir = {public:?}");
    for settings in ["", "server.demo = false", &of_folder] {
        let server = Server::with(settings);
        for path in ["/turted.js", "/turted.mjs", "/turted.d.ts", "/turted.d.mts"] {
            let reply = server.get(path).await;
            assert_eq!(reply.status, 200, "{path} {settings}");
            assert_eq!(
                reply.header("access-control-allow-origin"),
                Some("*"),
                "{path} {settings}"
            );
            assert_eq!(
                reply.header("cross-origin-resource-policy"),
                Some("cross-origin"),
                "{path}"
            );
            assert!(
                !reply.body.is_empty() && reply.header("etag").is_some(),
                "{path} {settings}"
            );
        }
    }
    // A page is not for everybody, and a file of the operator's own is as the operator says.
    let server = Server::start();
    assert_eq!(server.get("/page.js").await.header("access-control-allow-origin"), None);
    let server = Server::within_folder(folder, &format!("server.static_dir = {own:?}"));
    let reply = server.get("/turted.js").await;
    assert_eq!(
        (reply.text().as_str(), reply.header("access-control-allow-origin")),
        ("mine", None)
    );
    assert_eq!(server.get("/turted.mjs").await.status, 200);
}

#[tokio::test]
async fn what_a_browser_has_already_is_not_sent_again_and_the_rest_is_compressed() {
    let server = Server::start();
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::new("GET", "/turted.js");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        server.ask(request).await
    };
    let (plain, zipped) = (ask(&[]).await, ask(&[("Accept-Encoding", "br, gzip;q=0.8")]).await);
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary")),
        (None, Some("Accept-Encoding"))
    );
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(
        zipped.body.len() * 2 < plain.body.len(),
        "{} of {}",
        zipped.body.len(),
        plain.body.len()
    );
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&zipped.body[..]), &mut text).unwrap();
    assert_eq!(text, plain.body);
    assert_eq!(
        ask(&[("Accept-Encoding", "gzip;q=0, br")])
            .await
            .header("content-encoding"),
        None
    );
    let tags = [plain.header("etag").unwrap(), zipped.header("etag").unwrap()];
    assert_ne!(tags[0], tags[1], "other bytes have another tag");
    for known in [tags[0].to_owned(), format!("\"x\", W/{}", tags[0]), "*".into()] {
        let reply = ask(&[("If-None-Match", &known)]).await;
        assert_eq!(
            (reply.status, reply.text().as_str(), reply.header("etag")),
            (304, "", Some(tags[0])),
            "{known}"
        );
    }
    assert_eq!(ask(&[("If-None-Match", "\"x\"")]).await.status, 200);
    let gzip = ask(&[("Accept-Encoding", "gzip"), ("If-None-Match", tags[1])]).await;
    assert_eq!(gzip.status, 304);
}
