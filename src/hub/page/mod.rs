//! The approvers' page: files embedded in the binary, the same `index.html` at every address the page knows.

mod files;

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::core::ids::hex;

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
    pub data: Cow<'static, [u8]>,
    /// Changes with them.
    pub tag: String,
    /// What `Content-Type` says of it.
    pub mime: &'static str,
}

/// The file at a path below `assets/`.
pub fn file(path: &str) -> Option<File> {
    let data = (files::FILES.iter().find(|file| file.path == path)?.bytes)()?;
    let tag = format!("\"{}\"", hex(&Sha256::digest(&data)[..16]));
    Some(File { data, tag, mime: mime(path) })
}

fn mime(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        // The licences of what others wrote.
        _ => "text/plain; charset=utf-8",
    }
}
