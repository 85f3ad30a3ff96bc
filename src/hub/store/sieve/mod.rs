//! What keeps a search from reading everything: for each full chunk of a long table, which of its rows have a mark.
//!
//! A mark is a piece of two or three bytes of a text that is searched, or the exact value of a field, as a small hash.
//! Rows that have all marks of what is looked for are candidates, and the query itself decides; so a row may be looked
//! at in vain, but none is missed. Rows outside a sealed chunk are all candidates.
//!
//! Rows are numbered in the order of the history, so many numbers a chunk. A chunk is sealed once, beside the calls, when
//! nothing that is looked for changes any more in its rows: whoever writes a row has nothing to do with it.

mod bits;
mod marks;
mod seal;
mod walk;

pub(super) use self::marks::MAX_WORDS;
pub use self::marks::Wanted;
pub use self::seal::Sealing;
pub use self::walk::Span;

/// A long table whose rows are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// `approvals`, by `number`.
    Approvals,
    /// `activity`, by `id`.
    Activity,
}

impl History {
    fn word(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Activity => "activity",
        }
    }

    /// How many rows a chunk has: more make a search of all chunks cheaper, and what is not sealed yet longer.
    pub fn size(self) -> i64 {
        match self {
            // Few, so that a test fills some.
            _ if cfg!(test) => 64,
            Self::Approvals => 4_096,
            Self::Activity => 16_384,
        }
    }

    /// The chunk of the row with this number.
    pub fn chunk(self, number: i64) -> i64 {
        number.div_euclid(self.size())
    }

    /// The first and the last number of a chunk.
    pub fn numbers(self, chunk: i64) -> (i64, i64) {
        let first = chunk.saturating_mul(self.size());
        (first, first.saturating_add(self.size() - 1))
    }
}
