//! Several hubs on one PostgreSQL store: none ends what another one's shims hold, and what a hub held that is gone ends.

use super::desk::Desk;
use super::releases::in_background;
use crate::PATIENCE;
use crate::core::approval::Status;
use crate::core::ids::{ApprovalId, InstanceId};
use crate::hub::store::{BEAT_MS, Store};
use crate::hub::who::{Actor, Shim};
use crate::hub::{Hub, Settings};

/// So many beats are longer than a hub may be silent and its shim away, and shorter than a call may be pending.
const BEATS: usize = 12;

/// A second hub on the same store, with everything that it does by itself.
async fn second(desk: Desk) -> (Hub, Desk) {
    let store = Store::open(&desk.fresh.url).await.unwrap();
    let other = Hub::open(store, Settings::default(), desk.clock.clone()).await.unwrap();
    let first = desk.hub.clone();
    let desk = Desk { hub: other, ..desk };
    in_background(&desk);
    (first, desk)
}

/// The second hub has done all that was due by now.
async fn swept(desk: &Desk) {
    let sql = "select seen_at from hubs where id = $1";
    let done = async {
        loop {
            let query = sqlx::query_scalar::<_, i64>(sql).bind(desk.hub.store.id().to_owned());
            if query.fetch_optional(desk.hub.store.read()).await.unwrap() == Some(desk.hub.now()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.unwrap();
}

/// Time goes on, with this hub showing itself or not, until the call is what it is to be; whether that came.
async fn in_time(desk: &Desk, shown: Option<&Hub>, id: &ApprovalId, status: Status) -> bool {
    for _ in 0..BEATS {
        desk.clock.advance(BEAT_MS);
        if let Some(hub) = shown {
            hub.store.beat(hub.now()).await.unwrap();
        }
        swept(desk).await;
        if desk.now(id).await.status == status {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_hub_that_starts_ends_only_what_shims_of_no_living_hub_hold() {
    for desk in Desk::everywhere().await.into_iter().filter(|desk| desk.hub.store.is_shared()) {
        desk.hub.store.beat(desk.hub.now()).await.unwrap();
        desk.hub.approvals.resume(&desk.shim, vec![]).await.unwrap();
        let held = desk.hold().await;
        let gone = Shim { instance: InstanceId::from("of a hub that is gone"), ..desk.shim.clone() };
        let desk = Desk { shim: gone, ..desk };
        let lost = desk.hold().await;
        let (first, desk) = second(desk).await;
        assert!(in_time(&desk, Some(&first), &lost.id, Status::Cancelled).await);
        assert_eq!(desk.now(&held.id).await.status, Status::Pending);
        assert!(in_time(&desk, None, &held.id, Status::Cancelled).await, "the first hub is not seen any more");
    }
}

#[tokio::test]
async fn a_shim_that_went_to_another_hub_is_not_given_up_by_the_one_it_left() {
    for desk in Desk::everywhere().await.into_iter().filter(|desk| desk.hub.store.is_shared()) {
        let (first, desk) = second(desk).await;
        first.store.beat(first.now()).await.unwrap();
        desk.hub.approvals.resume(&desk.shim, vec![]).await.unwrap();
        let held = desk.hold().await;
        desk.lose().await;
        first.approvals.resume(&desk.shim, vec![held.id.clone()]).await.unwrap();
        assert!(!in_time(&desk, Some(&first), &held.id, Status::Cancelled).await);
    }
}

#[tokio::test]
async fn what_another_hub_records_is_heard_with_its_commit() {
    for desk in Desk::everywhere().await {
        let Some(url) = desk.fresh.url.postgres() else { continue };
        desk.hub.store.listen_at(url).await.unwrap();
        let hearing = tokio::spawn({
            let store = desk.hub.store.clone();
            async move { store.hear_others().await }
        });
        let other = Store::open(&desk.fresh.url).await.unwrap();
        let other = Hub::open(other, Settings::default(), desk.clock.clone()).await.unwrap();
        let mut newest = desk.hub.store.subscribe();
        // The first may be found as listening begins; the second is heard, long before anybody looks again.
        for name in ["first", "second"] {
            other.agents.add_agent(name, None, &Actor::Operator).await.unwrap();
            let there = other.store.last_seq();
            let heard = newest.wait_for(|newest| *newest >= there);
            tokio::time::timeout(PATIENCE, heard).await.expect(name).unwrap();
        }
        hearing.abort();
    }
}
