//! One held call: what is kept of it, where it stands, and what it tells its client meanwhile.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::released::{Spoken, What};
use crate::core::call::{self, Bound, NO_ARGUMENTS};
use crate::core::frame::Call;
use crate::core::ids::{ApprovalId, ClientId, Digest};
use crate::core::json::{canonical, range_in};
use crate::core::messages::{ClientInfo, Request};
use crate::core::reply::{self, HubName, Refusal};

/// A held call says something at least this often.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// How long a call that waits for the very first policy says nothing: usually the hub answers within milliseconds.
const POLICY_PATIENCE: Duration = Duration::from_secs(1);
/// How much longer than its deadline a call waits for a connected hub to say that it timed out.
pub(super) const DEADLINE_SLACK: Duration = Duration::from_secs(10);

/// Where a held call stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// No policy is known yet.
    Unruled,
    /// The hub has been asked, or will be when it is back.
    Asked,
    /// It is on the approvers' page.
    Waiting {
        /// When it times out, by our clock.
        deadline: Instant,
        /// Where to decide.
        link: String,
        /// An approver opened it.
        seen: bool,
    },
    /// Approved; the hub has been asked to record the release.
    Releasing {
        /// When to stop hoping for the hub's *go*.
        deadline: Instant,
    },
}

/// A call that waits. Only [`super::Gate`] turns one into a line for the server.
#[derive(Debug)]
pub(super) struct Held {
    line: Vec<u8>,
    pub(super) key: String,
    pub(super) id: String,
    pub(super) tool: String,
    arguments: Option<Range<usize>>,
    /// The arguments as the approver was shown them, where an earlier call wrote the same ones otherwise.
    shown: Option<String>,
    extra: Option<String>,
    /// The same without what continues an earlier call.
    beside: Option<String>,
    pub(super) token: Option<Token>,
    /// As this request names it, else as `initialize` did.
    pub(super) client: Option<ClientInfo>,
    /// The request's own id at the hub.
    pub(super) request: ApprovalId,
    /// The approval it stands under.
    pub(super) approval: ApprovalId,
    pub(super) definition: Option<Digest>,
    pub(super) stage: Stage,
    /// Only the hub can say whether it needs approval at all, and has not said so yet.
    pub(super) doubtful: bool,
    pub(super) since: Instant,
    /// When a hub that cannot be asked is given up.
    pub(super) give_up: Instant,
    pub(super) timeout_seconds: u64,
    /// When the client will have given up, if it is known to: the answer then is *pending, call again*.
    pub(super) hand_off: Option<Instant>,
}

/// The client's progress token, and what was said on it.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) raw: String,
    pub(super) key: String,
    /// The last progress sent, times 1000.
    last: Option<i64>,
    /// The product's first message has been sent.
    announced: bool,
    /// When to speak again.
    pub(super) next: Instant,
}

impl Held {
    pub(super) fn new(line: &[u8], call: &Call<'_>, client: &str, request: ApprovalId, now: Instant) -> Self {
        let token = call.token.as_ref().map(|token| Token {
            raw: token.raw.to_owned(),
            key: token.key.clone().into_owned(),
            last: None,
            announced: false,
            next: now + POLICY_PATIENCE,
        });
        Self {
            line: line.to_vec(),
            key: call.id.key.clone().into_owned(),
            id: call.id.raw.to_owned(),
            tool: call.name.clone().into_owned(),
            arguments: call.arguments.map(|arguments| range_in(line, arguments)),
            shown: None,
            extra: call.extra.text(client),
            beside: call.extra.beside(client),
            token,
            client: call.client.clone(),
            approval: request.clone(),
            request,
            definition: None,
            stage: Stage::Unruled,
            doubtful: false,
            since: now,
            give_up: now,
            timeout_seconds: u64::from(crate::core::policy::DEFAULT_TIMEOUT_SECONDS),
            hand_off: None,
        }
    }

    /// How long its line is.
    pub(super) fn line_len(&self) -> usize {
        self.line.len()
    }

    /// The line for the server: as it came, with the arguments as they were shown.
    pub(super) fn into_line(self) -> Vec<u8> {
        match (self.shown, self.arguments) {
            (Some(shown), Some(own)) => [&self.line[..own.start], shown.as_bytes(), &self.line[own.end..]].concat(),
            _ => self.line,
        }
    }

    /// The raw text of the arguments as its client sent them.
    pub(super) fn sent(&self) -> &str {
        let bytes = self.arguments.clone().and_then(|range| self.line.get(range));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or(NO_ARGUMENTS)
    }

    /// The raw text of the arguments, out of the very line that would be written.
    fn arguments(&self) -> &str {
        self.shown.as_deref().unwrap_or_else(|| self.sent())
    }

    /// The approver was shown the same arguments in this text, and that is what will run; whether it is the same.
    pub(super) fn show(&mut self, text: String) -> bool {
        if text == self.arguments() {
            return true;
        }
        let same = self.arguments.is_some() && canonical(&text) == canonical(self.sent());
        if same {
            self.shown = Some(text);
        }
        same
    }

    fn bound<'a>(&'a self, agent: &'a ClientId, server: &'a str, arguments: &'a str) -> Bound<'a> {
        let (definition, extra) = (self.definition.as_ref(), self.extra.as_deref());
        Bound { agent, server, tool: &self.tool, definition, arguments, extra }
    }

    /// The digest of what would run, computed from the line itself.
    pub(super) fn digest(&self, agent: &ClientId, server: &str) -> Digest {
        call::digest(&self.bound(agent, server, self.arguments()))
    }

