//! What the shim and the hub say to each other, version 1: websocket text frames, one JSON object each.
//!
//! Path `/v1/wrap`, subprotocol `hitl.v1`, `Authorization: Bearer AGENT_TOKEN`; a request with an `Origin` is refused.
//! Unknown fields are ignored, an unknown `type` is answered with [`ToWrap::Unsupported`], and a message sent again
//! changes nothing. Both sides treat the other as untrusted when they read.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::core::messages::{
    Activity, CallOutcome, Cancel, ClientInfo, Continued, Decided, Extended, Registered, Release, Request, Ruled,
    Tools, Ungated,
};
use crate::core::policy::Table;

/// The websocket's path.
pub const PATH: &str = "/v1/wrap";
/// Where a hub proves which one it is: `GET`, with the query `nonce`.
pub const HUB_PATH: &str = "/v1/hub";
/// The websocket subprotocol, which carries the version.
pub const SUBPROTOCOL: &str = "hitl.v1";
/// The version in `hello` and `welcome`.
pub const VERSION: u32 = 1;
/// The largest message either side sends or takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// The largest frame of a shim, in bytes. A longer message comes in several, because what a hub reads a frame into stays
/// with its connection.
pub const MAX_FRAME_BYTES: usize = 64 << 10;
/// Both sides send a ping this often, in seconds.
pub const PING_SECONDS: u64 = 10;
/// A peer that was silent this long is gone, in seconds.
pub const DEAD_SECONDS: u64 = 30;
/// A websocket's read and write buffer, in bytes; the library's default is 128 KiB a connection.
pub const BUFFER_BYTES: usize = 4 << 10;

/// On every answer of a hub, so that nobody else's is taken for its word.
pub const HUB_HEADER: &str = "hitl-hub";
/// On an answer that opens no websocket because of who asked: which of [`refused`] it is.
pub const REFUSED_HEADER: &str = "hitl-refused";

/// Why the hub does not speak with a shim until a person does something.
pub mod refused {
    /// No token, or not one of ours, or revoked.
    pub const TOKEN: &str = "token";
    /// The other side speaks another version.
    pub const VERSION: &str = "version";
}

/// Close codes of the application.
pub mod close {
    /// A message that cannot be read.
    pub const BAD_MESSAGE: u16 = 4400;
    /// No token, or not one of ours, or revoked.
    pub const UNAUTHORISED: u16 = 4401;
    /// The token may not do this.
    pub const FORBIDDEN: u16 = 4403;
    /// The other side speaks another version.
    pub const UPGRADE_REQUIRED: u16 = 4426;
}

/// The answer to `GET /v1/hub?nonce=…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The hub's public key, base64url.
    pub key: String,
    /// Its signature over the nonce and the host it was asked under ([`crate::core::proof`]), base64url.
    pub signature: String,
}

/// Shim → hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToHub {
    /// The first message of every connection.
    Hello(Hello),
    /// What the client's own `tools/list` showed.
    Tools(Tools),
    /// Hold this call for me.
    Request(Request),
    /// The client took the call back, or is gone.
    Cancel(Cancel),
    /// May I write the approved call?
    Release(Release),
    /// The client goes on with a released call.
    Continued(Continued),
    /// What became of a released call.
    Outcome(CallOutcome),
    /// A batch for the activity log.
    Calls {
        /// The calls, oldest first.
        items: Vec<Activity>,
        /// How many were dropped since the last batch because the queue was full.
        #[serde(default)]
        dropped: u64,
    },
    /// What the shim's own client starts without a shim; a later message replaces it.
    Ungated {
        /// The servers.
        items: Vec<Ungated>,
    },
    /// The shim ends: cancel what it holds.
    Bye,
}

/// Who the shim is; a connection begins with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// This run of the shim; stays the same across reconnects.
    pub instance: InstanceId,
    /// The wrapped server's name, from the shim's command line.
    pub server: String,
    /// The command line of the wrapped server, for the record.
    pub command: Vec<String>,
    /// The client as its `initialize` named itself, when that has been seen.
    #[serde(default)]
    pub client: Option<ClientInfo>,
    /// The operating system's user the shim runs as; shown, never decided on.
    #[serde(default)]
    pub user: Option<String>,
    /// Approvals this instance still holds live requests for; others of the same instance are cancelled.
    #[serde(default)]
    pub resume: Vec<ApprovalId>,
}

/// Hub → shim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWrap {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// The policy changed.
    Policy {
        /// The whole new table.
        table: Table,
    },
    /// The call is on the approvers' page.
    Registered(Registered),
    /// Somebody, or the deadline, decided.
    Decision(Decided),
    /// The release is recorded: write it now.
    Go(Release),
    /// There is more time.
    Extended(Extended),
    /// An approver opened the card.
    Seen {
        /// Which one.
        approval: ApprovalId,
    },
    /// The hub ruled on a call itself: it needs no approval, or gets none.
    Verdict(Ruled),
    /// The server gives no hint about any of its tools, and nobody has chosen what waits.
    Undescribed {
        /// How many tools it has.
        tools: u32,
        /// Where it is chosen.
        link: String,
    },
    /// The hub is about to stop; connect again in a moment.
    Draining,
    /// A message of a type this hub does not know was ignored.
    Unsupported {
        /// The unknown type.
        of: String,
    },
}

