//! The page's files.

use reqwest::Method;

use super::{Running, header, problem};

#[tokio::test]
async fn the_page_is_at_every_address_it_knows_without_signing_in() {
    let running = Running::start().await;
    let stranger = running.stranger();
    let index = stranger.get("/").await.text().await.unwrap();
    assert!(index.starts_with("<!doctype html>"), "{index}");
    for path in [
        "/approvals",
        "/approvals/0192",
        "/history",
        "/servers",
        "/servers/my%2Fserver",
        "/agents",
        "/notifications",
        "/activity",
        "/guide",
        "/signin",
    ] {
        let response = stranger.get(path).await;
        assert_eq!(header(response.headers(), "content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(response.text().await.unwrap(), index, "{path}");
    }
    problem(stranger.get("/approvals/0192/approve").await, 404).await;
}

#[tokio::test]
async fn every_file_the_page_asks_for_is_there_with_its_type() {
    let running = Running::start().await;
    let stranger = running.stranger();
    let index = stranger.get("/").await.text().await.unwrap();
    let links: Vec<_> = index.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(links.len() > 1, "{index}");
    for link in links {
        let response = stranger.get(link).await;
        assert_eq!(response.status(), 200, "{link}");
        let expected = match link.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "webmanifest" => "application/manifest+json",
            other => panic!("what is the type of {other}?"),
        };
        assert_eq!(header(response.headers(), "content-type"), expected, "{link}");
    }
}

#[tokio::test]
async fn a_browser_with_the_same_file_is_told_so() {
    let running = Running::start().await;
    let stranger = running.stranger();
    let tag = header(stranger.get("/").await.headers(), "etag");
    let again = stranger.request(Method::GET, "/").header("if-none-match", format!("\"other\", W/{tag}"));
    let again = again.send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(again.headers(), "etag")), (304, tag));
    assert!(again.bytes().await.unwrap().is_empty());
    let changed = stranger.request(Method::GET, "/").header("if-none-match", "\"other\"").send().await.unwrap();
    assert_eq!(changed.status(), 200);
}

#[tokio::test]
async fn nothing_outside_the_page_is_served() {
    let running = Running::start().await;
    for path in [
        "/assets/..%2Fmod.rs",
        "/assets/%2e%2e/mod.rs",
        "/assets/vendor/preact.d.ts",
        "/assets/vendor/README.md",
        "/assets/",
    ] {
        let response = running.stranger().get(path).await;
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_service_worker_lies_at_the_root_and_the_page_may_start_no_other() {
    let running = Running::start().await;
    let response = running.stranger().get("/sw.js").await;
    assert_eq!(header(response.headers(), "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(header(response.headers(), "cache-control"), "no-cache");
    let policy = header(response.headers(), "content-security-policy");
    for part in
        ["worker-src 'self'", "manifest-src 'self'", "trusted-types hitl-worker", "require-trusted-types-for 'script'"]
    {
        assert!(policy.contains(part), "{part} missing in {policy}");
    }
    assert!(response.text().await.unwrap().contains("notificationclick"));
}

#[tokio::test]
async fn everything_the_manifest_names_is_there() {
    let running = Running::start().await;
    let stranger = running.stranger();
    let manifest: serde_json::Value = stranger.get("/assets/manifest.webmanifest").await.json().await.unwrap();
    assert_eq!((&manifest["display"], &manifest["scope"]), (&"standalone".into(), &"/".into()));
    assert_eq!(stranger.get(manifest["start_url"].as_str().unwrap()).await.status(), 200);
    for icon in manifest["icons"].as_array().unwrap() {
        let response = stranger.get(icon["src"].as_str().unwrap()).await;
        assert_eq!(header(response.headers(), "content-type"), icon["type"].as_str().unwrap(), "{icon}");
    }
}
