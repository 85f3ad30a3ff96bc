//! A shim asks to hold a call: the hub checks every claim itself before there is a card.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use crate::core::approval::Status;
use crate::core::call::{self, Bound};
use crate::core::ids::Digest;
use crate::core::messages::{ClientInfo, Request};
use crate::core::policy::{Ruling, Verdict};
use crate::core::trust;
use crate::core::weigh::Opinion;
use crate::hub::approvals::given::{given_bytes, is_large, kib};
use crate::hub::approvals::life::record;
use crate::hub::approvals::row::{self, Held};
use crate::hub::approvals::{Approvals, find, hold, life};
use crate::hub::aside::aside;
use crate::hub::servers::{Question, Shown, Standing, Subject, drift_of_call};
use crate::hub::store::{Connection, Cost, StoreError, Turn, Tx, rows};
use crate::hub::who::Shim;

/// How many approvals one agent may have pending.
const MAX_PENDING: i64 = 20;
/// How many approvals one agent may register in a minute.
const MAX_PER_MINUTE: i64 = 30;
const MINUTE_MS: i64 = 60_000;
/// The longest tool name, in characters.
const MAX_TOOL: usize = 256;

/// What became of a request to hold.
#[derive(Clone, Debug)]
pub enum Registration {
    /// It stands in the store, as it is now.
    Held(Box<Held>),
    /// It needs no approval, or gets none.
    Ruled(Ruling),
    /// The agent asks for too much at once; why, in words.
    Busy(String),
}

impl Approvals {
    /// Puts a call on the approvers' page, unless policy passes or denies it. The same request again, by the same
    /// instance, changes nothing.
    pub async fn register(&self, shim: &Shim, request: Request, opinion: &Opinion) -> Result<Registration, StoreError> {
        let asked = match aside(given_bytes(&request), || Asked::of(shim, request)) {
            Ok(asked) => Arc::new(asked),
            Err(denied) => return Ok(denied),
        };
        // A large call is let in first, and then kept: what it is given is written in pieces between the two.
        match self.try_to_register(shim, &asked, opinion, is_large(&asked.request).then_some(Large::ToBeKept)).await? {
            Tried::Registered(registration) => return Ok(registration),
            Tried::LetIn => self.keep_given(shim, &asked.request).await?,
        }
        match self.try_to_register(shim, &asked, opinion, Some(Large::Kept)).await? {
            Tried::Registered(registration) => Ok(registration),
            Tried::LetIn => Err(StoreError::Failed("a large call was not kept".to_owned())),
        }
    }

    async fn try_to_register(
        &self,
        shim: &Shim,
        asked: &Arc<Asked>,
        opinion: &Opinion,
        large: Option<Large>,
    ) -> Result<Tried, StoreError> {
        let (hub, shim, asked, opinion) = (self.clone(), shim.clone(), asked.clone(), opinion.clone());
        // A row, and by its size what it is given.
        let weight = if large.is_some() { 1 } else { 1 + given_bytes(&asked.request) / 65_536 };
        self.store
            .write_in(Turn::Call(shim.client_id.clone()), weight, move |tx| {
                Box::pin(async move { register(tx, &hub, &shim, &asked, &opinion, large).await })
            })
            .await
    }

    /// What becomes of a request whatever the external decision point would say of it: known before that is asked, so
    /// that nobody makes the hub ask in vain.
    pub async fn refusal(&self, shim: &Shim, request: &Request) -> Result<Option<Registration>, StoreError> {
        if let Err(why) = aside(given_bytes(request), || check(shim, request)) {
            return Ok(Some(denied(request, why.to_owned())));
        }
        let (now, shown) = (self.now(), shown_with(request));
        let question = Question { agent: &shim.client_id, server: &shim.server, shown: &shown, now };
        let Standing::In(subject) = self.servers.standing_now(question).await? else { return Ok(None) };
        let ruling = subject.scales.weigh(&request.tool, &request.arguments, &Opinion::None);
        match ruling.verdict {
            Verdict::Deny => Ok(Some(Registration::Ruled(ruling))),
            Verdict::Gate => {
                let identity = aside(given_bytes(request), || identity(shim, request));
                let mut connection = self.store.read().acquire().await?;
                let before = Before::of(&mut connection, shim, request, &identity, now).await?;
                let makes_none = before.registered || before.kept;
                Ok(if makes_none { None } else { before.over_the_cap().map(Registration::Busy) })
            }
            Verdict::Pass | Verdict::Ask => Ok(None),
        }
    }
}