/// What a shim needs to work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`VERSION`].
    pub version: u32,
    /// The agent the token belongs to.
    pub client_id: ClientId,
    /// The policy in force for this agent on this server.
    pub table: Table,
}

/// Why a text frame is not a message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A well-formed message of a type this version does not know.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// Anything else.
    #[error("not a message of {SUBPROTOCOL}: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// What is said in one direction.
pub trait Messages: DeserializeOwned {
    /// The types that are known there.
    const TYPES: &[&str];
}

impl Messages for ToHub {
    const TYPES: &[&str] =
        &["hello", "tools", "request", "cancel", "release", "continued", "outcome", "calls", "ungated", "bye"];
}

impl Messages for ToWrap {
    const TYPES: &[&str] = &[
        "welcome",
        "policy",
        "registered",
        "decision",
        "go",
        "extended",
        "seen",
        "verdict",
        "undescribed",
        "draining",
        "unsupported",
    ];
}

impl Messages for ToEnrolling {
    const TYPES: &[&str] = &["code", "enrolled", "refused"];
}

/// Reads one text frame.
pub fn decode<T: Messages>(text: &str) -> Result<T, DecodeError> {
    #[derive(Deserialize)]
    struct Probe {
        r#type: String,
    }
    serde_json::from_str(text).map_err(|error| match serde_json::from_str::<Probe>(text) {
        Ok(Probe { r#type }) if !T::TYPES.contains(&r#type.as_str()) => DecodeError::UnknownType(r#type),
        _ => DecodeError::Malformed(error),
    })
}

/// Writes one text frame.
pub fn encode<T: Serialize>(message: &T) -> String {
    // Plain structs of strings and numbers: there is no map with non-string keys and no failing serializer in them.
    serde_json::to_string(message).unwrap_or_else(|error| unreachable!("a wire message always serialises: {error}"))
}

/// The websocket on which a shim without a token waits to be enrolled.
pub const ENROL_PATH: &str = "/v1/enrol";
/// Its subprotocol.
pub const ENROL_SUBPROTOCOL: &str = "hitl.enrol.v1";

/// Shim → hub, once: who asks to be enrolled. All of it is shown to the administrator as a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolHello {
    /// The program's version.
    pub version: String,
    /// The operating system's user.
    #[serde(default)]
    pub user: Option<String>,
    /// The machine.
    #[serde(default)]
    pub host: Option<String>,
    /// It says [`FromEnrolling::Received`] when it has its token; an agent whose token nobody received is revoked.
    #[serde(default)]
    pub confirms: bool,
}

/// A shim that was enrolled → hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromEnrolling {
    /// The token is written down.
    Received,
}

/// Hub → a shim that waits to be enrolled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToEnrolling {
    /// Show this to your user.
    Code {
        /// The short code, which the page shows too.
        code: String,
        /// Where an administrator confirms it.
        link: String,
        /// Seconds until it is void.
        expires_seconds: u64,
    },
    /// An administrator confirmed.
    Enrolled {
        /// The new agent.
        client_id: ClientId,
        /// Its name.
        name: String,
        /// Its token, told this one time.
        token: String,
    },
    /// There will be no token.
    Refused {
        /// Why, in words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The derived reader names what it knows.
    fn of_reader<T: Messages>() -> Vec<String> {
        let Err(error) = serde_json::from_str::<T>(r#"{"type":"?"}"#) else { return Vec::new() };
        error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_types_that_are_listed_are_those_that_are_read() {
        assert_eq!(of_reader::<ToHub>(), ToHub::TYPES);
        assert_eq!(of_reader::<ToWrap>(), ToWrap::TYPES);
        assert_eq!(of_reader::<ToEnrolling>(), ToEnrolling::TYPES);
    }

    #[test]
    fn a_message_of_an_unknown_type_is_told_from_one_that_cannot_be_read() {
        assert!(matches!(decode::<ToHub>(r#"{"type":"bye","more":1}"#), Ok(ToHub::Bye)));
        let unknown = decode::<ToHub>(r#"{"type":"later","more":1}"#);
        assert!(matches!(unknown, Err(DecodeError::UnknownType(kind)) if kind == "later"));
        for text in [r#"{"type":"cancel"}"#, r#"{"type":1}"#, "{}", "[]", "", r#"{"type":"bye","type":"later"}"#] {
            assert!(matches!(decode::<ToHub>(text), Err(DecodeError::Malformed(_))), "{text}");
        }
    }
}
