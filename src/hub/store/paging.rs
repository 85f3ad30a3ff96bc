//! How long a page of a list is.

/// How many rows a page has.
pub fn page_size(limit: Option<u32>) -> i64 {
    i64::from(limit.unwrap_or(50).clamp(1, 500))
}