/// A request that may be registered, with what is made of all its text.
struct Asked {
    request: Request,
    identity: Digest,
    arguments_sha256: Digest,
}

impl Asked {
    fn of(shim: &Shim, request: Request) -> Result<Self, Registration> {
        if let Err(why) = check(shim, &request) {
            return Err(denied(&request, why.to_owned()));
        }
        let identity = identity(shim, &request);
        let arguments_sha256 = Digest::of(request.arguments.as_bytes());
        Ok(Self { request, identity, arguments_sha256 })
    }
}

/// What can be said without the store.
fn check(shim: &Shim, request: &Request) -> Result<(), &'static str> {
    let id = request.id.as_str();
    let canonical = uuid::Uuid::parse_str(id).is_ok_and(|uuid| uuid.hyphenated().to_string() == id);
    if !canonical {
        return Err("the approval id is not a UUID in lower case");
    }
    if request.tool.chars().count() > MAX_TOOL || request.tool.contains('\0') {
        return Err("the tool name is too long or holds a NUL");
    }
    if !call::may_be_arguments(&request.arguments) || serde_json::from_str::<&RawValue>(&request.arguments).is_err() {
        return Err("the arguments are neither a JSON object nor as good as absent");
    }
    if request.extra.as_ref().is_some_and(|extra| serde_json::from_str::<&RawValue>(extra).is_err()) {
        return Err("what is sent besides the arguments is not JSON");
    }
    if request.definition.as_ref().is_some_and(|definition| !definition.is_whole()) {
        return Err("the digest of the tool's definition is none");
    }
    if call::digest(&bound(shim, request)) != request.digest {
        return Err("the digest does not fit the call");
    }
    Ok(())
}

fn denied(request: &Request, why: String) -> Registration {
    let trust = trust::of_name(&request.tool);
    Registration::Ruled(Ruling { verdict: Verdict::Deny, bypass: false, trust, reasons: vec![why] })
}

/// Where a large call is on its way in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Large {
    ToBeKept,
    Kept,
}

/// What came of trying.
enum Tried {
    Registered(Registration),
    /// A large call may be registered as soon as it is kept.
    LetIn,
}

async fn register(
    tx: &mut Tx,
    hub: &Approvals,
    shim: &Shim,
    asked: &Asked,
    opinion: &Opinion,
    large: Option<Large>,
) -> Result<Tried, StoreError> {
    let registered = |registration| Ok(Tried::Registered(registration));
    let (now, Asked { request, identity, .. }) = (hub.now(), asked);
    let before = Before::of(tx.sql(), shim, request, identity, now).await?;
    if before.registered
        && let Some(held) = find::of_request(tx, &request.id).await?
    {
        let same = hold::belongs(&held, shim) && held.identity == *identity;
        let taken = || denied(request, "this approval id is taken by another call".to_owned());
        return registered(if same { Registration::Held(Box::new(held)) } else { taken() });
    }
    let shown = shown_with(request);
    let question = Question { agent: &shim.client_id, server: &shim.server, shown: &shown, now };
    let subject = match hub.servers.standing(tx, question).await? {
        Standing::In(subject) => subject,
        Standing::Elsewhere => return registered(denied(request, "the agent may not use this server".to_owned())),
        Standing::Gone => return registered(denied(request, "the agent is revoked".to_owned())),
        Standing::Unknown => return registered(denied(request, "the server was removed from the hub".to_owned())),
    };
    let ruling = subject.scales.weigh(&request.tool, &request.arguments, opinion);
    if ruling.verdict != Verdict::Gate {
        return registered(Registration::Ruled(ruling));
    }
    let comes_first = large != Some(Large::Kept);
    if before.kept {
        if comes_first && hub.budgets.spend_in(tx, &shim.client_id, Cost::Retry, 1, now).await?.is_err() {
            return registered(Registration::Busy("it called again too often of late".to_owned()));
        }
        if let Some(held) = join(tx, hub, shim, &subject, asked, now).await? {
            return registered(Registration::Held(Box::new(held)));
        }
    }
    if let Some(why) = before.over_the_cap() {
        return registered(Registration::Busy(why));
    }
    if comes_first && hub.budgets.spend_in(tx, &shim.client_id, Cost::KiB, kib(request), now).await?.is_err() {
        let why = "the arguments of its calls of late are more than the hub keeps of one agent";
        return registered(Registration::Busy(why.to_owned()));
    }
    if large == Some(Large::ToBeKept) {
        return Ok(Tried::LetIn);
    }
    let held = insert(tx, shim, &subject, asked, ruling, now).await?;
    registered(Registration::Held(Box::new(held)))
}

