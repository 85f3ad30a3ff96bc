//! Taking servers off the hub.

use super::desk::{Desk, listed, tool};
use super::sessions::Served;
use crate::core::trust::Level;
use crate::hub::error::ChangeError;
use crate::hub::model::PolicyChange;
use crate::hub::store::{Store, StoreError};
use crate::hub::who::Actor;
use crate::hub::{Hub, Settings};
use crate::wire::ToHub;

#[tokio::test]
async fn a_server_goes_with_policy_and_tools_and_what_was_decided_stays() {
    for desk in Desk::everywhere().await {
        let (hub, admin) = (&desk.hub, Actor::from(&desk.admin));
        hub.servers.learn(&desk.shim, &listed(vec![tool("list_repos", "")])).await.unwrap();
        let bypass = PolicyChange {
            bypass: Some(vec![desk.agent.client_id.as_str().into()]),
            threshold: Some(Some(Level::Low)),
            ..PolicyChange::default()
        };
        hub.servers.change_policy("github", &admin, bypass).await.unwrap();
        hub.servers
            .change_policy("github", &admin, PolicyChange { bypass: Some(Vec::new()), ..Default::default() })
            .await
            .unwrap();
        let held = desk.hold().await;
        let refusal = hub.servers.remove_server("github", &admin).await.unwrap_err();
        assert!(matches!(&refusal, ChangeError::Conflict(why) if why.contains("wait")), "{refusal}");
        hub.approvals.reject(&held.id, &desk.approver, None).await.unwrap();
        let refusal = hub.servers.remove_server("github", &Actor::from(&desk.approver)).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::Forbidden));

        hub.servers.remove_server("github", &admin).await.unwrap();
        assert!(hub.servers.server("github").await.unwrap().is_none());
        let refusal = hub.servers.remove_server("github", &admin).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::NotFound(_)));
        assert_eq!(desk.now(&held.id).await.server, "github");
        let record = hub.store().audit(hub.store().last_seq() - 1, 1).await.unwrap().remove(0);
        assert_eq!((record.action.as_str(), record.subject.as_str()), ("server.removed", "github"));
        let detail: serde_json::Value = serde_json::from_str(&record.detail).unwrap();
        assert_eq!((&detail["policy"]["threshold"], &detail["tools"]), (&"low".into(), &1.into()));

        // Who comes again finds a new server.
        hub.shims.meet(&desk.shim, &[]).await.unwrap();
        let server = hub.servers.server("github").await.unwrap().unwrap();
        assert_eq!((server.policy.threshold, server.tools.len()), (Some(Level::High), 0));
    }
}

#[tokio::test]
async fn a_server_with_a_shim_in_front_of_it_stays_until_that_is_gone() {
    let hub = Served::new().await;
    let admin = Actor::from(&hub.desk.admin);
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    let refusal = hub.desk.hub.servers.remove_server("github", &admin).await.unwrap_err();
    assert!(matches!(&refusal, ChangeError::Conflict(why) if why.contains("connected")), "{refusal}");
    wire.say(&ToHub::Bye).await;
    assert_eq!(wire.hear_end().await, 1000);
    hub.desk.hub.servers.remove_server("github", &admin).await.unwrap();
}

#[tokio::test]
async fn a_shim_whose_server_was_removed_beside_it_is_asked_to_come_again() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
        let store = Store::open(&hub.desk.fresh.url).await.unwrap();
        let other = Hub::open(store, Settings::default(), hub.desk.clock.clone()).await.unwrap();
        let admin = Actor::from(&hub.desk.admin);
        let remove = || other.servers.remove_server("github", &admin);
        if other.store.is_shared() {
            let refusal = remove().await.unwrap_err();
            assert!(matches!(&refusal, ChangeError::Conflict(why) if why.contains("connected")), "{refusal}");
            // As if its hub had not been seen for long.
            let work = other.store.write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from instances").execute(tx.sql()).await?;
                    Ok::<(), StoreError>(())
                })
            });
            work.await.unwrap();
        }
        remove().await.unwrap();
        assert_eq!(wire.hear_end().await, 1012);
        hub.shim("shim-1", Vec::new()).await;
        assert!(hub.desk.hub.servers.server("github").await.unwrap().is_some());
    }
}
