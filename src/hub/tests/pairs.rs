//! Two hubs on one PostgreSQL store are one hub: to shims, to machines that come, and to people.

use std::collections::BTreeSet;

use super::desk::Desk;
use super::hand_off::hold_as;
use crate::PATIENCE;
use crate::core::approval::Status;
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::messages::{Cancel, Ungated};
use crate::core::weigh::Opinion;
use crate::hub::agents::{Claims, Confirmation, Enrolled};
use crate::hub::approvals::Registration;
use crate::hub::error::ChangeError;
use crate::hub::store::{BEAT_MS, Cost, Store, Word};
use crate::hub::who::{Actor, Shim};
use crate::hub::{Hub, Settings};

/// Two hubs on one PostgreSQL store.
async fn pairs() -> Vec<(Desk, Hub)> {
    let mut pairs = Vec::new();
    for desk in Desk::everywhere().await.into_iter().filter(|desk| desk.hub.store.is_shared()) {
        let store = Store::open(&desk.fresh.url).await.unwrap();
        let other = Hub::open(store, Settings::default(), desk.clock.clone()).await.unwrap();
        for hub in [&desk.hub, &other] {
            hub.store.beat(hub.now()).await.unwrap();
            hub.listen_at(desk.fresh.url.postgres().unwrap()).await.unwrap();
        }
        pairs.push((desk, other));
    }
    pairs
}