/// What there is of an agent's approvals when it asks for another.
struct Before {
    /// Whether the request was registered before.
    registered: bool,
    /// Whether an approval is kept for a call like this one, still good or not.
    kept: bool,
    pending: i64,
    /// Within a minute.
    recent: i64,
}

impl Before {
    async fn of(
        connection: &mut Connection,
        shim: &Shim,
        request: &Request,
        identity: &Digest,
        now: i64,
    ) -> Result<Self, StoreError> {
        let (registered, kept, pending, recent): (i64, i64, i64, i64) = sqlx::query_as(
            "select (select count(*) from approvals where id = $1 or request_id = $1), \
             (select count(*) from approvals where kept = 1 and client_id = $2 and identity = $3), \
             (select count(*) from approvals where client_id = $2 and status = 'pending'), \
             (select count(*) from approvals where client_id = $2 and created_at > $4)",
        )
        .bind(request.id.as_str())
        .bind(shim.client_id.as_str())
        .bind(identity.as_str())
        .bind(now - MINUTE_MS)
        .fetch_one(connection)
        .await?;
        Ok(Self { registered: registered > 0, kept: kept > 0, pending, recent })
    }

    fn over_the_cap(&self) -> Option<String> {
        let Self { pending, recent, .. } = self;
        if *pending >= MAX_PENDING {
            return Some(format!("{pending} calls wait for approval already"));
        }
        (*recent >= MAX_PER_MINUTE).then(|| format!("it asked for {recent} approvals within a minute"))
    }
}

/// The definition that the call's client was shown, as policy asks for it.
fn shown_with(request: &Request) -> Shown {
    request.definition.iter().map(|digest| (request.tool.clone(), digest.clone())).collect()
}

/// An identical call that comes again takes up the approval that was kept for it: of its own, the one that was asked
/// for first.
///
/// A rejection that its agent has not heard is told to the first retry in the same way, once.
async fn join(
    tx: &mut Tx,
    hub: &Approvals,
    shim: &Shim,
    subject: &Subject,
    Asked { request, identity, .. }: &Asked,
    now: i64,
) -> Result<Option<Held>, StoreError> {
    let found = rows::whole(
        "where kept = 1 and client_id = $1 and identity = $2 \
         and (status = 'pending' and deadline_at > $3 \
         or status = 'approved' and outcome = 'waiting' and grace_until > $3 \
         or status = 'rejected' and decided_at > $4) order by created_at, id limit 20",
    )
    .bind(shim.client_id.as_str())
    .bind(identity.as_str())
    .bind(now)
    .bind(now - hub.times.grant_for_ms)
    .fetch_all(tx.sql())
    .await?;
    for row in &found {
        let kept = row::held(row)?;
        if is_for(shim, subject, request, &kept)
            && (kept.instance == shim.instance || !is_about(tx, hub, shim, &kept, now).await?)
            && let Some(held) = life::join(tx, shim, request, &kept, hub.times.grant_for_ms, now).await?
        {
            return Ok(Some(held.given_as(kept)));
        }
    }
    Ok(None)
}

/// Whether the session on an approval's card is there, or may come back, at whichever hub.
async fn is_about(tx: &mut Tx, hub: &Approvals, shim: &Shim, kept: &Held, now: i64) -> Result<bool, StoreError> {
    let here = hub.live.is_about(&shim.client_id, &kept.instance);
    Ok(here || hub.store.is_elsewhere(tx, &shim.client_id, &kept.instance, now).await?)
}

