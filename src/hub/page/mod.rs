//! The approvers' page: files embedded in the binary, the same `index.html` at every address the page knows.

use rust_embed::RustEmbed;

use crate::core::ids::hex;

/// Everything under `assets/`; read from disk in debug builds.
#[derive(RustEmbed)]
#[folder = "src/hub/page/assets/"]
struct Assets;

/// The addresses that the page itself makes sense of.
pub const PAGES: [&str; 13] = [
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
    "/guide",
    "/signin",
];

/// A file of the page.
pub struct File {
    /// Its bytes.
    pub data: std::borrow::Cow<'static, [u8]>,
    /// Changes with them.
    pub tag: String,
    /// What `Content-Type` says of it.
    pub mime: String,
}

/// The file at a path below `assets/`.
pub fn file(path: &str) -> Option<File> {
    // Notes and types beside the code are for those who work on it.
    if [".md", ".d.ts"].iter().any(|end| path.ends_with(end)) {
        return None;
    }
    let file = Assets::get(path)?;
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    Some(File { data: file.data, tag, mime: mime(path) })
}

fn mime(path: &str) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_() {
        mime_guess::mime::TEXT => format!("{}; charset=utf-8", guess.essence_str()),
        _ => guess.essence_str().to_owned(),
    }
}
