//! What a tool's definition says, as far as it is kept. It comes from a server, so every part of it has an end.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::ids::Digest;
use crate::core::messages::ToolDefinition;
use crate::core::{call, json};

/// How many tools of one server are kept that one agent made known.
pub(super) const MAX_TOOLS_OF_ONE: usize = 2000;
/// The longest tool name kept, in characters.
pub const MAX_TOOL_NAME: usize = 256;
/// The longest description or hints kept, in characters.
const MAX_TEXT: usize = 4096;
/// The longest definition kept, in characters; its digest is of all of it.
const MAX_DEFINITION: usize = 16_384;

/// Whether a tool of this name can be kept at all; one without a name could be neither shown nor asked for.
pub fn may_be_kept(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= MAX_TOOL_NAME && !name.contains('\0')
}

/// One tool as a shim saw it, cut to what is kept.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) annotations: Option<String>,
    pub(super) destructive: bool,
    /// The raw text, cut to what is kept for people to compare.
    pub(super) text: String,
    pub(super) digest: Digest,
}

impl Seen {
    /// `None` for what is no definition of the tool it is said to be: it stays unlisted, and so is gated when in doubt.
    pub(super) fn of(tool: &ToolDefinition) -> Option<Self> {
        let readable = json::mended(&tool.definition);
        let definition: Definition<'_> = serde_json::from_str(&readable).ok()?;
        if definition.name != tool.name || !may_be_kept(&tool.name) {
            return None;
        }
        let hints = definition.annotations.map(RawValue::get).unwrap_or_default();
        let destructive = serde_json::from_str::<Hints>(hints).unwrap_or_default().destructive;
        Some(Self {
            name: tool.name.clone(),
            description: words(definition.description.as_ref()),
            annotations: Some(hints.to_owned()).filter(|hints| !hints.is_empty() && hints.len() <= MAX_TEXT),
            destructive: destructive == Some(serde_json::Value::Bool(true)),
            text: tool.definition.chars().filter(|c| *c != '\0').take(MAX_DEFINITION).collect(),
            digest: call::definition(&tool.definition),
        })
    }
}

/// The description in a definition, cut to what is kept.
pub(super) fn described(definition: &str) -> Option<String> {
    words(serde_json::from_str::<Definition<'_>>(&json::mended(definition)).ok()?.description.as_ref())
}

fn words(description: Option<&serde_json::Value>) -> Option<String> {
    Some(description?.as_str()?.chars().filter(|c| *c != '\0').take(MAX_TEXT).collect())
}

#[derive(Deserialize)]
struct Definition<'a> {
    name: String,
    #[serde(default)]
    description: Option<serde_json::Value>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Hints {
    #[serde(default, rename = "destructiveHint")]
    destructive: Option<serde_json::Value>,
}
