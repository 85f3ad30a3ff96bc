//! What a line is: the strict profile for lines from the client, a lenient view of lines from the server.
//!
//! A view borrows the line and is thrown away; what passes is the line itself. The client profile is an allow-list:
//! a line of a shape that is not recognised is a [`Refused`] and must not be forwarded.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::alike::{looks_like, looks_like_a_call};
use super::extra::Extra;
use super::json::{self, Fault, Kind, Member, Mode, Open, Wanted, member, present};
use super::messages::ClientInfo;
use super::outline;

/// The longest string id, tool name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// The longest integer id, in digits.
pub const MAX_ID_DIGITS: usize = 40;

/// A line with more values is nobody's we know.
const MAX_VALUES: usize = 16;
/// Some writers begin each line with it.
const BOM: char = '\u{feff}';
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

/// Why a client line is not forwarded, and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `-32700` or `-32600`.
    pub code: i32,
    /// What is wrong, for the answers and the log.
    pub why: String,
    /// The raw ids of its requests, as they were sent; `null` where one may be a request and has no id to answer to.
    pub requests: Vec<String>,
    /// The raw ids of its answers to requests of the server.
    pub answers: Vec<String>,
}

impl Refused {
    /// Of a line that stands for this.
    pub fn new(code: i32, why: impl Into<String>, owed: outline::Owed) -> Self {
        Self { code, why: why.into(), requests: owed.requests, answers: owed.answers }
    }
}

/// What is wrong with a line: code and words.
type Wrong = (i32, String);

/// Reads a client's line, without its line end, by the strict profile.
pub fn read_client(line: &[u8]) -> Result<ClientFrame<'_>, Refused> {
    client_frame(line).map_err(|(code, why)| Refused::new(code, why, outline::owed(line)))
}

/// The objects of a line that holds several, one behind the other, by the same profile; else nothing.
pub fn values(line: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut rest, mut values) = (std::str::from_utf8(line).ok()?, Vec::new());
    while let Err((Fault::Trailing(at), _)) = json::object(rest, Mode::Strict, &[]) {
        if values.len() + 1 == MAX_VALUES {
            return None;
        }
        let (value, behind) = rest.split_at(at);
        values.push(value.as_bytes());
        rest = behind;
    }
    values.push(rest.as_bytes());
    (values.len() > 1).then_some(values)
}

fn client_frame(line: &[u8]) -> Result<ClientFrame<'_>, Wrong> {
    let text = std::str::from_utf8(line).map_err(|_| (-32700, "the line is not valid UTF-8".to_owned()))?;
    if text.starts_with(BOM) {
        return Err((-32700, "the line begins with a byte order mark".to_owned()));
    }
    if text.trim_start_matches([' ', '\t']).starts_with('[') {
        return Err((-32600, "batches are not supported".to_owned()));
    }
    let members = json::object(text, Mode::Strict, CLIENT).map_err(|(fault, _)| unreadable(&fault))?;
    shape(&members).map_err(|why| (-32600, why))
}

fn unreadable(fault: &Fault) -> Wrong {
    let code = if matches!(fault, Fault::Duplicate(_) | Fault::NotAnObject) { -32600 } else { -32700 };
    (code, fault.to_string())
}

fn shape<'a>(members: &[Member<'a>]) -> Result<ClientFrame<'a>, String> {
    if let Some(stranger) = members.iter().find(|member| !ENVELOPE.contains(&member.name.as_ref())) {
        return Err(format!("unknown envelope member {:?}", stranger.name));
    }
    if member(members, "jsonrpc").is_none_or(|version| json::unescape(version.raw) != "2.0" || !is_string(version)) {
        return Err("the member jsonrpc must be \"2.0\"".into());
    }
    let id = present(members, "id").map(Id::read).transpose()?;
    let (result, error) = (present(members, "result"), present(members, "error"));
    match present(members, "method") {
        Some(method) if result.or(error).is_none() => with_method(method, id, params(members)?),
        None if is_answer(members, id.is_some()) => Ok(ClientFrame::Other),
        _ => Err("neither a request, nor a notification, nor a response".into()),
    }
}

/// Whether a line without a method is an answer; only an error may be one to nobody.
fn is_answer(members: &[Member<'_>], has_id: bool) -> bool {
    let named = |name| member(members, name).is_some();
    let one = match (present(members, "result"), present(members, "error")) {
        (Some(_), Some(_)) => false,
        (None, None) => has_id && (named("result") || named("error")),
        (result, _) => has_id || result.is_none(),
    };
    one && member(members, "params").is_none_or(Member::is_void)
}

fn params<'m, 'a>(members: &'m [Member<'a>]) -> Result<&'m [Member<'a>], String> {
    Ok(object_member(members, "params")?.map_or(&[], |params| &params.inner))
}

