//! Rows that one statement writes.

/// So many at once: few kinds of a statement, so that each is prepared once.
const COUNTS: [usize; 4] = [64, 16, 4, 1];

/// The rows in pieces, each for one statement.
pub fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let piece = COUNTS.iter().find_map(|count| rows.get(..*count))?;
        rows = rows.get(piece.len()..).unwrap_or_default();
        Some(piece)
    })
}

/// The statement that writes so many rows.
pub fn insert_many(table: &str, columns: &[&str], count: usize) -> String {
    let width = columns.len();
    let rows: Vec<_> = (0..count).map(|number| places(number * width + 1, width)).collect();
    format!("insert into {table} ({}) values {}", columns.join(", "), rows.join(", "))
}

/// The places of so many values, from this one on.
pub fn places(first: usize, count: usize) -> String {
    let places: Vec<_> = (first..first + count).map(|place| format!("${place}")).collect();
    format!("({})", places.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_written_in_their_order_by_few_kinds_of_statements() {
        let rows: Vec<u32> = (0..150).collect();
        assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        let counts: Vec<_> = pieces(&rows).map(<[u32]>::len).collect();
        assert_eq!(counts, [64, 64, 16, 4, 1, 1]);
        assert_eq!(insert_many("t", &["a", "b"], 2), "insert into t (a, b) values ($1, $2), ($3, $4)");
    }
}
