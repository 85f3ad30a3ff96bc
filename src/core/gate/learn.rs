//! Learning tools from the client's own `tools/list`: pages merged, forgotten when the server says they changed.
//!
//! A list is read once, on its way to the client. Digests are made of tools that are called, and the hub is told a
//! moment later, or before it has to know.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::core::call;
use crate::core::frame::look_alikes;
use crate::core::ids::Digest;
use crate::core::json::{self, Kind, Member, member, range_in};
use crate::core::messages::{ToolDefinition, Tools};

/// How long the hub is not told of a list while nothing depends on it: the client that has asked for it works now.
const TELL_AFTER: Duration = Duration::from_millis(10);

/// What of a list is read here, and must not be read otherwise by others.
const MEMBERS: [&str; 2] = ["tools", "nextCursor"];

/// A list that one reader takes for other tools than another.
#[derive(Debug)]
pub(super) struct Ambiguous;

/// What the client's tool lists have shown so far.
#[derive(Default)]
pub(super) struct Listing {
    pages: Vec<Page>,
    /// Of the tools that were called.
    digests: HashMap<String, Digest>,
    complete: bool,
    /// When the hub is to be told what it has not been told yet.
    tell_at: Option<Instant>,
}

/// One answer, and where its tools stand in it.
struct Page {
    /// The raw result.
    text: String,
    tools: Vec<Tool>,
}

/// A tool as it stands in its page.
struct Tool {
    /// The literal of its one name.
    name: Range<usize>,
    definition: Range<usize>,
}

impl Listing {
    /// Whether a result is the whole list as it is known: then it need not be read, because clients ask for the same
    /// list again and again.
    pub(super) fn repeats(&self, result: &[u8]) -> bool {
        let [whole] = self.pages.as_slice() else { return false };
        self.complete && whole.text.as_bytes() == result.trim_ascii_start()
    }

    /// The server answered a request for a page, for the first one or another: its tools are known from here on.
    pub(super) fn answered(&mut self, first: bool, result: Option<&Member<'_>>, now: Instant) -> Result<(), Ambiguous> {
        let Some(result) = result else { return Ok(()) };
        look_alikes(&result.inner, &MEMBERS).map_err(|_| Ambiguous)?;
        let Some(tools) = member(&result.inner, "tools").filter(|tools| tools.kind == Kind::Array) else {
            return Ok(());
        };
        let tools = tools.inner.iter().map(|tool| Tool::of(tool, result.raw.as_bytes())).collect::<Result<_, _>>()?;
        if first {
            self.forget();
        }
        // A page that is read again takes its own place.
        self.pages.retain(|page| page.text != result.raw);
        self.pages.push(Page { text: result.raw.to_owned(), tools });
        self.digests.clear();
        self.complete = member(&result.inner, "nextCursor").is_none_or(|cursor| cursor.kind != Kind::String);
        self.tell_at.get_or_insert(now + TELL_AFTER);
        Ok(())
    }

    /// When [`untold`](Self::untold) wants to be asked.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        self.tell_at
    }

    /// Everything known, if the hub has not been told.
    pub(super) fn untold(&mut self) -> Option<Tools> {
        self.tell_at?;
        self.known()
    }

    /// Everything known, to be told to the hub.
    pub(super) fn known(&mut self) -> Option<Tools> {
        self.tell_at = None;
        let items: Vec<ToolDefinition> = self.tools().map(ToolDefinition::from).collect();
        (!items.is_empty() || self.complete).then_some(Tools { items, complete: self.complete })
    }

    /// The digest of a tool's definition, if it was listed.
    pub(super) fn definition(&mut self, tool: &str) -> Option<&Digest> {
        if !self.digests.contains_key(tool) {
            let digest = self.digest(tool)?;
            self.digests.insert(tool.to_owned(), digest);
        }
        self.digests.get(tool)
    }

    /// Of two entries with one name, the model sees both: calls are bound to both, which nobody has accepted.
    fn digest(&self, tool: &str) -> Option<Digest> {
        let twins = self.tools().filter(|(name, _)| name == tool).map(|(_, text)| call::definition(text));
        twins.reduce(|twin, other| match twin == other {
            true => other,
            false => Digest::of_fields(&[twin.as_str().as_bytes(), other.as_str().as_bytes()]),
        })
    }

    /// Its tools changed, or a list was not seen.
    pub(super) fn forget(&mut self) {
        self.pages.clear();
        self.digests.clear();
        self.complete = false;
    }

    /// Names and definitions, in the order they came.
    fn tools(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        self.pages.iter().flat_map(Page::tools)
    }
}

impl Page {
    fn tools(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        let part = |range: &Range<usize>| &self.text[range.clone()];
        self.tools.iter().map(move |tool| (json::unescape(part(&tool.name)), part(&tool.definition)))
    }
}

impl Tool {
    /// A tool that has one name for every reader; it is a part of the text of its page.
    fn of(tool: &Member<'_>, page: &[u8]) -> Result<Self, Ambiguous> {
        look_alikes(&tool.inner, &["name"]).map_err(|_| Ambiguous)?;
        let name = member(&tool.inner, "name").filter(|name| name.kind == Kind::String).ok_or(Ambiguous)?;
        Ok(Self { name: range_in(page, name.raw), definition: range_in(page, tool.raw) })
    }
}

impl From<(Cow<'_, str>, &str)> for ToolDefinition {
    fn from((name, definition): (Cow<'_, str>, &str)) -> Self {
        Self { name: name.into_owned(), definition: definition.to_owned() }
    }
}
