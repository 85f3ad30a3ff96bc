//! What a session tells its shim of policy, and what the lists of its client show.

use std::time::Duration;

use axum::extract::ws::Message;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{End, Session, send, send_frame};
use crate::core::call;
use crate::core::messages::Tools;
use crate::hub::agents::Bearer;
use crate::hub::base_url::percent_encode;
use crate::hub::live::Cut;
use crate::hub::servers::{Learned, Question, Shown, Standing, Tabled, may_be_kept};
use crate::hub::shims::Shims;
use crate::hub::store::Versions;
use crate::hub::who::Shim;
use crate::wire::ToWrap;

/// For so many times the time that reading policy took, it is not read again for tools that changed: whoever changes a
/// server's tools without end leaves its other sessions time for their calls. What people change counts at once.
const REST_PER_READING: u32 = 4;
/// A reading that took longer is rested from in any case: the server has thousands of tools.
const LONG_READING: Duration = Duration::from_millis(5);
/// So many short readings in a row need no rest: somebody changes things one after the other, and each counts at once.
/// Two are in a row that have less than this between them.
const READINGS_AT_ONCE: u32 = 64;
const IN_A_ROW: Duration = Duration::from_secs(1);
/// How many definitions a session remembers; the store knows fewer of one agent.
const MAX_SHOWN: usize = 10_000;

impl Session<'_> {
    /// Keeps what this list shows, or the one that waits for its turn; only the last one matters.
    pub(super) async fn learn(&mut self, list: Option<Tools>) -> Result<(), End> {
        let waiting = self.unlearned.take();
        let later = waiting.as_ref().map(|(_, at)| *at).filter(|at| *at > self.hub.now());
        let Some(tools) = list.or(waiting.map(|(tools, _)| tools)) else { return Ok(()) };
        if let Some(at) = later {
            self.unlearned = Some((tools, at));
        } else if let Learned::Later(at) = self.hub.servers.learn(self.shim, &tools).await? {
            tracing::warn!(agent.id = %self.shim.client_id, server = %self.shim.server, "an agent tells of too many changed tools");
            self.unlearned = Some((tools, at));
        }
        self.look_at_policy().await?;
        if self.asked_to_choose {
            return Ok(());
        }
        let Some(tools) = self.hub.servers.undescribed(&self.shim.server).await? else { return Ok(()) };
        self.asked_to_choose = true;
        send(self.socket, &ToWrap::Undescribed { tools, link: self.page() }).await
    }

    /// Where this server's policy is set.
    fn page(&self) -> String {
        format!("{}/servers/{}", self.hub.base_url.get(), percent_encode(&self.shim.server))
    }

    /// When the list that waits may be kept.
    pub(super) fn turn(&self) -> i64 {
        self.unlearned.as_ref().map_or(i64::MAX, |(_, at)| *at)
    }

    /// The same without news of it.
    pub(super) async fn look_at_policy(&mut self) -> Result<(), End> {
        self.hub.store.versions().await?;
        self.push_policy().await
    }

    /// Sends the policy table, if it is another one than the shim has.
    pub(super) async fn push_policy(&mut self) -> Result<(), End> {
        let _turn = self.hub.tables.of(&self.shim.client_id).acquire_owned().await;
        let began = Instant::now();
        // Whoever brought the news has noted how the store is since.
        let at = self.hub.store.memory().newest();
        let Tabled { told, until } = table(self.hub, self.bearer, self.shim, &self.shown, at).await?;
        let (now, took) = (Instant::now(), began.elapsed());
        self.readings = if began < self.policy_from + IN_A_ROW { self.readings + 1 } else { 0 };
        let rests = self.readings > READINGS_AT_ONCE || took > LONG_READING;
        self.policy_from = now + if rests { took * REST_PER_READING } else { Duration::ZERO };
        self.until = until;
        let digest = told.digest();
        if digest == self.table {
            return Ok(());
        }
        let message = told.message();
        self.table = digest;
        drop(told);
        send_frame(self.socket, Message::Text(message)).await
    }
}

/// The server's tools changed, and there was time for other things since policy was read last.
pub(super) async fn news_of_tools(tools: &Notify, from: Instant) {
    tokio::time::sleep_until(from).await;
    tools.notified().await;
}

/// The table of the shim as the store was then or later, and when that or the token it came with has to be looked at
/// again.
pub(super) async fn table(
    hub: &Shims,
    bearer: &Bearer,
    shim: &Shim,
    shown: &Shown,
    at: Versions,
) -> Result<Tabled, End> {
    let Some(good_until) = hub.agents.good_until(bearer, at).await? else { return Err(End::Cut(Cut::Revoked)) };
    let question = Question { agent: &shim.client_id, server: &shim.server, shown, now: hub.now() };
    match hub.servers.table(question, at).await? {
        Standing::In(Tabled { told, until }) => Ok(Tabled { told, until: until.into_iter().chain(good_until).min() }),
        Standing::Elsewhere => Err(End::Cut(Cut::Elsewhere)),
        Standing::Gone => Err(End::Cut(Cut::Revoked)),
        Standing::Unknown => Err(End::Cut(Cut::Removed)),
    }
}

/// What a list showed; of two entries with one name, the last, as clients take it.
pub(super) fn shown(tools: &Tools) -> Shown {
    let kept = tools.items.iter().filter(|tool| may_be_kept(&tool.name)).take(MAX_SHOWN);
    kept.map(|tool| (tool.name.clone(), call::definition(&tool.definition))).collect()
}
