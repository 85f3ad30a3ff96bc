//! Not written yet: reply.
