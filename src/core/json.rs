//! Not written yet: json.
