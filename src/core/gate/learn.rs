//! Learning tools from the client's own `tools/list`: pages merged, forgotten when the server says they changed.

use std::collections::{HashMap, VecDeque};

use super::messages::{ToolDefinition, Tools};
use crate::core::frame::look_alikes;
use crate::core::ids::Digest;
use crate::core::json::{self, Kind, Member, Mode, member};
use crate::core::peek::{Answer, Sight};

/// So many requests are waited for, the newest: a server that never answers must not fill memory.
const MAX_ASKED: usize = 64;

/// What of a list is read here, and must not be read otherwise by others.
const MEMBERS: [&str; 2] = ["tools", "nextCursor"];

/// A list that one reader takes for other tools than another.
#[derive(Debug)]
pub(super) struct Ambiguous;

/// What the client's tool lists have shown so far.
#[derive(Default)]
pub(super) struct Listing {
    /// Lists that were asked for, by request id, oldest first, and whether they are first pages.
    asked: VecDeque<(String, bool)>,
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
        self.take_asked(key);
        if self.asked.len() == MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((key.to_owned(), first));
    }

    /// The client took a request back: whatever is answered, it will not look at it.
    pub(super) fn cancelled(&mut self, key: &str) {
        self.take_asked(key);
    }

    fn take_asked(&mut self, key: &str) -> Option<bool> {
        let index = self.asked.iter().position(|(asked, _)| asked == key)?;
        self.asked.remove(index).map(|(_, first)| first)
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
        if !self.asked.iter().any(|(asked, first)| *first && asked == key) {
            return false;
        }
        if self.whole.as_deref() == Some(result) {
            self.take_asked(key);
            return true;
        }
        self.latest = Some(result.to_vec());
        false
    }

    /// The server answered a request; if that was for a page, everything known by now.
    pub(super) fn answered(&mut self, key: &str, result: Option<&[Member<'_>]>) -> Result<Option<Tools>, Ambiguous> {
        let Some(first) = self.take_asked(key) else { return Ok(None) };
        let latest = self.latest.take();
        let Some(result) = result else { return Ok(None) };
        look_alikes(result, &MEMBERS).map_err(|_| Ambiguous)?;
        let Some(items) = member(result, "tools").and_then(|tools| json::elements(tools.raw)) else { return Ok(None) };
        let tools = items.into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
        if first {
            self.clear();
        }
        tools.into_iter().for_each(|tool| self.learn(tool));
        self.complete = member(result, "nextCursor").is_none_or(|cursor| cursor.kind != Kind::String);
        self.whole = latest.filter(|_| first && self.complete);
        Ok(self.known())
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

    fn learn(&mut self, tool: ToolDefinition) {
        let digest = Digest::of(tool.definition.as_bytes());
        // Of two entries with one name, the model sees both: calls are bound to both, which nobody has accepted.
        let digest = match self.digests.get(&tool.name) {
            Some(twin) if *twin != digest => Digest::of_fields(&[twin.as_str().as_bytes(), digest.as_str().as_bytes()]),
            _ => digest,
        };
        self.digests.insert(tool.name.clone(), digest);
        self.tools.push(tool);
    }

    fn clear(&mut self) {
        self.tools.clear();
        self.digests.clear();
        self.complete = false;
        self.whole = None;
    }
}

/// A tool with its one name.
fn named(definition: &str) -> Result<ToolDefinition, Ambiguous> {
    let members = json::object(definition, Mode::Lenient, &[]).map_err(|_| Ambiguous)?;
    look_alikes(&members, &["name"]).map_err(|_| Ambiguous)?;
    let name = member(&members, "name").filter(|name| name.kind == Kind::String).ok_or(Ambiguous)?;
    Ok(ToolDefinition { name: json::unescape(name.raw).into_owned(), definition: definition.to_owned() })
}
