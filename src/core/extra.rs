//! What a call carries besides its name and arguments: shown to approvers and bound by an approval, and put together
//! only for that.

use std::borrow::Cow;

use super::json::Member;

/// Members of `_meta` that clients set for themselves, differently for each request: of no meaning to the tool.
const TRANSPORT_META: [&str; 6] =
    ["progressToken", "traceparent", "tracestate", "baggage", "claudecode/toolUseId", "vscode.requestId"];
/// The same, by the beginning of the name.
const TRANSPORT_META_PREFIX: &str = "io.modelcontextprotocol/";
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

    /// All of it as one object; `None` if there is nothing.
    pub fn text(&self) -> Option<String> {
        self.but(&[])
    }

    /// The same without what answers an earlier call's result.
    pub fn beside(&self) -> Option<String> {
        self.but(&ANSWERS)
    }

    fn but(&self, left_out: &[&str]) -> Option<String> {
        let params = self.params.iter().filter(|(name, _)| !left_out.contains(&name.as_ref())).map(text_of);
        let meta = self.meta.iter().map(text_of).collect::<Vec<_>>().join(",");
        let meta = (!meta.is_empty()).then(|| format!("\"_meta\":{{{meta}}}"));
        let all: Vec<String> = params.chain(meta).collect();
        (!all.is_empty()).then(|| format!("{{{}}}", all.join(",")))
    }
}

fn text_of((name, raw): &(Cow<'_, str>, &str)) -> String {
    format!("{}:{raw}", serde_json::Value::from(name.as_ref()))
}