#[tokio::test]
async fn what_an_agent_makes_hubs_keep_is_bounded_whichever_it_goes_to() {
    for (desk, other) in pairs().await {
        let (agent, now) = (&desk.shim.client_id, desk.hub.now());
        let hubs = [&desk.hub, &other];
        for (cost, most) in [(Cost::KiB, 65_536), (Cost::Retry, 120), (Cost::Row, 20_000)] {
            let mut spent = 0;
            for n in 0.. {
                let (hub, amount) = (hubs[n % 2], most / 40);
                if hub.shims.budgets.spend_at(&hub.store, agent, cost, amount, now).await.unwrap().is_err() {
                    break;
                }
                spent += amount;
            }
            // What is left of a part that one of them took out is less than that part.
            assert!((most - most / 16 - most / 40..=most).contains(&spent), "{spent} of {most}");
        }
        let more = other.shims.budgets.spend_up_to_at(&other.store, agent, Cost::Row, 20_000, now).await.unwrap();
        let rest = desk.hub.shims.budgets.spend_up_to_at(&desk.hub.store, agent, Cost::Row, 20_000, now).await.unwrap();
        assert!(more + rest <= 20_000 / 16 + 20_000 / 40, "{more} and {rest}");
        let full = now + 65_536 * 60;
        let spend = |amount| other.shims.budgets.spend_at(&other.store, agent, Cost::KiB, amount, full);
        assert_eq!(spend(65_536).await.unwrap(), Ok(()), "all of it has come back");
        assert!(spend(1).await.unwrap().is_err_and(|at| at > full));
        let beside = desk.hub.shims.budgets.spend_at(&desk.hub.store, agent, Cost::KiB, 1, full).await.unwrap();
        assert!(beside.is_err(), "what was taken out before has come back to all");
        assert!(spend(i64::MAX / 1_000).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn arguments_that_one_hub_refuses_to_keep_the_other_refuses_too() {
    for (desk, other) in pairs().await {
        let agent = &desk.shim.client_id;
        desk.hub
            .shims
            .budgets
            .spend_at(&desk.hub.store, agent, Cost::KiB, 65_536, desk.hub.now())
            .await
            .unwrap()
            .unwrap();
        let refused = other.approvals.register(&desk.shim, desk.request("{\"repo\":\"b\"}"), &Opinion::None).await;
        assert!(matches!(refused.unwrap(), Registration::Busy(why) if why.contains("more than the hub keeps")));
    }
}

/// What this hub hears from now on.
struct Ears(tokio::task::JoinHandle<()>);

impl Ears {
    fn of(hub: &Hub) -> Self {
        let store = hub.store.clone();
        Self(tokio::spawn(async move { store.hear_others().await }))
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn soon<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wanted).await.expect(what)
}

/// The shim comes to this hub, and people may see it.
async fn comes(desk: &Desk, hub: &Hub, shim: &Shim) -> u64 {
    let number = hub.live.join(&shim.client_id, &shim.instance, &shim.server).number;
    hub.approvals.resume(shim, vec![]).await.unwrap();
    if hub.live.count(&shim.client_id, &shim.instance) {
        hub.shims.note_session(shim, "session.opened").await.unwrap();
    }
    assert_eq!(desk.shim.client_id, shim.client_id);
    number
}

#[tokio::test]
async fn a_machine_is_confirmed_at_a_hub_where_it_does_not_wait_and_its_token_is_in_no_store() {
    for (desk, other) in pairs().await {
        let _ears = Ears::of(&desk.hub);
        let claims =
            Claims { host: Some("laptop".into()), user: None, version: "1".into(), address: "10.0.0.1".into() };
        let waiting = desk.hub.agents.begin_enrolment(claims).await.unwrap().unwrap();
        let code = waiting.enrolment.code.clone();
        let shown = other.agents.enrolment(&code.to_lowercase()).await.unwrap().unwrap();
        assert_eq!((shown.claims.host.as_deref(), shown.expires_at), (Some("laptop"), waiting.enrolment.expires_at));
        let answer = tokio::spawn({
            let agents = desk.hub.agents.clone();
            async move { (agents.answer_to(&waiting).await.unwrap(), waiting) }
        });
        let yes = |name: &str| Confirmation { name: name.into(), user: None, servers: Some(vec!["github".into()]) };
        let taken = other.agents.confirm_enrolment(&code, yes("ci"), &Actor::Operator).await;
        assert!(matches!(taken, Err(ChangeError::Conflict(_))), "the code stays good: {taken:?}");
        let agent = other.agents.confirm_enrolment(&code, yes("mine"), &Actor::Operator).await.unwrap();
        let (answer, waiting) = soon("the machine has its answer", answer).await.unwrap();
        let Enrolled::Yes(told, token) = answer else { panic!("{answer:?}") };
        assert_eq!((&told.client_id, told.servers.as_deref()), (&agent.client_id, Some(&["github".to_owned()][..])));
        assert_eq!(other.agents.agent_of_token(&token).await.unwrap().unwrap().client_id, agent.client_id);
        let again = desk.hub.agents.confirm_enrolment(&code, yes("again"), &Actor::Operator).await;
        assert!(matches!(again, Err(ChangeError::NotFound(_))), "{again:?}");
        desk.hub.agents.end_enrolment(&waiting.enrolment.code, true).await.unwrap();
        assert!(desk.hub.agents.agent("mine").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_machine_that_is_refused_elsewhere_hears_it_and_one_whose_hub_is_gone_waits_no_more() {
    for (desk, other) in pairs().await {
        let _ears = Ears::of(&desk.hub);
        let claims = || Claims { host: None, user: None, version: "1".into(), address: "10.0.0.1".into() };
        let refused = desk.hub.agents.begin_enrolment(claims()).await.unwrap().unwrap();
        other.agents.refuse_enrolment(&refused.enrolment.code).await.unwrap();
        let answer = soon("an answer", desk.hub.agents.answer_to(&refused)).await.unwrap();
        assert!(matches!(answer, Enrolled::No), "{answer:?}");

        let left = desk.hub.agents.begin_enrolment(claims()).await.unwrap().unwrap();
        let lost = desk.hub.agents.begin_enrolment(claims()).await.unwrap().unwrap();
        let yes = Confirmation { name: "lost".into(), ..Confirmation::default() };
        other.agents.confirm_enrolment(&lost.enrolment.code, yes.clone(), &Actor::Operator).await.unwrap();
        // The hub where they wait is killed before it hands out the token.
        desk.clock.advance(60_000);
        other.store.beat(other.now()).await.unwrap();
        let yes = Confirmation { name: "left".into(), ..yes };
        let gone = other.agents.confirm_enrolment(&left.enrolment.code, yes, &Actor::Operator).await;
        assert!(matches!(gone, Err(ChangeError::NotFound(_))), "{gone:?}");
        assert!(other.agents.enrolment(&left.enrolment.code).await.unwrap().is_none());
        other.agents.sweep_enrolments().await.unwrap();
        assert!(other.agents.agent("lost").await.unwrap().is_none(), "nobody has its token");
    }
}

#[tokio::test]
async fn sessions_and_what_clients_start_without_one_are_seen_at_every_hub_for_as_long_as_they_are_there() {
    for (desk, other) in pairs().await {
        let _ears = Ears::of(&other);
        let sessions = async || other.servers.server("github").await.unwrap().unwrap().sessions;
        assert_eq!(sessions().await, 0);
        let here = comes(&desk, &desk.hub, &desk.shim).await;
        let second = Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() };
        comes(&desk, &other, &second).await;
        assert_eq!((sessions().await, other.servers.servers().await.unwrap()[0].sessions), (2, 2));
        assert_eq!(desk.hub.servers.server("github").await.unwrap().unwrap().sessions, 2);
        let removed = other.servers.remove_server("github", &Actor::Operator).await;
        assert!(matches!(removed, Err(ChangeError::Conflict(_))), "{removed:?}");

        let told = other.shims.ungated_news();
        let item = Ungated { client: "cursor".into(), server: "files".into() };
        let shim = (&desk.shim.client_id, &desk.shim.instance);
        let kept = desk.hub.live.tell_of(shim.0, shim.1, vec![item.clone()]);
        // Until the other one hears.
        soon("it is told", async {
            while !told.has_changed().unwrap() {
                desk.hub.store.tell_of_ungated(shim, &kept).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
        .await;
        let ungated = other.shims.ungated().await.unwrap();
        assert_eq!((ungated.len(), &ungated[0].server), (1, &item.server));

        // It goes to the other hub, and then away.
        desk.hub.live.leave(shim.0, shim.1, here);
        comes(&desk, &other, &desk.shim).await;
        assert_eq!((sessions().await, other.shims.ungated().await.unwrap().len()), (2, 0));
        other.live.leave(shim.0, shim.1, 2);
        other.approvals.gone(shim.0, shim.1).await.unwrap();
        assert_eq!(desk.hub.servers.server("github").await.unwrap().unwrap().sessions, 1);
        desk.clock.advance(5 * BEAT_MS);
        assert_eq!(desk.hub.servers.server("github").await.unwrap().unwrap().sessions, 0, "that hub is gone");
    }
}

#[tokio::test]
async fn what_is_kept_for_a_session_at_another_hub_is_for_no_other_while_that_one_is_there() {
    for (desk, other) in pairs().await {
        let here = comes(&desk, &desk.hub, &desk.shim).await;
        let kept = desk.hold().await;
        let cancel = Cancel { approval: kept.id.clone(), reason: "timed out".into(), keep: true };
        desk.hub.approvals.cancel(&desk.shim, cancel).await.unwrap();
        let second = Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() };
        let again = |desk: &Desk| desk.request("{\"repo\":\"a\"}");
        let (first, desk) = (desk.hub.clone(), Desk { hub: other.clone(), ..desk });
        let own = hold_as(&desk, &second, again(&desk)).await;
        assert_ne!(own.id, kept.id, "the first session may call again itself");
        other
            .approvals
            .cancel(&second, Cancel { approval: own.id, reason: "no more".into(), keep: false })
            .await
            .unwrap();
        let (client_id, instance) = (&desk.shim.client_id, &desk.shim.instance);
        first.live.leave(client_id, instance, here);
        first.approvals.gone(client_id, instance).await.unwrap();
        let joined = hold_as(&desk, &second, again(&desk)).await;
        assert_eq!((joined.id, joined.status), (kept.id, Status::Pending));
    }
}

#[tokio::test]
async fn a_word_reaches_hubs_on_the_same_store_alone() {
    let mut pairs = pairs().await;
    let Some((desk, other)) = pairs.pop() else { return };
    let apart = self::pairs().await.pop().unwrap();
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
    for (hub, name) in [(&other, "beside"), (&apart.0.hub, "apart")] {
        let tell = tell.clone();
        hub.store.bus().hear(move |word| tell.send((name, word.clone())).unwrap());
    }
    let (_beside, _apart) = (Ears::of(&other), Ears::of(&apart.0.hub));
    let look = |approval: &str| Word::Looking { user: "ada".into(), approval: Some(ApprovalId::from(approval)) };
    let both = async {
        let mut names = BTreeSet::new();
        while names.len() < 2 {
            let (name, word) = heard.recv().await.unwrap();
            assert_eq!(word, look(if name == "beside" { "a" } else { "b" }));
            names.insert(name);
        }
    };
    // Neither may listen yet, and what is not heard then never is.
    let again_and_again = async {
        loop {
            desk.hub.store.say(look("a")).await;
            apart.1.store.say(look("b")).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = soon("both hear", both) => {}
        () = again_and_again => {}
    }
}
