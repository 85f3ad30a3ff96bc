//! Which rows of a chunk have a mark, in memory and as it is kept.
//!
//! 64 marks share a page, which is text: for each mark that any row has its lower six bits, and either how far it is
//! from one row to the next or, where that is longer, a bit for each row.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::marks::Mark;
use crate::hub::store::varint::{put_number, take_number};

/// How many marks share a page.
const SHARE: u16 = 64;
/// How many pages there are.
pub(super) const PAGES: i64 = 1_024;
/// In the first byte of a mark: it is followed by a bit for each row.
const DENSE: u8 = 0x80;

impl Mark {
    pub(super) fn page(self) -> i64 {
        i64::from(self.0 / SHARE)
    }

    fn place(self) -> u8 {
        u8::try_from(self.0 % SHARE).unwrap_or_default()
    }
}

/// A bit for each row of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Vec<u8>);

impl Bits {
    pub(super) fn none(size: i64) -> Self {
        Self(vec![0; usize::try_from(size).unwrap_or_default().div_ceil(8)])
    }

    pub(super) fn all(size: i64) -> Self {
        Self(vec![u8::MAX; Self::none(size).0.len()])
    }

    pub(super) fn set(&mut self, row: usize) {
        if let Some(byte) = self.0.get_mut(row / 8) {
            *byte |= 1 << (row % 8);
        }
    }

    pub(super) fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(byte, other)| *byte &= other);
    }

    pub(super) fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(byte, other)| *byte |= other);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// The rows, the last first.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        let bytes = self.0.iter().enumerate().rev().filter(|(_, byte)| **byte != 0);
        bytes.flat_map(|(at, byte)| (0..8).rev().filter(move |bit| byte >> bit & 1 == 1).map(move |bit| at * 8 + bit))
    }
}

/// Marks of rows, as they are collected: few rows as a list, many as bits.
#[derive(Clone, Debug)]
enum Had {
    Few(Vec<u16>),
    Many(Bits),
}

/// The marks of a chunk's rows.
#[derive(Debug)]
pub(super) struct Collected {
    size: i64,
    of: BTreeMap<Mark, Had>,
}

impl Collected {
    pub(super) fn new(size: i64) -> Self {
        Self { size, of: BTreeMap::new() }
    }

    /// A row has a mark; rows come in their order, each mark as often as it likes.
    pub(super) fn add(&mut self, mark: Mark, row: u16) {
        let had = self.of.entry(mark).or_insert_with(|| Had::Few(Vec::new()));
        match had {
            Had::Few(rows) if rows.last() == Some(&row) => {}
            Had::Few(rows) if rows.len() < usize::try_from(self.size / 8).unwrap_or_default() => rows.push(row),
            Had::Few(rows) => {
                let mut bits = Bits::none(self.size);
                rows.iter().chain([&row]).for_each(|row| bits.set(usize::from(*row)));
                *had = Had::Many(bits);
            }
            Had::Many(bits) => bits.set(usize::from(row)),
        }
    }

    /// The pages, by their numbers.
    pub(super) fn pages(&self) -> Vec<(i64, String)> {
        let mut pages = BTreeMap::<i64, Vec<u8>>::new();
        for (mark, had) in &self.of {
            let page = pages.entry(mark.page()).or_default();
            match had {
                Had::Few(rows) => sparse(page, *mark, rows, self.size),
                Had::Many(bits) => dense(page, *mark, bits),
            }
        }
        pages.into_iter().map(|(number, page)| (number, STANDARD_NO_PAD.encode(page))).collect()
    }
}

fn dense(page: &mut Vec<u8>, mark: Mark, bits: &Bits) {
    page.push(mark.place() | DENSE);
    page.extend(&bits.0);
}

/// How far it is from row to row, unless bits are shorter.
fn sparse(page: &mut Vec<u8>, mark: Mark, rows: &[u16], size: i64) {
    let (mut steps, mut next, mut bits) = (Vec::new(), 0, Bits::none(size));
    for row in rows {
        put_number(&mut steps, u64::from(row - next));
        next = row + 1;
        bits.set(usize::from(*row));
    }
    if steps.len() >= bits.0.len() {
        return dense(page, mark, &bits);
    }
    page.push(mark.place());
    put_number(page, steps.len() as u64);
    page.extend(steps);
}

/// A page as it was read.
pub(super) struct Page(Vec<u8>);

impl Page {
    /// None where the text is no page.
    pub(super) fn read(text: &str) -> Option<Self> {
        STANDARD_NO_PAD.decode(text).ok().map(Self)
    }

    /// The rows with this mark; `None` when the page is damaged.
    pub(super) fn rows(&self, mark: Mark, size: i64) -> Option<Bits> {
        let (mut rest, mut bits) = (self.0.as_slice(), Bits::none(size));
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let is_dense = first & DENSE != 0;
            let long = if is_dense { bits.0.len() } else { length(&mut rest)? };
            let (mut body, after) = rest.split_at_checked(long)?;
            rest = after;
            if first & !DENSE != mark.place() {
                continue;
            }
            if is_dense {
                bits.0.copy_from_slice(body);
            }
            let mut row = 0;
            while !is_dense && !body.is_empty() {
                row += length(&mut body)?;
                bits.set(row);
                row += 1;
            }
            break;
        }
        Some(bits)
    }
}

fn length(from: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_number(from)?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SIZE: i64 = 256;

    proptest! {
        #[test]
        fn pages_say_of_each_mark_which_rows_had_it(had in prop::collection::btree_set((0_u16..256, 0_u16..200), 0..900)) {
            let mut collected = Collected::new(SIZE);
            for (row, mark) in &had {
                collected.add(Mark(*mark), *row);
            }
            let pages: BTreeMap<_, _> = collected.pages().into_iter().collect();
            for mark in (0..256).map(Mark) {
                let expected: BTreeSet<_> = had.iter().filter(|(_, has)| *has == mark.0).map(|(row, _)| *row).collect();
                let found = pages.get(&mark.page()).map(|page| Page::read(page).unwrap().rows(mark, SIZE).unwrap());
                let found: Vec<_> = found.iter().flat_map(Bits::rows).collect();
                prop_assert_eq!(found, expected.iter().rev().map(|row| usize::from(*row)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_is_damaged_is_no_page() {
        assert!(Page::read("?").is_none());
        let mut collected = Collected::new(SIZE);
        collected.add(Mark(1), 200);
        let page = Page(STANDARD_NO_PAD.decode(&collected.pages()[0].1).unwrap()[..2].to_vec());
        assert!(page.rows(Mark(1), SIZE).is_none());
    }

    #[test]
    fn a_mark_of_many_rows_takes_a_bit_for_each() {
        let mut collected = Collected::new(SIZE);
        (0..256).for_each(|row| collected.add(Mark(7), row));
        assert_eq!(STANDARD_NO_PAD.decode(&collected.pages()[0].1).unwrap().len(), 1 + 32);
    }
}
