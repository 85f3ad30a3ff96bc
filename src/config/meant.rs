//! What somebody meant who mistyped the name of a setting.

/// The known name that is at most two slips away, the nearest first.
pub(super) fn meant<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let slips = known.into_iter().map(|name| (distance(typed, name), name));
    slips.filter(|(slips, _)| *slips <= 2).min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// How many characters must be put in, taken out or replaced to get from one to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_slips_are_forgiven_and_three_are_another_word() {
        let known = ["hub", "hub_wait", "hold_for"];
        for (typed, wanted) in [("hubb", "hub"), ("hub_wiat", "hub_wait"), ("holdfor", "hold_for"), ("hub", "hub")] {
            assert_eq!(meant(typed, known), Some(wanted), "{typed}");
        }
        for typed in ["listen", "hub_waiting", ""] {
            assert_eq!(meant(typed, known), None, "{typed}");
        }
    }
}
