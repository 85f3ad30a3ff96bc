//! Rows that one statement writes.

use super::Tx;

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

impl Tx {
    /// The statement that writes so many rows, their values in order.
    pub fn insert_many(&self, table: &str, columns: &[&str], count: usize) -> String {
        insert_many(self.shared, table, columns, count)
    }
}

/// SQLite looks for each number of a place among all of them, which takes longer than writing the rows; PostgreSQL knows
/// numbers alone.
fn insert_many(numbered: bool, table: &str, columns: &[&str], count: usize) -> String {
    let width = columns.len();
    let row = |number: usize| match numbered {
        true => places(number * width + 1, width),
        false => format!("({})", vec!["?"; width].join(", ")),
    };
    let rows: Vec<_> = (0..count).map(row).collect();
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
        let of = |numbered| insert_many(numbered, "t", &["a", "b"], 2);
        assert_eq!(of(true), "insert into t (a, b) values ($1, $2), ($3, $4)");
        assert_eq!(of(false), "insert into t (a, b) values (?, ?), (?, ?)");
    }
}