    /// Whether this is the same call again.
    pub(super) fn is_identical(&self, other: &Self) -> bool {
        let of = |held: &Self| call::identity(&held.bound(&ClientId(String::new()), "", held.sent()));
        self.tool == other.tool && self.extra == other.extra && of(self) == of(other)
    }

    /// Whether the hub has been asked about it, and not yet to let it go.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.stage, Stage::Asked | Stage::Waiting { .. })
    }

    /// Whether the same call again takes its place: of calls that may pass at once, each is a call.
    pub(super) fn may_be_replaced(&self) -> bool {
        self.is_asked() && !self.doubtful
    }

    /// Whether the hub has been asked to let it go.
    pub(super) fn is_releasing(&self) -> bool {
        matches!(self.stage, Stage::Releasing { .. })
    }

    pub(super) fn to_request(&self, agent: &ClientId, server: &str) -> Request {
        Request {
            id: self.request.clone(),
            tool: self.tool.clone(),
            arguments: self.sent().to_owned(),
            extra: self.extra.clone(),
            definition: self.definition.clone(),
            digest: call::digest(&self.bound(agent, server, self.sent())),
            client: self.client.clone(),
        }
    }

    /// When this call has something to do on its own.
    pub(super) fn next_wake(&self, connected: bool) -> Instant {
        let end = self.end(connected);
        self.token.as_ref().map_or(end, |token| token.next.min(end))
    }

    /// When waiting ends without an answer of the hub.
    pub(super) fn end(&self, connected: bool) -> Instant {
        let end = match &self.stage {
            Stage::Unruled | Stage::Asked => self.give_up,
            Stage::Waiting { deadline, .. } if connected => *deadline + DEADLINE_SLACK,
            Stage::Waiting { deadline, .. } | Stage::Releasing { deadline } => *deadline,
        };
        // An approved call is about to run: its client waits these last moments.
        let hand_off = self.hand_off.filter(|_| !matches!(self.stage, Stage::Releasing { .. }));
        hand_off.map_or(end, |hand_off| end.min(hand_off))
    }

    /// The refusal when waiting ends without an answer of the hub.
    pub(super) fn refusal_at(&self, now: Instant, connected: bool, hub: &HubName, away: Option<&str>) -> Refusal {
        let handed_off = self.hand_off.is_some_and(|at| at <= now);
        match &self.stage {
            Stage::Waiting { link, .. } if handed_off => Refusal::Pending { link: link.clone() },
            Stage::Waiting { .. } => Refusal::TimedOut { after_seconds: self.timeout_seconds },
            Stage::Releasing { .. } if connected => {
                Refusal::Cancelled { reason: "the hub did not confirm the approval in time".into() }
            }
            Stage::Asked if connected => Refusal::NoRuling,
            Stage::Unruled | Stage::Asked | Stage::Releasing { .. } => {
                Refusal::HubAway { hub: hub.clone(), why: away.map(str::to_owned) }
            }
        }
    }

    /// The progress notification that is due, if the client asked for any.
    pub(super) fn progress(&mut self, now: Instant, connected: bool, hub: &HubName) -> Option<Vec<u8>> {
        let left = self.seconds_left(now);
        let message = self.message(now, connected, hub, left);
        let ruled = self.stage != Stage::Unruled && !self.doubtful;
        let token = self.token.as_mut()?;
        token.next = now + PROGRESS_EVERY;
        token.announced |= ruled;
        // Progress must increase, also when an extension makes the time left grow again.
        let thousandths = -i64::try_from(left).unwrap_or(i64::MAX / 1000) * 1000;
        let thousandths = token.last.map_or(thousandths, |last| thousandths.max(last + 1));
        if thousandths >= 0 {
            return None;
        }
        token.last = Some(thousandths);
        Some(reply::progress_line(&token.raw, thousandths, &message))
    }

    fn seconds_left(&self, now: Instant) -> u64 {
        let deadline = match &self.stage {
            Stage::Waiting { deadline, .. } => *deadline,
            _ => self.since + Duration::from_secs(self.timeout_seconds),
        };
        (deadline.saturating_duration_since(now) + Duration::from_millis(500)).as_secs()
    }

    fn message(&self, now: Instant, connected: bool, hub: &HubName, left: u64) -> String {
        let first = self.token.as_ref().is_some_and(|token| !token.announced);
        let give_up = self.give_up.saturating_duration_since(now).as_secs();
        match &self.stage {
            Stage::Unruled => reply::hub_away(&self.tool, hub, give_up),
            Stage::Asked if self.doubtful && connected => reply::checking(&self.tool),
            _ if first => reply::waiting(&self.tool, self.timeout_seconds),
            Stage::Asked if !connected => reply::hub_away(&self.tool, hub, give_up),
            Stage::Waiting { .. } if !connected => reply::hub_lost(hub, left),
            Stage::Waiting { link, seen, .. } => reply::still_waiting(left, *seen, link),
            Stage::Asked | Stage::Releasing { .. } => reply::still_waiting(left, false, ""),
        }
    }

    /// The token and the last progress said on it, for as long as the server may go on with it.
    pub(super) fn spoken(&self) -> Option<Spoken> {
        self.token.as_ref().map(|token| Spoken { key: token.key.clone(), last: token.last })
    }

    /// What of it a continuation must repeat.
    pub(super) fn what(&self) -> What {
        What { tool: self.tool.clone(), arguments: self.sent().to_owned(), beside: self.beside.clone() }
    }

    /// Speak soon: something changed that the client's user wants to know.
    pub(super) fn speak(&mut self, now: Instant) {
        if let Some(token) = &mut self.token {
            token.next = now;
        }
    }
}
