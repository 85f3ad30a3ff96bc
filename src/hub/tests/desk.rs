//! A hub with an administrator, an approver, an agent and a shim, on a clock that stands still.

use sqlx::AssertSqlSafe;

use crate::core::approval::Life;
use crate::core::call;
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::messages::{ClientInfo, Release, Request, ToolDefinition, Tools};
use crate::core::policy::Table;
use crate::core::trust::Level;
use crate::core::weigh::Opinion;
use crate::hub::approvals::Registration;
use crate::hub::clock::Clock;
use crate::hub::live::Joined;
use crate::hub::model::{Agent, Approval, Role, User};
use crate::hub::servers::{Question, Shown, Standing};
use crate::hub::shims::Met;
use crate::hub::store::StoreError;
use crate::hub::store::testing::{Fresh, every_store, sqlite};
use crate::hub::who::{Actor, Shim};
use crate::hub::{Hub, Settings};

/// When the tests begin.
pub(crate) const START: i64 = 1_800_000_000_000;

/// See the module.
pub(crate) struct Desk {
    pub(crate) hub: Hub,
    pub(super) clock: Clock,
    pub(super) admin: User,
    pub(crate) approver: User,
    pub(super) agent: Agent,
    pub(super) token: String,
    pub(crate) shim: Shim,
    pub(super) fresh: Fresh,
}

impl Desk {
    /// On SQLite.
    pub(super) async fn new() -> Self {
        Self::on(sqlite().await).await
    }

    /// On every kind of store.
    pub(crate) async fn everywhere() -> Vec<Self> {
        let mut desks = Vec::new();
        for fresh in every_store().await {
            desks.push(Self::on(fresh).await);
        }
        desks
    }

    /// On this one.
    pub(crate) async fn on(fresh: Fresh) -> Self {
        let clock = Clock::settable(START);
        let settings = Settings {
            base_url: Some("http://127.0.0.1:7420/".into()),
            new_server_threshold: Some(Level::High),
            ..Settings::default()
        };
        let hub = Hub::open(fresh.store.clone(), settings, clock.clone()).await.unwrap();
        let admin = hub.people.add_user("ada", Role::Admin, None, &Actor::Operator).await.unwrap();
        let approver = hub.people.add_user("bob", Role::Approver, None, &Actor::Operator).await.unwrap();
        let (agent, token) = hub.agents.add_agent("ci", Some("eve"), &Actor::Operator).await.unwrap();
        let shim = Shim {
            client_id: agent.client_id.clone(),
            agent_name: agent.name.clone(),
            instance: InstanceId::from("shim-1"),
            server: "github".into(),
            client: ClientInfo { name: "cursor".into(), version: "1".into() },
            claimed_user: None,
        };
        assert_eq!(hub.shims.meet(&shim, &["server".into()]).await.unwrap(), Met::Known);
        Self { hub, clock, admin, approver, agent, token, shim, fresh }
    }

    /// The same store, served by another hub, as after a restart.
    pub(super) async fn restarted(self) -> Self {
        self.served_with(Settings::default()).await
    }

    /// The same store, served by a hub with these settings.
    pub(super) async fn served_with(self, settings: Settings) -> Self {
        self.hub.shutdown().cancel();
        let store = crate::hub::store::Store::open(&self.fresh.url).await.unwrap();
        let hub = Hub::open(store, settings, self.clock.clone()).await.unwrap();
        Self { hub, ..self }
    }

    /// Whether several hubs may share its store.
    pub(super) fn is_on_postgres(&self) -> bool {
        self.hub.store.is_shared()
    }

