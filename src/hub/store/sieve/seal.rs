//! Sealing a chunk: its marks are collected beside the writer and written in pieces, its own row last.

use sqlx::AssertSqlSafe;

use super::History;
use super::bits::{Collected, PAGES};
use super::marks::Mark;
use crate::hub::store::{Store, StoreError, Turn, rows, together};

/// How many pages are written at once: some 200 KiB, so that whoever decides waits for no more.
const PIECE: usize = 64;

const COLUMNS: [&str; 4] = ["history", "page", "chunk", "bits"];

/// A chunk whose rows are being read.
pub struct Sealing {
    history: History,
    chunk: i64,
    collected: Collected,
    /// The earliest and the latest time of a row.
    times: Option<(i64, i64)>,
}

/// A row's marks.
pub struct Marking<'s> {
    collected: &'s mut Collected,
    row: u16,
}

impl Marking<'_> {
    /// A text in which words are looked for.
    pub fn text(&mut self, text: &str) {
        Mark::of_text(text).for_each(|mark| self.collected.add(mark, self.row));
    }

    /// A field with an exact value, if it has one.
    pub fn value(&mut self, field: &str, value: &str) {
        Mark::of_value(field, value).into_iter().for_each(|mark| self.collected.add(mark, self.row));
    }
}

impl Sealing {
    /// Of this chunk.
    pub fn new(history: History, chunk: i64) -> Self {
        Self { history, chunk, collected: Collected::new(history.size()), times: None }
    }

    /// The next row, by its number and time; rows come in their order.
    pub fn row(&mut self, number: i64, at: i64) -> Marking<'_> {
        let (earliest, latest) = self.times.unwrap_or((at, at));
        self.times = Some((earliest.min(at), latest.max(at)));
        let row = u16::try_from(number - self.history.numbers(self.chunk).0).unwrap_or_default();
        Marking { collected: &mut self.collected, row }
    }
}

impl Store {
    /// What was written of these chunks when they were sealed.
    pub async fn summaries(&self, history: History, chunks: &[i64]) -> Result<Vec<String>, StoreError> {
        let sql = format!(
            "select summary from chunks where history = $1 and summary is not null and chunk in {}",
            together::places(2, chunks.len())
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(history.word());
        let found: Vec<String> =
            chunks.iter().fold(query, |query, chunk| query.bind(*chunk)).fetch_all(self.read()).await?;
        if found.len() < chunks.len() {
            return Err(rows::unreadable("summary"));
        }
        Ok(found)
    }

    /// The chunks that are full and not sealed, oldest first; `newest` is the number of the newest row.
    pub async fn unsealed(&self, history: History, oldest: i64, newest: i64) -> Result<Vec<i64>, StoreError> {
        let full = history.chunk(oldest)..history.chunk(newest);
        let sealed: Vec<i64> =
            sqlx::query_scalar("select chunk from chunks where history = $1 and chunk >= $2 order by chunk")
                .bind(history.word())
                .bind(full.start)
                .fetch_all(self.read())
                .await?;
        Ok(full.filter(|chunk| sealed.binary_search(chunk).is_err()).collect())
    }

    /// Seals a chunk, with what else is to be known of it; one that was sealed meanwhile stays as it is.
    pub async fn seal(&self, sealing: Sealing, summary: Option<String>) -> Result<(), StoreError> {
        let Sealing { history, chunk, collected, times } = sealing;
        let mut pages = collected.pages();
        drop(collected);
        while !pages.is_empty() {
            let rest = pages.split_off(pages.len().min(PIECE));
            let piece = std::mem::replace(&mut pages, rest);
            self.write_in(Turn::Upkeep, piece.len(), move |tx| {
                Box::pin(async move {
                    for piece in together::pieces(&piece) {
                        let sql = format!("{} on conflict do nothing", tx.insert_many("marks", &COLUMNS, piece.len()));
                        let insert = piece.iter().fold(sqlx::query(AssertSqlSafe(sql)), |insert, (page, bits)| {
                            insert.bind(history.word()).bind(*page).bind(chunk).bind(bits.clone())
                        });
                        insert.execute(tx.sql()).await?;
                    }
                    Ok::<_, StoreError>(())
                })
            })
            .await?;
        }
        let (earliest, latest) = times.unwrap_or_default();
        self.write_in(Turn::Upkeep, 1, move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into chunks (history, chunk, earliest, latest, summary) values ($1, $2, $3, $4, $5) \
                     on conflict do nothing",
                )
                .bind(history.word())
                .bind(chunk)
                .bind(earliest)
                .bind(latest)
                .bind(summary)
                .execute(tx.sql())
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets the chunks before that of the oldest row there is, in pieces.
    pub async fn forget_before(&self, history: History, oldest: i64) -> Result<(), StoreError> {
        let gone: Vec<i64> = sqlx::query_scalar("select chunk from chunks where history = $1 and chunk < $2")
            .bind(history.word())
            .bind(history.chunk(oldest))
            .fetch_all(self.read())
            .await?;
        for chunk in gone {
            // Its own row last, by which it is found here.
            for first in (0..PAGES).step_by(PIECE) {
                let piece = "delete from marks where history = $1 and chunk = $2 and page between $3 and $3 + $4";
                self.forget(piece, vec![chunk, first, PIECE as i64 - 1], history).await?;
            }
            self.forget("delete from chunks where history = $1 and chunk = $2", vec![chunk], history).await?;
        }
        Ok(())
    }

    async fn forget(&self, sql: &'static str, values: Vec<i64>, history: History) -> Result<(), StoreError> {
        self.write_in(Turn::Upkeep, PIECE, move |tx| {
            Box::pin(async move {
                let delete =
                    values.into_iter().fold(sqlx::query(sql).bind(history.word()), |delete, value| delete.bind(value));
                delete.execute(tx.sql()).await?;
                Ok(())
            })
        })
        .await
    }
}
