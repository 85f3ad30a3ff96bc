//! What a line is: the strict profile for lines from the client, a lenient view of lines from the server.
//!
//! A view borrows the line and is thrown away; what passes is the line itself. The client profile is an allow-list:
//! a line of a shape that is not recognised is a [`Refused`] and must not be forwarded.

use std::borrow::Cow;

use super::alike::{looks_like, looks_like_a_call};
use super::extra::Extra;
use super::json::{self, Fault, Kind, Member, Mode, Open, Wanted, member};
use super::messages::{ClientInfo, Era};

/// The longest string id, tool name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// The longest integer id, in digits.
pub const MAX_ID_DIGITS: usize = 40;

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// What is read of a line besides its outermost members.
const CLIENT: Wanted = &[("params", Open::Members(&[]))];
const SERVER: Wanted = &[("params", Open::Members(&[])), ("result", Open::Members(&[]))];
const SERVER_LIST: Wanted = &[("params", Open::Members(&[])), ("result", Open::Members(&[("tools", Open::Elements)]))];
const CALL_PARAMS: [&str; 6] = ["name", "arguments", "_meta", "task", "inputResponses", "requestState"];

/// A request id or progress token: as sent, and as compared (JSON type and value; `1` is not `"1"`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id<'a> {
    /// The literal as it came.
    pub raw: &'a str,
    /// What two equal ids have in common.
    pub key: Cow<'a, str>,
}

/// A line from the client.
#[derive(Clone, Debug)]
pub enum ClientFrame<'a> {
    /// `tools/call`.
    Call(Box<Call<'a>>),
    /// `tools/list`; a first page carries no cursor.
    ListTools {
        /// Its id.
        id: Id<'a>,
        /// Whether it asks for the first page.
        first: bool,
    },
    /// `initialize`, with the client's name for itself.
    Initialize {
        /// Its id.
        id: Id<'a>,
        /// `clientInfo`.
        client: Option<ClientInfo>,
    },
    /// Any other request.
    Request {
        /// Its id.
        id: Id<'a>,
    },
    /// `notifications/cancelled`.
    Cancelled {
        /// The request that is taken back.
        request: Option<Id<'a>>,
        /// Why, in the client's words.
        reason: Cow<'a, str>,
    },
    /// Another notification, or a response.
    Other,
}

/// A `tools/call` request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Its id.
    pub id: Id<'a>,
    /// The exact tool name.
    pub name: Cow<'a, str>,
    /// The raw text of the arguments.
    pub arguments: Option<&'a str>,
    /// What the server is given besides.
    pub extra: Extra<'a>,
    /// `_meta.progressToken`.
    pub token: Option<Id<'a>>,
    /// Decided by this request alone.
    pub era: Era,
    /// The client as this request names itself (modern era).
    pub client: Option<ClientInfo>,
    /// It answers what an earlier call's result asked for (2026-07-28, multi round-trip requests).
    pub continues: Option<Continues<'a>>,
}

/// The sign of a multi round-trip retry: `inputResponses`, `requestState`, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continues<'a> {
    /// The raw text of `requestState`, which the client must echo as the server issued it.
    pub state: Option<&'a str>,
}

/// Why a client line is not forwarded, and what to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `-32700` or `-32600`.
    pub code: i32,
    /// The raw id to answer to: `Some("null")` for a batch, `None` when there is nothing to answer.
    pub id: Option<String>,
    /// What is wrong, for the answer and the log.
    pub why: String,
}

/// Reads a client's line, without its line end, by the strict profile.
pub fn read_client(line: &[u8]) -> Result<ClientFrame<'_>, Refused> {
    let text = std::str::from_utf8(line).map_err(|_| refused(-32700, None, "the line is not valid UTF-8"))?;
    if text.trim_start_matches([' ', '\t']).starts_with('[') {
        return Err(Refused { code: -32600, id: Some("null".into()), why: "batches are not supported".into() });
    }
    let members = json::object(text, Mode::Strict, CLIENT).map_err(unreadable)?;
    shape(&members).map_err(|why| refused(-32600, answerable_id(&members), why))
}