    /// Runs SQL behind the hub's back.
    pub(super) async fn tamper(&self, sql: &str) {
        let sql = sql.to_owned();
        let work = self.hub.store.write(move |tx| {
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(tx.sql()).await?;
                Ok::<(), StoreError>(())
            })
        });
        work.await.unwrap();
    }

    /// On PostgreSQL: every change of an approval fails as where an administrator stops the database.
    pub(super) async fn stop_approvals(&self) {
        let stop = "create function stop() returns trigger language plpgsql as \
                    'begin raise exception ''stopped'' using errcode = ''57P01''; end'; \
                    create trigger stopped before insert or update on approvals execute function stop()";
        self.tamper(stop).await;
    }

    /// And no more.
    pub(super) async fn go_on_with_approvals(&self) {
        self.tamper("drop trigger stopped on approvals; drop function stop()").await;
    }

    /// The shim is connected from now on.
    pub(super) fn connect(&self) -> Joined {
        self.hub.live.join(&self.shim.client_id, &self.shim.instance, &self.shim.server)
    }

    /// The shim's connection is lost.
    pub(super) async fn lose(&self) {
        self.hub.shims.shim_lost(&self.shim, self.connect().number).await.unwrap();
    }

    /// How long an approval stays usable.
    pub(super) async fn grace(&self, id: &ApprovalId) -> Option<i64> {
        match self.hub.approvals.held(id).await.unwrap().unwrap().life {
            Life::Approved { grace_until, .. } => Some(grace_until),
            _ => None,
        }
    }

    /// A gated call with these arguments, as the shim would send it.
    pub(crate) fn request(&self, arguments: &str) -> Request {
        request(&self.shim, "delete_repo", arguments)
    }

    /// Registers a gated call.
    pub(crate) async fn hold(&self) -> Approval {
        self.hold_request(self.request("{\"repo\":\"a\"}")).await
    }

    /// Registers this call.
    pub(super) async fn hold_request(&self, request: Request) -> Approval {
        match self.hub.approvals.register(&self.shim, request, &Opinion::None).await.unwrap() {
            Registration::Held(held) => held.approval,
            other => panic!("not held: {other:?}"),
        }
    }

    /// The table a shim of the agent would get.
    pub(super) async fn table(&self) -> Table {
        self.table_of(&self.shim, &Shown::default()).await
    }

    /// The table of this shim, which was shown these definitions.
    pub(super) async fn table_of(&self, shim: &Shim, shown: &Shown) -> Table {
        let at = self.hub.store.versions().await.unwrap();
        let question = Question { agent: &shim.client_id, server: &shim.server, shown, now: self.hub.now() };
        match self.hub.servers.table(question, at).await.unwrap() {
            Standing::In(tabled) => tabled.told.table.clone(),
            Standing::Elsewhere | Standing::Gone | Standing::Unknown => panic!("the agent has no business here"),
        }
    }

    /// The request to release this approval's call.
    pub(super) async fn release_of(&self, id: &ApprovalId) -> Release {
        let held = self.hub.approvals.held(id).await.unwrap().unwrap();
        Release { approval: id.clone(), digest: held.digest }
    }

    /// How many rows the activity log has when this gets its turn between what else is written: who reads beside the
    /// writer is told late on a slow machine.
    pub(super) async fn logged_by_its_turn(&self) -> i64 {
        let count = self.hub.store.write(|tx| {
            Box::pin(async move {
                let count = sqlx::query_scalar("select count(*) from activity");
                Ok::<i64, StoreError>(count.fetch_one(tx.sql()).await?)
            })
        });
        count.await.unwrap()
    }

    /// The approval as it is now.
    pub(super) async fn now(&self, id: &ApprovalId) -> Approval {
        self.hub.approvals.approval(id).await.unwrap().unwrap()
    }
}

/// A fresh approval id.
pub(super) fn new_id() -> ApprovalId {
    ApprovalId(uuid::Uuid::now_v7().to_string())
}

/// A call as a shim would ask to hold it.
pub(crate) fn request(shim: &Shim, tool: &str, arguments: &str) -> Request {
    Request {
        id: new_id(),
        tool: tool.into(),
        arguments: arguments.into(),
        extra: None,
        definition: None,
        digest: call::digest(&call::Bound::plain(&shim.client_id, &shim.server, tool, None, arguments)),
        client: None,
    }
}

/// A tool's entry in `tools/list`.
pub(super) fn tool(name: &str, rest: &str) -> ToolDefinition {
    ToolDefinition { name: name.into(), definition: format!("{{\"name\":\"{name}\"{rest}}}") }
}

/// A whole list of tools.
pub(super) fn listed(items: Vec<ToolDefinition>) -> Tools {
    Tools { items, complete: true }
}
