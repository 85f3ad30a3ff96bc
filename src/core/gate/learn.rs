//! Learning tools from the client's own `tools/list`: pages merged, forgotten when the server says they changed.

use std::collections::HashMap;

use super::messages::{ToolDefinition, Tools};
use crate::core::ids::Digest;
use crate::core::json::{self, Kind, Member, Mode, member};
use crate::core::peek::{Answer, Sight};

/// More requests than this are not waited for: a server that never answers must not fill memory.
const MAX_ASKED: usize = 64;

/// What the client's tool lists have shown so far.
#[derive(Default)]
pub(super) struct Listing {
    /// Lists that were asked for, by request id, and whether they are first pages.
    asked: HashMap<String, bool>,
    tools: Vec<ToolDefinition>,
    digests: HashMap<String, Digest>,
    complete: bool,
    /// The raw result these tools came from, when one page was all of it: clients ask for the same list again and again.
    whole: Option<Vec<u8>>,
    /// The raw result that is being read.
    latest: Option<Vec<u8>>,
}

impl Listing {
    /// The client asked for a page.
    pub(super) fn asked(&mut self, key: &str, first: bool) {
        if self.asked.len() < MAX_ASKED {
            self.asked.insert(key.to_owned(), first);
        }
    }

    /// Whether an answer is awaited.
    pub(super) fn is_watching(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether a line that looks so is the whole list as it is known: then it need not be read. Otherwise
    /// [`answered`](Self::answered) may learn from it.
    pub(super) fn repeats(&mut self, line: Sight<'_>) -> bool {
        self.latest = None;
        let Sight::Answer(Answer { key, result: Some(result) }) = line else { return false };
        if self.asked.get(key) != Some(&true) {
            return false;
        }
        if self.whole.as_deref() == Some(result) {
            self.asked.remove(key);
            return true;
        }
        self.latest = Some(result.to_vec());
        false
    }

    /// The server answered a request; if that was for a page, everything known by now.
    pub(super) fn answered(&mut self, key: &str, result: Option<&[Member<'_>]>) -> Option<Tools> {
        let first = self.asked.remove(key)?;
        let latest = self.latest.take();
        let result = result?;
        let complete = member(result, "nextCursor").is_none_or(|cursor| cursor.kind != Kind::String);
        let items = json::elements(member(result, "tools")?.raw)?;
        if first {
            self.clear();
        }
        for definition in items {
            self.learn(definition);
        }
        self.complete = complete;
        self.whole = latest.filter(|_| first && complete);
        self.known()
    }

    /// Everything known, to be told again after a reconnect.
    pub(super) fn known(&self) -> Option<Tools> {
        let tools = || Tools { items: self.tools.clone(), complete: self.complete };
        (!self.tools.is_empty() || self.complete).then(tools)
    }

    /// The digest of a tool's definition, if it was listed.
    pub(super) fn definition(&self, tool: &str) -> Option<&Digest> {
        self.digests.get(tool)
    }

    /// The server said that its tools changed.
    pub(super) fn forget(&mut self) {
        self.clear();
    }

    fn learn(&mut self, definition: &str) {
        let Ok(members) = json::object(definition, Mode::Lenient, &[]) else { return };
        let Some(name) = member(&members, "name").filter(|name| name.kind == Kind::String) else { return };
        let name = json::unescape(name.raw).into_owned();
        // Of two entries with one name, both are told; calls are bound to the last, as clients take it.
        self.digests.insert(name.clone(), Digest::of(definition.as_bytes()));
        self.tools.push(ToolDefinition { name, definition: definition.to_owned() });
    }

    fn clear(&mut self) {
        self.tools.clear();
        self.digests.clear();
        self.complete = false;
        self.whole = None;
    }
}