fn unreadable((fault, members): (Fault, Vec<Member<'_>>)) -> Refused {
    let code = match fault {
        Fault::Duplicate(_) | Fault::NotAnObject => -32600,
        _ => -32700,
    };
    let id = match &fault {
        Fault::Duplicate(name) if name == "id" => None,
        _ => answerable_id(&members),
    };
    refused(code, id, fault.to_string())
}

fn refused(code: i32, id: Option<String>, why: impl Into<String>) -> Refused {
    Refused { code, id, why: why.into() }
}

/// The id a refusal can be sent to: only that of a request, and only one that reads the same everywhere.
fn answerable_id(members: &[Member<'_>]) -> Option<String> {
    let is_response = member(members, "result").or(member(members, "error")).is_some();
    let ambiguous = look_alikes(members, &["id"]).is_err();
    let id = member(members, "id").filter(|_| !is_response && !ambiguous)?;
    Id::read(id).ok().map(|id| id.raw.to_owned())
}

fn shape<'a>(members: &[Member<'a>]) -> Result<ClientFrame<'a>, String> {
    if let Some(stranger) = members.iter().find(|member| !ENVELOPE.contains(&member.name.as_ref())) {
        return Err(format!("unknown envelope member {:?}", stranger.name));
    }
    if member(members, "jsonrpc").is_none_or(|version| json::unescape(version.raw) != "2.0" || !is_string(version)) {
        return Err("the member jsonrpc must be \"2.0\"".into());
    }
    let id = member(members, "id").map(Id::read).transpose()?;
    let answers = [member(members, "result"), member(members, "error")].iter().flatten().count();
    match (member(members, "method"), answers) {
        (Some(method), 0) => with_method(method, id, params(members)?),
        (None, 1) if id.is_some() && member(members, "params").is_none() => Ok(ClientFrame::Other),
        _ => Err("neither a request, nor a notification, nor a response".into()),
    }
}

fn params<'m, 'a>(members: &'m [Member<'a>]) -> Result<&'m [Member<'a>], String> {
    match member(members, "params") {
        None => Ok(&[]),
        Some(params) if params.kind == Kind::Object => Ok(&params.inner),
        Some(_) => Err("params must be an object".into()),
    }
}

fn with_method<'a>(method: &Member<'a>, id: Option<Id<'a>>, params: &[Member<'a>]) -> Result<ClientFrame<'a>, String> {
    if !is_string(method) {
        return Err("method must be a string".into());
    }
    let name = json::unescape(method.raw);
    match (name.as_ref(), id) {
        ("tools/call", Some(id)) => call(id, params).map(|call| ClientFrame::Call(Box::new(call))),
        ("tools/call", None) => Err("tools/call needs an id".into()),
        ("tools/list", Some(id)) => Ok(ClientFrame::ListTools { id, first: member(params, "cursor").is_none() }),
        ("initialize", Some(id)) => {
            Ok(ClientFrame::Initialize { id, client: client_info(member(params, "clientInfo")) })
        }
        ("notifications/cancelled", None) => cancelled(params),
        (other, _) if looks_like_a_call(other) => Err(format!("method {other:?} looks like tools/call and is not")),
        (_, Some(id)) => Ok(ClientFrame::Request { id }),
        (_, None) => Ok(ClientFrame::Other),
    }
}

fn call<'a>(id: Id<'a>, params: &[Member<'a>]) -> Result<Call<'a>, String> {
    look_alikes(params, &CALL_PARAMS)?;
    let name = member(params, "name").filter(|name| is_string(name)).ok_or("tools/call needs a tool name")?;
    let name = json::unescape(name.raw);
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("the tool name is longer than {MAX_NAME_BYTES} bytes"));
    }
    let arguments = object_member(params, "arguments")?.map(|arguments| arguments.raw);
    let meta = match object_member(params, "_meta")? {
        Some(meta) => json::object(meta.raw, Mode::Strict, &[]).map_err(|(fault, _)| fault.to_string())?,
        None => Vec::new(),
    };
    look_alikes(&meta, &["progressToken"])?;
    let modern = member(&meta, "io.modelcontextprotocol/protocolVersion").is_some();
    Ok(Call {
        id,
        name,
        arguments,
        // A token of another type is the client's mistake: the call counts, progress does not.
        token: member(&meta, "progressToken").and_then(|token| Id::read(token).ok()),
        era: if modern { Era::Modern } else { Era::Legacy },
        client: client_info(member(&meta, "io.modelcontextprotocol/clientInfo")),
        continues: continues(params),
        extra: Extra::of(params, &meta),
    })
}

fn continues<'a>(params: &[Member<'a>]) -> Option<Continues<'a>> {
    let state = member(params, "requestState").map(|state| state.raw);
    let answers = state.is_some() || member(params, "inputResponses").is_some();
    answers.then_some(Continues { state })
}

fn object_member<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Result<Option<&'m Member<'a>>, String> {
    match member(members, name) {
        Some(found) if found.kind != Kind::Object => Err(format!("{name} must be an object")),
        found => Ok(found),
    }
}

fn cancelled<'a>(params: &[Member<'a>]) -> Result<ClientFrame<'a>, String> {
    look_alikes(params, &["requestId", "reason"])?;
    let request = member(params, "requestId").map(Id::read).transpose()?;
    let reason = member(params, "reason").filter(|reason| is_string(reason));
    Ok(ClientFrame::Cancelled { request, reason: reason.map(|reason| json::unescape(reason.raw)).unwrap_or_default() })
}