/// Whether an approval is this call's, where the session on its card is this one or is gone: it was kept for the same
/// client and user.
fn is_for(shim: &Shim, subject: &Subject, request: &Request, kept: &Held) -> bool {
    let client = request.client.as_ref().unwrap_or(&shim.client);
    kept.approval.client.name == shown(client).name
        && kept.approval.user == subject.user
        && kept.approval.claimed_user == claimed_user(shim, subject)
        && kept.approval.given.as_ref().is_some_and(|given| given.extra == request.extra)
}

/// For whom the shim says that it calls, where nobody who may know has said it.
fn claimed_user(shim: &Shim, subject: &Subject) -> Option<String> {
    if subject.user.is_some() { None } else { shim.claimed_user.clone() }
}

fn identity(shim: &Shim, request: &Request) -> Digest {
    call::identity(&bound(shim, request))
}

fn bound<'a>(shim: &'a Shim, request: &'a Request) -> Bound<'a> {
    Bound {
        agent: &shim.client_id,
        server: &shim.server,
        tool: &request.tool,
        definition: request.definition.as_ref(),
        arguments: &request.arguments,
        extra: request.extra.as_deref(),
    }
}

async fn insert(
    tx: &mut Tx,
    shim: &Shim,
    subject: &Subject,
    Asked { request, identity, arguments_sha256 }: &Asked,
    ruling: Ruling,
    now: i64,
) -> Result<Held, StoreError> {
    let client = request.client.as_ref().unwrap_or(&shim.client);
    let ClientInfo { name, version } = shown(client);
    let deadline = now + i64::from(subject.scales.policy.timeout_seconds) * 1000;
    let reasons = serde_json::to_string(&ruling.reasons).unwrap_or_default();
    // What a large one is given is kept already, elsewhere.
    let in_row = |text: Option<&str>| text.filter(|_| !is_large(request)).map(str::to_owned);
    let (drift, description) = match subject.scales.lists(&request.tool) {
        true => drift_of_call(tx, &shim.server, &request.tool, request.definition.as_ref()).await?,
        false => (None, None),
    };
    let row = sqlx::query(
        "insert into approvals (id, request_id, kept, instance, client_id, agent_name, user_name, client_name, client_version, \
         server, tool, trust, reasons, arguments, arguments_sha256, definition_sha256, description, digest, status, \
         created_at, deadline_at, outcome, identity, drift, extra, claimed_user) values ($1, $1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
         $13, $14, $22, $15, $16, $17, $18, 'waiting', $19, $20, $21, $23) \
         returning *",
    )
    .bind(request.id.as_str())
    .bind(shim.instance.as_str())
    .bind(shim.client_id.as_str())
    .bind(subject.agent_name.as_str())
    .bind(subject.user.clone())
    .bind(name)
    .bind(version)
    .bind(shim.server.as_str())
    .bind(request.tool.as_str())
    .bind(ruling.trust.as_str())
    .bind(reasons)
    .bind(in_row(Some(&request.arguments)))
    .bind(arguments_sha256.as_str())
    .bind(request.definition.as_ref().map(|digest| digest.as_str().to_owned()))
    .bind(request.digest.as_str())
    .bind(Status::Pending.as_str())
    .bind(now)
    .bind(deadline)
    .bind(identity.as_str())
    .bind(drift.map(|drift| json!(drift).to_string()))
    .bind(in_row(request.extra.as_deref()))
    .bind(description)
    .bind(claimed_user(shim, subject))
    .fetch_one(tx.sql())
    .await?;
    tx.wake_sweeper_at(deadline);
    let held = row::held(&row)?;
    let detail = json!({ "server": shim.server, "tool": request.tool, "digest": request.digest });
    record(tx, &held, shim.client_id.as_str(), "approval.created", detail, now).await?;
    Ok(held)
}

/// A client's name for itself, cut to what a card can show.
fn shown(client: &ClientInfo) -> ClientInfo {
    let cut = |text: &str| text.chars().filter(|c| *c != '\0').take(100).collect();
    ClientInfo { name: cut(&client.name), version: cut(&client.version) }
}
