//! What insights count of approvals, and how a sealed chunk keeps it: as text that is read in one piece.

use std::collections::HashMap;
use std::hash::Hash;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::core::approval::Status;
use crate::hub::store::rows::{self, Row, named, number, optional, optional_number, text, unreadable};
use crate::hub::store::{StoreError, put_number, take_number};

/// The columns that are counted.
pub(super) const COLUMNS: &str =
    "status, server, tool, client_id, agent_name, user_name, decided_by, created_at, decided_at";

/// What many rows have in common, each named once.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    pub(super) statuses: Vec<Status>,
    /// Server and tool.
    pub(super) tools: Vec<(String, String)>,
    /// Name and client id.
    pub(super) agents: Vec<(String, String)>,
    pub(super) users: Vec<Option<String>>,
    pub(super) deciders: Vec<Option<String>>,
}

/// One approval, its names by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) status: usize,
    pub(super) tool: usize,
    pub(super) agent: usize,
    pub(super) user: usize,
    pub(super) decider: usize,
    pub(super) created_at: i64,
    pub(super) decided_at: Option<i64>,
}

/// Many approvals.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) names: Names,
    pub(super) rows: Vec<Fact>,
    places: Places,
}

/// Where the names are.
#[derive(Debug, Default)]
struct Places {
    statuses: HashMap<Status, usize>,
    tools: HashMap<(String, String), usize>,
    agents: HashMap<(String, String), usize>,
    users: HashMap<Option<String>, usize>,
    deciders: HashMap<Option<String>, usize>,
}

/// As they are kept.
#[derive(Serialize, Deserialize)]
struct Written {
    names: Names,
    rows: String,
}

impl Facts {
    /// Adds a row with [`COLUMNS`].
    pub(super) fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let (names, places) = (&mut self.names, &mut self.places);
        let status = named(&text(row, "status")?, "status", Status::from_name)?;
        let tool = (text(row, "server")?, text(row, "tool")?);
        let agent = (text(row, "agent_name")?, text(row, "client_id")?);
        self.rows.push(Fact {
            status: place(&mut places.statuses, &mut names.statuses, status),
            tool: place(&mut places.tools, &mut names.tools, tool),
            agent: place(&mut places.agents, &mut names.agents, agent),
            user: place(&mut places.users, &mut names.users, optional(row, "user_name")?),
            decider: place(&mut places.deciders, &mut names.deciders, optional(row, "decided_by")?),
            created_at: number(row, "created_at")?,
            decided_at: optional_number(row, "decided_at")?,
        });
        Ok(())
    }

    /// As text.
    pub(super) fn written(self) -> Result<String, StoreError> {
        let (mut bytes, mut before) = (Vec::new(), 0);
        for fact in &self.rows {
            for place in [fact.status, fact.tool, fact.agent, fact.user, fact.decider] {
                put_number(&mut bytes, place as u64);
            }
            put_number(&mut bytes, folded(fact.created_at - before));
            put_number(&mut bytes, fact.decided_at.map_or(0, |at| folded(at - fact.created_at) + 1));
            before = fact.created_at;
        }
        let written = Written { names: self.names, rows: STANDARD_NO_PAD.encode(bytes) };
        serde_json::to_string(&written).map_err(|error| StoreError::Failed(error.to_string()))
    }

    /// From text; an error where it is none.
    pub(super) fn of_text(text: &str) -> Result<Self, StoreError> {
        let Written { names, rows } = rows::json(text, "summary")?;
        let bytes = STANDARD_NO_PAD.decode(rows).map_err(|_| unreadable("summary"))?;
        let (mut rest, mut rows, mut before) = (bytes.as_slice(), Vec::new(), 0);
        while !rest.is_empty() {
            let fact =
                take(&mut rest, before).filter(|fact| fact.is_of(&names)).ok_or_else(|| unreadable("summary"))?;
            before = fact.created_at;
            rows.push(fact);
        }
        Ok(Self { names, rows, places: Places::default() })
    }
}

impl Fact {
    fn is_of(&self, names: &Names) -> bool {
        self.status < names.statuses.len()
            && self.tool < names.tools.len()
            && self.agent < names.agents.len()
            && self.user < names.users.len()
            && self.decider < names.deciders.len()
    }
}

fn take(rest: &mut &[u8], before: i64) -> Option<Fact> {
    let mut place = || usize::try_from(take_number(rest)?).ok();
    let (status, tool, agent, user, decider) = (place()?, place()?, place()?, place()?, place()?);
    let created_at = before.wrapping_add(unfolded(take_number(rest)?));
    let took = take_number(rest)?.checked_sub(1).map(unfolded);
    let decided_at = took.map(|took| created_at.wrapping_add(took));
    Some(Fact { status, tool, agent, user, decider, created_at, decided_at })
}

fn place<T: Clone + Eq + Hash>(places: &mut HashMap<T, usize>, names: &mut Vec<T>, name: T) -> usize {
    *places.entry(name).or_insert_with_key(|name| {
        names.push(name.clone());
        names.len() - 1
    })
}

/// Small whether it is more or less than nothing.
fn folded(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written() {
        let fact = |status, tool, created_at, decided_at| Fact {
            status,
            tool,
            agent: 0,
            user: 0,
            decider: 0,
            created_at,
            decided_at,
        };
        let facts = || Facts {
            names: Names {
                statuses: vec![Status::Approved, Status::Cancelled],
                tools: vec![("github".into(), "delete \"repo\"".into()), ("a".into(), "ü".into())],
                agents: vec![("ci".into(), "agent-1".into())],
                users: vec![None],
                deciders: vec![Some("bob".into())],
            },
            rows: vec![
                fact(0, 0, 1_800_000_000_000, Some(1_800_000_000_000)),
                fact(1, 1, 1_799_999_999_999, None),
                fact(0, 1, i64::MAX / 4, Some(3)),
            ],
            places: Places::default(),
        };
        let text = facts().written().unwrap();
        let read = Facts::of_text(&text).unwrap();
        assert_eq!((&read.names, &read.rows), (&facts().names, &facts().rows));
        assert!(Facts::of_text(&text.replace("\"ci\",\"agent-1\"", "")).is_err());
        let mut few = facts();
        few.names.tools.pop();
        assert!(Facts::of_text(&few.written().unwrap()).is_err(), "a name that there is not");
    }
}