fn client_info(member: Option<&Member<'_>>) -> Option<ClientInfo> {
    member.and_then(|info| serde_json::from_str(info.raw).ok())
}

fn is_string(member: &Member<'_>) -> bool {
    member.kind == Kind::String
}

/// Refuses members whose name another reader could take for one of `names`.
pub(super) fn look_alikes(members: &[Member<'_>], names: &[&str]) -> Result<(), String> {
    for member in members {
        let name = member.name.as_ref();
        if !names.contains(&name) && names.iter().any(|known| looks_like(name, known)) {
            return Err(format!("member name {name:?} looks like another and is not"));
        }
    }
    Ok(())
}

impl<'a> Id<'a> {
    /// Reads an id or token: a string of at most 256 bytes or an integer literal of at most 40 digits.
    fn read(member: &Member<'a>) -> Result<Self, String> {
        let raw = member.raw;
        match member.kind {
            Kind::String if raw.len() <= MAX_NAME_BYTES + 2 => {
                let key = match json::unescape(raw) {
                    Cow::Borrowed(_) => Cow::Borrowed(&raw[..raw.len() - 1]),
                    Cow::Owned(text) => Cow::Owned(format!("\"{text}")),
                };
                Ok(Self { raw, key })
            }
            Kind::Number if is_integer(raw) => {
                Ok(Self { raw, key: Cow::Borrowed(if raw == "-0" { "0" } else { raw }) })
            }
            _ => Err("an id must be a string of at most 256 bytes or an integer of at most 40 digits".into()),
        }
    }
}

fn is_integer(literal: &str) -> bool {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    digits.len() <= MAX_ID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A line from the server, as far as the gate cares.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// The answer to a request of the client.
    Response {
        /// The request's id.
        id: Id<'a>,
        /// `result` with its members; `None` for an error.
        result: Option<Member<'a>>,
    },
    /// `notifications/progress`.
    Progress {
        /// Its token.
        token: Id<'a>,
        /// How far it is.
        progress: Option<f64>,
    },
    /// An answer or progress under what no client of ours has as an id or token; some may take it for one.
    Stray {
        /// The literal as it came.
        raw: &'a str,
        /// It is progress.
        is_progress: bool,
    },
    /// `notifications/tools/list_changed`.
    ToolsChanged,
    /// Anything else that reads the same to every reader.
    Other,
    /// Not one JSON object, or one with two readings.
    Unreadable,
}

/// Reads a server's line, without its line end. The envelope must be unambiguous; what is below it only well-formed.
pub fn read_server(line: &[u8]) -> ServerFrame<'_> {
    server_frame(line, SERVER)
}

/// Reads a line that may answer a `tools/list`: as [`read_server`], but the tools come with their members, and each
/// of them must be unambiguous too.
pub fn read_list(line: &[u8]) -> ServerFrame<'_> {
    server_frame(line, SERVER_LIST)
}

fn server_frame(line: &[u8], open: Wanted) -> ServerFrame<'_> {
    let Ok(text) = std::str::from_utf8(line) else { return ServerFrame::Unreadable };
    match json::object(text, Mode::Lenient, open) {
        Ok(members) if look_alikes(&members, &ENVELOPE).is_ok() => server_shape(members),
        _ => ServerFrame::Unreadable,
    }
}

fn server_shape(members: Vec<Member<'_>>) -> ServerFrame<'_> {
    if let Some(method) = member(&members, "method") {
        // One reader would take it for a request, another for the answer to one.
        if member(&members, "result").or(member(&members, "error")).is_some() {
            return ServerFrame::Unreadable;
        }
        let name = json::unescape(method.raw);
        return match name.as_ref() {
            "notifications/progress" => progress(member(&members, "params")),
            "notifications/tools/list_changed" => ServerFrame::ToolsChanged,
            _ => ServerFrame::Other,
        };
    }
    match member(&members, "id").map(|id| Id::read(id).map_err(|_| id.raw)) {
        Some(Ok(id)) => {
            ServerFrame::Response { id, result: members.into_iter().find(|member| member.name == "result") }
        }
        Some(Err(raw)) => ServerFrame::Stray { raw, is_progress: false },
        None => ServerFrame::Other,
    }
}

fn progress<'a>(params: Option<&Member<'a>>) -> ServerFrame<'a> {
    let param = |name| params.and_then(|params| member(&params.inner, name));
    match param("progressToken").map(|token| Id::read(token).map_err(|_| token.raw)) {
        Some(Ok(token)) => {
            ServerFrame::Progress { token, progress: param("progress").and_then(|progress| progress.raw.parse().ok()) }
        }
        Some(Err(raw)) => ServerFrame::Stray { raw, is_progress: true },
        None => ServerFrame::Other,
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
