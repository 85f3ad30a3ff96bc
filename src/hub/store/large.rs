//! What large calls are given: in pieces beside their approvals, so that no change of an approval writes it again, and
//! others get their turn between two pieces.
//!
//! Pieces are found by the digest of the call, which is of all their text and which the record seals: a piece can be
//! written again, but not otherwise unnoticed.

use sqlx::AssertSqlSafe;

use super::{Store, StoreError, Tx, rows};
use crate::core::ids::{ApprovalId, Digest};

/// A call that is given more bytes is a large one: its approval's row holds none of it, and no event carries it.
pub const LARGE: usize = 256 << 10;
/// What a piece is of.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The arguments.
    Arguments,
    /// What there is besides.
    Extra,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Extra => "extra",
        }
    }
}

/// A text in pieces of [`LARGE`] bytes or a little less.
pub fn pieces_of(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(LARGE));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

impl Store {
    /// The arguments of an approval's call.
    pub async fn arguments_of(&self, id: &ApprovalId) -> Result<Option<String>, StoreError> {
        let sql = format!("select {} from approvals where id = $1", rows::ARGUMENTS);
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(self.read()).await?)
    }
}

impl Tx {
    /// Keeps a piece.
    pub async fn keep_given(
        &mut self,
        digest: &Digest,
        what: Part,
        place: i64,
        piece: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        // What is there already is the same, and stays as if it had come now.
        sqlx::query(
            "insert into given (digest, what, place, piece, written_at) values ($1, $2, $3, $4, $5) \
             on conflict (digest, what, place) do update set piece = excluded.piece, written_at = excluded.written_at",
        )
        .bind(digest.as_str())
        .bind(what.as_str())
        .bind(place)
        .bind(piece)
        .bind(now)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_nothing_is_lost() {
        let text = "ä€x".repeat(LARGE / 4);
        let pieces: Vec<_> = pieces_of(&text).collect();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| (1..=LARGE).contains(&piece.len())));
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces_of("").count(), 0);
    }
}