fn with_method<'a>(method: &Member<'a>, id: Option<Id<'a>>, params: &[Member<'a>]) -> Result<ClientFrame<'a>, String> {
    let name = text_of(method).ok_or("method must be a string of whole characters")?;
    match (name.as_ref(), id) {
        ("tools/call", Some(id)) => call(id, params).map(|call| ClientFrame::Call(Box::new(call))),
        ("tools/call", None) => Err("tools/call needs an id".into()),
        ("tools/list", Some(id)) => Ok(ClientFrame::ListTools { id, first: present(params, "cursor").is_none() }),
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
    let name = member(params, "name").and_then(text_of).ok_or("tools/call needs a tool name of whole characters")?;
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("the tool name is longer than {MAX_NAME_BYTES} bytes"));
    }
    object_member(params, "arguments")?;
    let meta = match object_member(params, "_meta")? {
        Some(meta) => json::object(meta.raw, Mode::Strict, &[]).map_err(|(fault, _)| fault.to_string())?,
        None => Vec::new(),
    };
    look_alikes(&meta, &["progressToken"])?;
    Ok(Call {
        id,
        name,
        // As it was sent, also where it says nothing.
        arguments: member(params, "arguments").map(|arguments| arguments.raw),
        // A token of another type is the client's mistake: the call counts, progress does not.
        token: member(&meta, "progressToken").and_then(|token| Id::read(token).ok()),
        client: client_info(member(&meta, "io.modelcontextprotocol/clientInfo")),
        continues: continues(params),
        extra: Extra::of(params, &meta),
    })
}

fn continues<'a>(params: &[Member<'a>]) -> Option<Continues<'a>> {
    let state = present(params, "requestState").map(|state| state.raw);
    let answers = state.is_some() || present(params, "inputResponses").is_some();
    answers.then_some(Continues { state })
}

/// A member that is an object or as good as absent.
fn object_member<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Result<Option<&'m Member<'a>>, String> {
    match member(members, name).filter(|member| !member.is_void()) {
        Some(found) if found.kind != Kind::Object => Err(format!("{name} must be an object")),
        found => Ok(found),
    }
}

/// The text of a string of whole characters.
fn text_of<'a>(member: &Member<'a>) -> Option<Cow<'a, str>> {
    is_string(member).then(|| json::whole(member.raw)).flatten()
}

fn cancelled<'a>(params: &[Member<'a>]) -> Result<ClientFrame<'a>, String> {
    look_alikes(params, &["requestId", "reason"])?;
    let request = present(params, "requestId").map(Id::read).transpose()?;
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
    /// The id of this raw text, if it is one.
    pub fn of_raw(raw: &'a str) -> Option<Self> {
        let kind = if raw.starts_with('"') { Kind::String } else { Kind::Number };
        serde_json::from_str::<&RawValue>(raw).ok().and_then(|_| Self::of(raw, kind).ok())
    }

    fn read(member: &Member<'a>) -> Result<Self, String> {
        Self::of(member.raw, member.kind)
    }

    /// An id or token: a string of at most 256 bytes or an integer literal of at most 40 digits.
    fn of(raw: &'a str, kind: Kind) -> Result<Self, String> {
        match kind {
            Kind::String if raw.len() <= MAX_NAME_BYTES + 2 => {
                let key = match json::whole(raw).ok_or("an id must consist of whole characters")? {
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
    /// A request that also says that it has no outcome: some reader may take it for the answer to its id.
    Twofold {
        /// Its id.
        id: Id<'a>,
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
    match json::object(text.strip_prefix(BOM).unwrap_or(text), Mode::Lenient, open) {
        Ok(members) if look_alikes(&members, &ENVELOPE).is_ok() => server_shape(members),
        _ => ServerFrame::Unreadable,
    }
}

fn server_shape(members: Vec<Member<'_>>) -> ServerFrame<'_> {
    let outcomes = [present(&members, "result"), present(&members, "error")].iter().flatten().count();
    let id = present(&members, "id").map(Id::read);
    match present(&members, "method") {
        // One reader would take it for a request, another for the answer to one.
        Some(_) if outcomes > 0 => ServerFrame::Unreadable,
        None if outcomes > 1 => ServerFrame::Unreadable,
        Some(method) => match id {
            Some(Ok(id)) if member(&members, "result").or(member(&members, "error")).is_some() => {
                ServerFrame::Twofold { id }
            }
            _ => server_message(method, &members),
        },
        None => match id {
            Some(Ok(id)) => ServerFrame::Response { id, result: result(members) },
            _ => member(&members, "id")
                .map_or(ServerFrame::Other, |id| ServerFrame::Stray { raw: id.raw, is_progress: false }),
        },
    }
}

/// The outcome that is no error.
fn result(members: Vec<Member<'_>>) -> Option<Member<'_>> {
    let is_error = present(&members, "error").is_some();
    members.into_iter().find(|member| member.name == "result" && !is_error)
}

fn server_message<'a>(method: &Member<'a>, members: &[Member<'a>]) -> ServerFrame<'a> {
    match json::unescape(method.raw).as_ref() {
        "notifications/progress" => progress(member(members, "params")),
        "notifications/tools/list_changed" => ServerFrame::ToolsChanged,
        _ => ServerFrame::Other,
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
