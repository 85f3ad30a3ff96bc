//! Conditions of a query that people narrow, with their values in order.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::sieve::{MAX_WORDS, Span};

/// What a condition compares with.
#[derive(Clone)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

/// See the module.
#[derive(Clone, Default)]
pub struct Conditions {
    /// Each with `and` before it. Put together from literals of this program; what comes from outside is bound.
    pub sql: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition, if there is a value; every `?` in it stands for that.
    pub fn and(&mut self, condition: &str, value: Option<Value>) {
        let Some(value) = value else { return };
        let place = self.value(value);
        self.sql.push_str(" and ");
        self.sql.push_str(&condition.replace('?', &place));
    }

    /// Adds the condition that a column is this text, if there is one.
    pub fn text(&mut self, condition: &str, text: Option<&String>) {
        self.and(condition, text.cloned().map(Value::Text));
    }

    /// Adds the condition that all words are found, each in any of the columns; `like` is the store's operator.
    pub fn words(&mut self, words: Option<&String>, columns: &[&str], like: &str) {
        for word in words.iter().flat_map(|words| words.split_whitespace()).take(MAX_WORDS) {
            let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            // Column by column, because putting them together takes longer than looking.
            let found: Vec<_> = columns.iter().map(|column| format!("{column} {like} ? escape '\\'")).collect();
            self.and(&format!("({})", found.join(" or ")), Some(Value::Text(format!("%{escaped}%"))));
        }
    }

    /// Adds the condition that this number is in the span.
    pub fn within(&mut self, column: &str, span: &Span) {
        let condition = match span {
            Span::All(numbers) | Span::Chunk(_, numbers) => {
                let [first, last] = [*numbers.start(), *numbers.end()].map(|end| self.value(Value::Number(end)));
                format!(" and {column} between {first} and {last}")
            }
            Span::These(numbers) => {
                // Few lengths, so that few kinds of a statement are prepared.
                let padding = std::iter::repeat_n(-1, numbers.len().next_power_of_two() - numbers.len());
                let values = numbers.iter().copied().chain(padding);
                let places: Vec<_> = values.map(|number| self.value(Value::Number(number))).collect();
                format!(" and {column} in ({})", places.join(", "))
            }
        };
        self.sql.push_str(&condition);
    }

    /// Adds a value for a condition that is written by hand; returns what stands for it.
    pub fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// A query with these conditions in its text, and their values bound.
    pub fn query<'q>(self, sql: String) -> Query<'q, Any, AnyArguments> {
        self.values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        })
    }
}
