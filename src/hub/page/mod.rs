//! The approvers' page: files embedded in the binary, the same `index.html` at every address the page knows.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::api::Api;
use super::api::problem::Problem;
use crate::core::ids::hex;

/// Everything under `assets/`; read from disk in debug builds.
#[derive(RustEmbed)]
#[folder = "src/hub/page/assets/"]
struct Assets;

/// The addresses that the page itself makes sense of.
const PAGES: [&str; 12] = [
    "/",
    "/approvals",
    "/approvals/{id}",
    "/history",
    "/servers",
    "/servers/{name}",
    "/agents",
    "/users",
    "/enrol",
    "/notifications",
    "/activity",
    "/signin",
];

/// The page's routes. They need no session: nothing in the files is secret.
pub fn routes() -> Router<Api> {
    let pages = PAGES.iter().fold(Router::new(), |router, path| router.route(path, get(index)));
    pages.route("/assets/{*path}", get(asset)).route("/favicon.ico", get(favicon)).route("/sw.js", get(worker))
}

async fn index(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

async fn favicon(headers: HeaderMap) -> Response {
    serve("icons/0.svg", &headers)
}

/// At the root, because a service worker is responsible for what lies below its own address.
async fn worker(headers: HeaderMap) -> Response {
    serve("sw.js", &headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    // Notes and types beside the code are for those who work on it.
    if [".md", ".d.ts"].iter().any(|end| path.ends_with(end)) {
        return missing();
    }
    serve(&path, &headers)
}

/// The file, or word that the browser's copy is still the same.
fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Assets::get(path) else { return missing() };
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    // Names carry no version, so a browser asks each time; the answer is mostly this short one.
    let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_current(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let EmbeddedFile { data, .. } = file;
    (caching, [(header::CONTENT_TYPE, mime(path))], data).into_response()
}

fn is_current(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag)
}

fn mime(path: &str) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_() {
        mime_guess::mime::TEXT => format!("{}; charset=utf-8", guess.essence_str()),
        _ => guess.essence_str().to_owned(),
    }
}

fn missing() -> Response {
    Problem::missing("file").into_response()
}
