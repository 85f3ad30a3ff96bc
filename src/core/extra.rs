//! What a call carries besides its name and arguments: shown to approvers and bound by an approval, and put together
//! only for that.

use std::borrow::Cow;

use super::json::Member;

/// Members of `_meta` that any client's transport sets, differently for each request: of no meaning to the tool.
const TRANSPORT_META: [&str; 6] =
    ["progressToken", "traceparent", "tracestate", "baggage", "claudecode/toolUseId", "vscode.requestId"];
/// The same, by the beginning of the name.
const TRANSPORT_META_PREFIX: &str = "io.modelcontextprotocol/";
/// Those that one client sets for itself, by its name.
const CLIENT_META: [(&str, &[&str]); 1] =
    [("codex-mcp-client", &["callId", "itemId", "threadId", "sessionId", "windowId", "x-codex-turn-metadata"])];
/// What makes a call a continuation.
const ANSWERS: [&str; 2] = ["inputResponses", "requestState"];

/// The members of a call that are neither name nor arguments, and those of its `_meta` that are not about the
/// transport, as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra<'a> {
    params: Vec<(Cow<'a, str>, &'a str)>,
    meta: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Extra<'a> {
    /// Of a call's `params` and their `_meta`.
    pub(super) fn of(params: &[Member<'a>], meta: &[Member<'a>]) -> Self {
        let known = |name: &str| matches!(name, "name" | "arguments" | "_meta");
        let transport = |name: &str| TRANSPORT_META.contains(&name) || name.starts_with(TRANSPORT_META_PREFIX);
        let part = |member: &Member<'a>| (member.name.clone(), member.raw);
        Self {
            params: params.iter().filter(|member| !known(&member.name)).map(part).collect(),
            meta: meta.iter().filter(|member| !transport(&member.name)).map(part).collect(),
        }
    }

    /// All of it as one object, without what this client's transport adds; `None` if there is nothing.
    pub fn text(&self, client: &str) -> Option<String> {
        self.of_members(|_| true, client)
    }

    /// The same without what answers an earlier call's result.
    pub fn beside(&self, client: &str) -> Option<String> {
        self.of_members(|name| !ANSWERS.contains(&name), client)
    }

    /// What answers an earlier call's result, alone; first what the client says itself, since what follows may be cut.
    pub fn inputs(&self) -> Option<String> {
        let inputs = ANSWERS.iter().filter_map(|answer| self.params.iter().find(|(name, _)| name == answer));
        object(inputs.map(text_of).collect())
    }

    fn of_members(&self, is_in: impl Fn(&str) -> bool, client: &str) -> Option<String> {
        let params = self.params.iter().filter(|(name, _)| is_in(name)).map(text_of);
        let own = CLIENT_META.iter().find(|(name, _)| *name == client).map_or(&[] as &[&str], |(_, own)| own);
        let meta = object(self.meta.iter().filter(|(name, _)| !own.contains(&name.as_ref())).map(text_of).collect());
        object(params.chain(meta.map(|meta| format!("\"_meta\":{meta}"))).collect())
    }
}

fn object(members: Vec<String>) -> Option<String> {
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}

fn text_of((name, raw): &(Cow<'_, str>, &str)) -> String {
    format!("{}:{raw}", serde_json::Value::from(name.as_ref()))
}
