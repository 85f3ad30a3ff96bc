//! Not written yet: frame.
