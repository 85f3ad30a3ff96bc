//! The page's files over HTTP. They need no session: nothing in them is secret.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use super::problem::Problem;
use crate::hub::page::{PAGES, file};

/// The page itself at every address it makes sense of, and the files it asks for.
pub(super) fn routes() -> Router<Api> {
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
    serve(&path, &headers)
}

/// The file, or word that the browser's copy is still the same.
fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = file(path) else { return Problem::missing("file").into_response() };
    // Names carry no version, so a browser asks each time; the answer is mostly this short one.
    let caching = [(header::ETAG, file.tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_current(headers, &file.tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, file.mime)], file.data).into_response()
}

fn is_current(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag)
}
