//! The pages: those in the program, and those of a folder.
//!
//! In: GET requests. Out: files, and the headers that keep a browser careful with them.

use crate::harness::{Server, json, to_all};

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
