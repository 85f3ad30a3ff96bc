//! From the newest row to the oldest, past those that are not what is looked for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;

use super::History;
use super::bits::{Bits, Page};
use super::marks::{Mark, Wanted};
use crate::hub::store::{Store, StoreError, rows};

/// How many chunks are looked at together.
const TOGETHER: usize = 64;
/// How many candidates at most make a span: a few at first, because a page may be full with them.
const FEW: usize = 64;
const MANY: usize = 256;

/// Rows that may be what is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// All with these numbers, ends included; none of the chunk is sealed, or everything is looked for.
    All(RangeInclusive<i64>),
    /// These, the newest first.
    These(Vec<i64>),
    /// All of a sealed chunk, which has these numbers.
    Chunk(i64, RangeInclusive<i64>),
}

/// A part of the table, as the walk will take it.
enum Part {
    All(RangeInclusive<i64>),
    /// Sealed chunks, the newest first.
    Sealed(Vec<i64>),
}

/// See the module.
pub struct Walk<'s> {
    store: &'s Store,
    history: History,
    wanted: Wanted,
    numbers: RangeInclusive<i64>,
    parts: VecDeque<Part>,
    candidates: VecDeque<i64>,
    most: usize,
    /// Whether chunks of which all rows are candidates are handed out as such.
    whole: bool,
}

/// When rows were: `from` included, `to` not.
type Times = (Option<i64>, Option<i64>);

impl Store {
    /// A walk over rows with these numbers that were at these times and have what is wanted.
    pub async fn walk(
        &self,
        history: History,
        wanted: Wanted,
        numbers: RangeInclusive<i64>,
        times: Times,
    ) -> Result<Walk<'_>, StoreError> {
        let mut walk = Walk::new(self, history, wanted, numbers.clone());
        if walk.wanted.is_everything() && times == (None, None) {
            walk.parts.push_back(Part::All(numbers));
            return Ok(walk);
        }
        walk.find_chunks(times).await?;
        Ok(walk)
    }

    /// The same over all rows; where nothing but their times is asked, sealed chunks are handed out as such.
    pub async fn walk_chunks(&self, history: History, wanted: Wanted, times: Times) -> Result<Walk<'_>, StoreError> {
        let mut walk = Walk { whole: true, ..Walk::new(self, history, wanted, 0..=i64::MAX) };
        walk.find_chunks(times).await?;
        Ok(walk)
    }
}

impl<'s> Walk<'s> {
    fn new(store: &'s Store, history: History, wanted: Wanted, numbers: RangeInclusive<i64>) -> Self {
        let (parts, candidates) = (VecDeque::new(), VecDeque::new());
        Self { store, history, wanted, numbers, parts, candidates, most: FEW, whole: false }
    }

    async fn find_chunks(&mut self, (from, to): Times) -> Result<(), StoreError> {
        let (history, numbers) = (self.history, self.numbers.clone());
        let found = sqlx::query(
            "select chunk, earliest, latest from chunks where history = $1 and chunk between $2 and $3 order by chunk desc",
        )
        .bind(history.word())
        .bind(history.chunk(*numbers.start()))
        .bind(history.chunk(*numbers.end()))
        .fetch_all(self.store.read())
        .await?;
        let mut next = *numbers.end();
        for row in &found {
            let chunk = rows::number(row, "chunk")?;
            let (first, last) = history.numbers(chunk);
            self.unsealed(last.saturating_add(1)..=next);
            next = first - 1;
            let (earliest, latest) = (rows::number(row, "earliest")?, rows::number(row, "latest")?);
            if from.is_none_or(|from| latest >= from) && to.is_none_or(|to| earliest < to) {
                self.sealed(chunk);
            }
        }
        self.unsealed(*numbers.start()..=next);
        Ok(())
    }

    fn unsealed(&mut self, numbers: RangeInclusive<i64>) {
        if !numbers.is_empty() {
            self.parts.push_back(Part::All(numbers));
        }
    }

    fn sealed(&mut self, chunk: i64) {
        match self.parts.back_mut() {
            Some(Part::Sealed(chunks)) if chunks.len() < TOGETHER => chunks.push(chunk),
            _ => self.parts.push_back(Part::Sealed(vec![chunk])),
        }
    }

