//! Notifications over real sockets: an HTTP receiver on this machine, and time in the test's hands.

mod browsers;
mod burst;
mod channels;
mod delivering;
mod push;
mod receiver;
mod shapes;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::desk::Desk;
use crate::PATIENCE;
use crate::core::messages::Request;
use crate::hub::Hub;
use crate::hub::error::ChangeError;
use crate::hub::notify::{Changed, State, View};
use crate::hub::who::Actor;

/// An endpoint that hangs costs the tests so much.
const TIMEOUT: Duration = Duration::from_millis(300);

impl Desk {
    /// Sends from now on. An endpoint that answers may take its time: on this clock nothing is tried again by itself.
    fn courier(&self) {
        courier(&self.hub, PATIENCE);
    }

    /// The same with little patience, where an endpoint hangs.
    fn impatient_courier(&self) {
        courier(&self.hub, TIMEOUT);
    }

    /// Sets the page's channels.
    async fn set(&self, channels: Value) -> Changed {
        self.try_set(channels).await.unwrap()
    }

    async fn try_set(&self, channels: Value) -> Result<Changed, ChangeError> {
        let change = serde_json::from_value(json!({ "channels": channels })).unwrap();
        self.hub.notify.change_notifications(change, &Actor::User(self.admin.clone())).await
    }

    async fn channel(&self, id: &str) -> View {
        let (channels, _) = self.hub.notify.notifications().await.unwrap();
        channels.into_iter().find(|channel| channel.id == id).expect("the channel is there")
    }

    /// Waits until a channel's state is so.
    async fn state(&self, id: &str, what: &str, is_so: impl Fn(&State) -> bool) -> State {
        eventually(what, || async {
            let state = self.channel(id).await.state;
            if is_so(&state) { Ok(state) } else { Err(format!("{state:?}")) }
        })
        .await
    }

    /// Gives the agent and its user a name that no administrator may give, as an older store may hold.
    async fn rename_agent(&self, name: &str) {
        let name = name.to_owned();
        let rename = "update agents set name = $1, user_name = $1";
        self.hub
            .store
            .write(move |tx| {
                Box::pin(async move {
                    Ok::<(), crate::hub::store::StoreError>(
                        sqlx::query(rename).bind(name).execute(tx.sql()).await.map(drop)?,
                    )
                })
            })
            .await
            .unwrap();
    }

    /// Registers a call of this tool.
    async fn hold_tool(&self, tool: &str) -> crate::hub::model::Approval {
        let request: Request = super::desk::request(&self.shim, tool, "{\"secret\":\"of the arguments\"}");
        self.hold_request(request).await
    }
}

fn courier(hub: &Hub, patience: Duration) {
    let hub = hub.clone();
    tokio::spawn(async move { hub.notify.run_within(patience).await });
}

/// Waits until `look` sees it; what it saw instead last goes into the failure.
async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) => assert!(Instant::now() < deadline, "waited for {what}, and last saw {instead}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A webhook to this address, for tests.
fn webhook(id: &str, url: &str) -> Value {
    json!({ "id": id, "kind": "webhook", "settings": { "url": url, "allow_private": true } })
}

/// A Slack channel at this address, for tests.
fn slack(id: &str, url: &str) -> Value {
    json!({ "id": id, "kind": "slack", "settings": { "url": url, "allow_private": true } })
}
