//! Which marks a row has, and which ones it must have to be what is looked for.

/// A small hash of a piece of text or of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Mark(pub(super) u16);

/// How many words are looked for; the others are not asked for.
pub(in crate::hub::store) const MAX_WORDS: usize = 8;
/// How many pieces of all words together are looked for: each is read from every chunk.
const MAX_PIECES: usize = 24;

impl Mark {
    /// Of two or three bytes, whatever the case of letters from A to Z.
    fn of_piece(bytes: &[u8]) -> Self {
        let mut value = u32::try_from(bytes.len()).unwrap_or_default();
        for byte in bytes {
            value = value << 8 | u32::from(byte.to_ascii_lowercase());
        }
        let [_, _, high @ ..] = value.wrapping_mul(0x9E37_79B1).to_le_bytes();
        Self(u16::from_le_bytes(high))
    }

    /// Two of them, so that hardly two values have both in common.
    pub(super) fn of_value(field: &str, value: &str) -> [Self; 2] {
        // FNV-1a, and its high bits mixed into the low ones.
        let bytes = field.bytes().chain([0]).chain(value.bytes());
        let hash =
            bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        let [a, b, c, d, ..] = (hash ^ hash >> 32).to_le_bytes();
        [Self(u16::from_le_bytes([a, b])), Self(u16::from_le_bytes([c, d]))]
    }

    /// All pieces of a text.
    pub(super) fn of_text(text: &str) -> impl Iterator<Item = Self> {
        let bytes = text.as_bytes();
        bytes.windows(3).chain(bytes.windows(2)).map(Self::of_piece)
    }

    /// The pieces of a word that are looked for, at most so many; none of a word of one byte.
    fn of_word(word: &str, most: usize) -> Vec<Self> {
        let bytes = word.as_bytes();
        let pieces: Vec<_> = bytes.windows(bytes.len().clamp(2, 3)).map(Self::of_piece).collect();
        let step = pieces.len().div_ceil(most.max(1)).max(1);
        pieces.into_iter().step_by(step).collect()
    }
}

/// What a row must have: of each entry any of the alternatives, and of that all marks. Empty lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Wanted(pub(super) Vec<Vec<Vec<Mark>>>);

impl Wanted {
    /// The field is any of these; nothing is asked where there is none.
    pub fn is(&mut self, field: &str, values: &[&str]) {
        if !values.is_empty() {
            self.0.push(values.iter().map(|value| Mark::of_value(field, value).to_vec()).collect());
        }
    }

    /// The field is this, if it has to be anything.
    pub fn text(&mut self, field: &str, value: Option<&String>) {
        self.is(field, &value.map(String::as_str).into_iter().collect::<Vec<_>>());
    }

    /// All these words are in the texts, as [`Conditions::words`](crate::hub::store::Conditions::words) asks for them.
    pub fn words(&mut self, words: Option<&String>) {
        let words: Vec<_> = words.iter().flat_map(|words| words.split_whitespace()).take(MAX_WORDS).collect();
        for word in &words {
            let pieces = Mark::of_word(word, MAX_PIECES / words.len());
            self.0.extend(pieces.into_iter().map(|mark| vec![vec![mark]]));
        }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Else a search would miss a row.
        #[test]
        fn a_text_has_the_marks_of_each_word_in_it(text in "\\PC{0,40}", from in 0_usize..40, long in 1_usize..40) {
            let word: String = text.chars().skip(from).take(long).collect();
            let marks: HashSet<_> = Mark::of_text(&text).collect();
            for word in [word.to_ascii_lowercase(), word.to_ascii_uppercase()] {
                prop_assert!(Mark::of_word(&word, 3).iter().all(|mark| marks.contains(mark)), "{word:?}");
            }
        }
    }

    #[test]
    fn words_and_values_are_told_apart_by_few_marks() {
        assert_eq!(Mark::of_word("delete_repo", 24).len(), 9);
        assert_eq!(Mark::of_word("delete_repo", 4).len(), 3);
        assert_eq!((Mark::of_word("c#", 24).len(), Mark::of_word("c", 24).len()), (1, 0));
        assert_ne!(Mark::of_value("server", "a"), Mark::of_value("tool", "a"));
        let mut wanted = Wanted::default();
        wanted.words(Some(&"a ".repeat(20)));
        wanted.is("server", &[]);
        assert!(wanted.is_everything());
    }
}