    /// The next rows, each before the ones before; none when there are no more.
    pub async fn next(&mut self) -> Result<Option<Span>, StoreError> {
        loop {
            if !self.candidates.is_empty() {
                let piece = self.candidates.drain(..self.candidates.len().min(self.most)).collect();
                self.most = MANY;
                return Ok(Some(Span::These(piece)));
            }
            match self.parts.pop_front() {
                None => return Ok(None),
                Some(Part::All(numbers)) => return Ok(Some(Span::All(numbers))),
                Some(Part::Sealed(mut chunks)) if self.wanted.is_everything() => {
                    let chunk = chunks.remove(0);
                    if !chunks.is_empty() {
                        self.parts.push_front(Part::Sealed(chunks));
                    }
                    return Ok(Some(self.all_of(chunk)));
                }
                Some(Part::Sealed(chunks)) => self.candidates = self.sift(&chunks).await?,
            }
        }
    }

    fn all_of(&self, chunk: i64) -> Span {
        let (first, last) = self.history.numbers(chunk);
        let numbers = first.max(*self.numbers.start())..=last.min(*self.numbers.end());
        if self.whole && numbers == (first..=last) { Span::Chunk(chunk, numbers) } else { Span::All(numbers) }
    }

    /// The candidates among the rows of these chunks, the newest first.
    async fn sift(&self, chunks: &[i64]) -> Result<VecDeque<i64>, StoreError> {
        let size = self.history.size();
        let mut left: BTreeMap<i64, Bits> = chunks.iter().map(|chunk| (*chunk, Bits::all(size))).collect();
        let mut pages = HashMap::new();
        for any in &self.wanted.0 {
            for mark in any.iter().flatten() {
                self.read(mark.page(), &left, &mut pages).await?;
            }
            for (chunk, bits) in &mut left {
                bits.and(&having(&pages, *chunk, any, size)?);
            }
            left.retain(|_, bits| !bits.is_empty());
            if left.is_empty() {
                break;
            }
        }
        let of_chunk = |(chunk, bits): (&i64, &Bits)| {
            let first = self.history.numbers(*chunk).0;
            bits.rows().map(|row| first + i64::try_from(row).unwrap_or_default()).collect::<Vec<_>>()
        };
        let found = left.iter().rev().flat_map(of_chunk);
        Ok(found.filter(|number| self.numbers.contains(number)).collect())
    }

    /// Reads a page of the chunks that are left, unless it is there.
    async fn read(&self, page: i64, of: &BTreeMap<i64, Bits>, pages: &mut Pages) -> Result<(), StoreError> {
        if pages.contains_key(&page) {
            return Ok(());
        }
        let (Some((first, _)), Some((last, _))) = (of.first_key_value(), of.last_key_value()) else { return Ok(()) };
        let found =
            sqlx::query("select chunk, bits from marks where history = $1 and page = $2 and chunk between $3 and $4")
                .bind(self.history.word())
                .bind(page)
                .bind(*first)
                .bind(*last)
                .fetch_all(self.store.read())
                .await?;
        let of_chunk = |row| {
            let page = Page::read(&rows::text(row, "bits")?).ok_or_else(|| rows::unreadable("marks"))?;
            Ok((rows::number(row, "chunk")?, page))
        };
        pages.insert(page, found.iter().map(of_chunk).collect::<Result<_, StoreError>>()?);
        Ok(())
    }
}

/// What was read, by page and chunk.
type Pages = HashMap<i64, HashMap<i64, Page>>;

/// The rows of a chunk that have all marks of any of the alternatives.
fn having(pages: &Pages, chunk: i64, any: &[Vec<Mark>], size: i64) -> Result<Bits, StoreError> {
    let mut found = Bits::none(size);
    for all in any {
        let mut bits = Bits::all(size);
        for mark in all {
            // A page that no row has a mark of is not written.
            let rows = match pages.get(&mark.page()).and_then(|of| of.get(&chunk)) {
                Some(page) => page.rows(*mark, size).ok_or_else(|| rows::unreadable("marks"))?,
                None => Bits::none(size),
            };
            bits.and(&rows);
        }
        found.or(&bits);
    }
    Ok(found)
}
