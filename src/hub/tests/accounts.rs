//! People, agents, links, tokens and browser sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::desk::{Desk, listed, request, tool};
use crate::core::approval::Status;
use crate::core::ids::{ClientId, Digest};
use crate::core::policy::Verdict;
use crate::core::trust::Level;
use crate::core::weigh::Opinion;
use crate::hub::agents::AgentChange;
use crate::hub::approvals::Registration;
use crate::hub::error::ChangeError;
use crate::hub::live::Cut;
use crate::hub::model::{PolicyChange, Role, ToolChange};
use crate::hub::people::{Halves, LinkKind, UserChange};
use crate::hub::shims::Met;
use crate::hub::store::hashed;
use crate::hub::who::{Actor, Shim, Via};

#[tokio::test]
async fn only_the_right_password_signs_in_and_only_who_has_one() {
    for desk in Desk::everywhere().await {
        let hub = &desk.hub;
        hub.people.set_password("ada", "correct horse", &Actor::Operator).await.unwrap();
        assert_eq!(hub.people.verify_password("ada", "correct horse").await.unwrap(), Some(desk.admin.clone()));
        for (name, password) in [("ada", "correct horsf"), ("bob", ""), ("bob", "correct horse"), ("zoe", "x")] {
            assert_eq!(hub.people.verify_password(name, password).await.unwrap(), None, "{name}");
        }
        let refusal = hub.people.set_password("ada", "short", &Actor::Operator).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::Invalid(_)));
    }
}

#[tokio::test]
async fn people_change_their_own_password_and_only_administrators_others() {
    let desk = Desk::new().await;
    let bob = Actor::from(&desk.approver);
    desk.hub.people.change_own_password(&desk.approver, None, "bobs own words").await.unwrap();
    for wrong in [None, Some("bobs old words")] {
        let refusal = desk.hub.people.change_own_password(&desk.approver, wrong, "anybodys words").await.unwrap_err();
        assert!(matches!(refusal, ChangeError::WrongPassword(_)), "{wrong:?}: {refusal}");
    }
    let (old, new) = (Some("bobs own words"), "bobs new words");
    desk.hub.people.change_own_password(&desk.approver, old, new).await.unwrap();
    assert_eq!(desk.hub.people.verify_password("bob", new).await.unwrap(), Some(desk.approver.clone()));
    let refusal = desk.hub.people.set_password("ada", "bobs own words", &bob).await.unwrap_err();
    assert!(matches!(refusal, ChangeError::Forbidden));
}

#[tokio::test]
async fn only_administrators_change_policy_agents_and_users() {
    let desk = Desk::new().await;
    let bob = Actor::from(&desk.approver);
    let hub = &desk.hub;
    let refusals = [
        hub.servers.change_policy("github", &bob, PolicyChange::default()).await.err(),
        hub.servers.change_tool("github", "x", &bob, ToolChange::default()).await.err(),
        hub.people.add_user("carl", Role::Admin, None, &bob).await.err(),
        hub.people.change_user("bob", UserChange { role: Some(Role::Admin), ceilings: None }, &bob).await.err(),
        hub.people.remove_user("ada", &bob).await.err(),
        hub.agents.add_agent("mine", None, &bob).await.err(),
        hub.agents.change_agent(&desk.agent.client_id, AgentChange::default(), &bob).await.err(),
        hub.agents.revoke_agent("ci", &bob).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Some(ChangeError::Forbidden)), "{refusal:?}");
    }
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let desk = Desk::new().await;
    let down = UserChange { role: Some(Role::Viewer), ceilings: None };
    let refusals = [
        desk.hub.people.remove_user("ada", &Actor::Operator).await.err(),
        desk.hub.people.change_user("ada", down, &Actor::Operator).await.err(),
    ];
    assert!(refusals.iter().all(|refusal| matches!(refusal, Some(ChangeError::Conflict(_)))), "{refusals:?}");
}

#[tokio::test]
async fn names_are_unique_and_none_passes_for_another_kind() {
    let desk = Desk::new().await;
    for name in ["", " ada", "hub", "operator", "agent-1", "a\u{202e}b", "a\nb"] {
        let refusal = desk.hub.people.add_user(name, Role::Viewer, None, &Actor::Operator).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::Invalid(_)), "{name:?}");
    }
    let refusal = desk.hub.people.add_user("ada", Role::Viewer, None, &Actor::Operator).await.unwrap_err();
    assert!(matches!(refusal, ChangeError::Conflict(_)));
    let refusal = desk.hub.agents.add_agent("ci", None, &Actor::Operator).await.unwrap_err();
    assert!(matches!(refusal, ChangeError::Conflict(_)));
}

#[tokio::test]
async fn a_sign_in_link_works_once_and_for_ten_minutes() {
    for desk in Desk::everywhere().await {
        let code = desk.hub.people.mint_link(LinkKind::SignIn("ada".into())).await.unwrap();
        assert_eq!(desk.hub.people.redeem_link(&code).await.unwrap(), Some(desk.admin.clone()));
        assert_eq!(desk.hub.people.redeem_link(&code).await.unwrap(), None);
        let late = desk.hub.people.mint_link(LinkKind::SignIn("ada".into())).await.unwrap();
        desk.clock.advance(600_000);
        assert_eq!(desk.hub.people.redeem_link(&late).await.unwrap(), None);
        assert_eq!(desk.hub.people.redeem_link("").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_set_up_link_makes_the_first_administrator_and_is_void_once_there_is_one() {
    let desk = Desk::new().await;
    let void = desk.hub.people.mint_link(LinkKind::SetUp("root".into())).await.unwrap();
    assert_eq!(desk.hub.people.redeem_link(&void).await.unwrap(), None);
    desk.hub
        .store
        .write(|tx| {
            Box::pin(async move {
                sqlx::query("delete from users").execute(tx.sql()).await?;
                Ok::<(), crate::hub::store::StoreError>(())
            })
        })
        .await
        .unwrap();
    let older = desk.hub.people.mint_link(LinkKind::SetUp("root".into())).await.unwrap();
    let code = desk.hub.people.mint_link(LinkKind::SetUp("root".into())).await.unwrap();
    assert_eq!(desk.hub.people.redeem_link(&older).await.unwrap(), None, "a newer link replaces the older");
    assert_eq!(desk.hub.people.redeem_link(&code).await.unwrap().map(|user| user.role), Some(Role::Admin));
    assert_eq!(desk.hub.people.redeem_link(&code).await.unwrap(), None);
}

#[tokio::test]
async fn a_set_up_link_stays_good_until_there_is_an_administrator() {
    let desk = Desk::new().await;
    let only_an_approver = "delete from users where role = 'admin'";
    let write = |tx: &'static str| {
        desk.hub.store.write(move |store| {
            Box::pin(async move {
                sqlx::query(tx).execute(store.sql()).await?;
                Ok::<(), crate::hub::store::StoreError>(())
            })
        })
    };
    write(only_an_approver).await.unwrap();
    let code = desk.hub.people.mint_link(LinkKind::SetUp("root".into())).await.unwrap();
    let first = desk.hub.people.redeem_link(&code).await.unwrap().expect("an approver does not void it");
    assert_eq!((first.name.as_str(), first.role), ("root", Role::Admin));

    write(only_an_approver).await.unwrap();
    let code = desk.hub.people.mint_link(LinkKind::SetUp("bob".into())).await.unwrap();
    let beside_bob = desk.hub.people.redeem_link(&code).await.unwrap().expect("another name");
    assert_eq!((beside_bob.name.as_str(), beside_bob.role), ("admin", Role::Admin));
    assert_eq!(desk.hub.people.user("bob").await.unwrap().map(|bob| bob.role), Some(Role::Approver));

    write(only_an_approver).await.unwrap();
    let code = desk.hub.people.mint_link(LinkKind::SetUp("bob".into())).await.unwrap();
    desk.hub.people.remove_user("bob", &Actor::Operator).await.unwrap();
    assert_eq!(desk.hub.people.redeem_link(&code).await.unwrap().map(|user| user.name).as_deref(), Some("bob"));
}

#[tokio::test]
async fn tokens_open_only_what_they_are_for_and_die_in_time() {
    for desk in Desk::everywhere().await {
        let hub = &desk.hub;
        let token = hub.people.mint_command_token(Some("bob"), Duration::from_secs(60)).await.unwrap();
        assert!(token.starts_with("hitl_u_") && desk.token.starts_with("hitl_a_"));
        assert_eq!(hub.people.user_of_token(&token).await.unwrap(), Some((desk.approver.clone(), Via::Cli)));
        assert!(hub.agents.agent_of_token(&token).await.unwrap().is_none());
        assert!(hub.people.user_of_token(&desk.token).await.unwrap().is_none());
        assert_eq!(hub.agents.agent_of_token(&desk.token).await.unwrap().unwrap().name, "ci");
        desk.clock.advance(60_000);
        assert_eq!(hub.people.user_of_token(&token).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_revoked_agent_is_cut_its_calls_cancelled_and_its_name_free_again() {
    for desk in Desk::everywhere().await {
        let joined = desk.connect();
        let held = desk.hold().await;
        desk.hub.agents.revoke_agent("ci", &Actor::from(&desk.admin)).await.unwrap();
        assert_eq!(*joined.cut.borrow(), Some(Cut::Revoked));
        let after = desk.now(&held.id).await;
        assert_eq!((after.status, after.reason.as_deref()), (Status::Cancelled, Some("the agent was revoked")));
        assert!(desk.hub.agents.agent_of_token(&desk.token).await.unwrap().is_none());
        let registration = desk.hub.approvals.register(&desk.shim, desk.request("{}"), &Opinion::None).await.unwrap();
        assert!(matches!(registration, Registration::Ruled(ruling) if ruling.verdict == Verdict::Deny));
        let (again, _) = desk.hub.agents.add_agent("ci", None, &Actor::Operator).await.unwrap();
        assert_ne!(again.client_id, desk.agent.client_id);
    }
}

#[tokio::test]
async fn the_lower_of_agents_trust_and_users_ceiling_counts() {
    for desk in Desk::everywhere().await {
        let hub = &desk.hub;
        hub.servers.learn(&desk.shim, &listed(vec![tool("create_file", "")])).await.unwrap();
        let verdict = || async { desk.table().await.ruling("create_file").verdict };
        assert_eq!(verdict().await, Verdict::Pass);
        let low = Some(BTreeMap::from([("github".to_owned(), Level::Low)]));
        let change = AgentChange { user: Some(Some("bob".into())), ..AgentChange::default() };
        hub.agents.change_agent(&desk.agent.client_id, change, &Actor::Operator).await.unwrap();
        let change = UserChange { role: None, ceilings: low.clone() };
        hub.people.change_user("bob", change, &Actor::Operator).await.unwrap();
        assert_eq!(verdict().await, Verdict::Deny);
        hub.people.remove_user("bob", &Actor::Operator).await.unwrap();
        assert_eq!(verdict().await, Verdict::Deny, "the ceiling outlives its user");
        hub.people.add_user("bob", Role::Approver, None, &Actor::Operator).await.unwrap();
        let none = AgentChange { trust: Some(BTreeMap::new()), ..AgentChange::default() };
        hub.agents.change_agent(&desk.agent.client_id, none, &Actor::Operator).await.unwrap();
        let none = UserChange { role: None, ceilings: Some(BTreeMap::new()) };
        hub.people.change_user("bob", none, &Actor::Operator).await.unwrap();
        assert_eq!(verdict().await, Verdict::Pass);
        let change = AgentChange { trust: low, ..AgentChange::default() };
        hub.agents.change_agent(&desk.agent.client_id, change, &Actor::Operator).await.unwrap();
        assert_eq!(verdict().await, Verdict::Deny);
    }
}

#[tokio::test]
async fn policy_changes_keep_what_is_left_out_and_refuse_nonsense() {
    for desk in Desk::everywhere().await {
        let admin = Actor::from(&desk.admin);
        let change = |text: &str| serde_json::from_str::<PolicyChange>(text).unwrap();
        let hub = &desk.hub;
        let bypass = change("{\"bypass\":[\"agent-x\"],\"timeout_seconds\":60}");
        hub.servers.change_policy("github", &admin, bypass).await.unwrap();
        let server = hub.servers.change_policy("github", &admin, change("{\"threshold\":null}")).await.unwrap();
        assert_eq!((server.policy.threshold, server.policy.timeout_seconds), (None, 60));
        assert_eq!(server.policy.bypass, [ClientId::from("agent-x")]);
        for (nonsense, wrong) in [
            (r#"{"timeout_seconds":4}"#, "timeout_seconds"),
            (r#"{"timeout_seconds":3601}"#, "timeout_seconds"),
            (r#"{"rules":[{}]}"#, "rules[0]"),
            (r#"{"rules":[{"effect":"gate"},{"effect":"gate"}]}"#, "rules[1]"),
            (r#"{"bypass":["a\u0007b"]}"#, "bypass[0]"),
            (r#"{"bypass":["a",{"client_id":"a"}]}"#, "bypass[1]"),
            (r#"{"bypass":[{"client_id":"a","expires_at":1}]}"#, "bypass[0].expires_at"),
            (r#"{"bypass":[{"client":"a"}]}"#, "bypass[0]"),
        ] {
            let refusal = hub.servers.change_policy("github", &admin, change(nonsense)).await.unwrap_err();
            assert!(matches!(refusal, ChangeError::Fault { place, .. } if place == wrong), "{nonsense}");
        }
        let refusal = hub.servers.change_policy("nowhere", &admin, PolicyChange::default()).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::NotFound(_)));
    }
}

#[tokio::test]
async fn a_tools_own_settings_are_kept_when_its_server_lists_it_again() {
    for desk in Desk::everywhere().await {
        let hub = &desk.hub;
        let hinted = tool("list_all", ",\"description\":\"Lists\",\"annotations\":{\"destructiveHint\":true}");
        hub.servers.learn(&desk.shim, &listed(vec![hinted])).await.unwrap();
        let change = ToolChange { hitl: Some(true), reason: Some(Some("ask first".into())), ..ToolChange::default() };
        let changed = hub.servers.change_tool("github", "list_all", &Actor::from(&desk.admin), change).await.unwrap();
        assert_eq!((changed.trust, changed.hitl), (Level::High, true));
        hub.servers
            .learn(&desk.shim, &listed(vec![tool("list_all", ",\"description\":\"Lists more\"")]))
            .await
            .unwrap();
        let looked_at = crate::core::call::definition(&tool("list_all", ",\"description\":\"Lists more\"").definition);
        hub.servers.accept_tool("github", "list_all", looked_at, &Actor::from(&desk.admin)).await.unwrap();
        let listed = &hub.servers.server("github").await.unwrap().unwrap().tools[0];
        assert_eq!((listed.hitl, listed.reason.as_deref()), (true, Some("ask first")));
        assert_eq!(listed.description.as_deref(), Some("Lists more"));
        assert_eq!(listed.trust, Level::High, "a hint that is withdrawn lowers nothing");
        let change = ToolChange { trust: Some(Some(Level::Low)), hitl: Some(false), reason: Some(None), varies: None };
        let changed = hub.servers.change_tool("github", "list_all", &Actor::from(&desk.admin), change).await.unwrap();
        assert_eq!((changed.trust, changed.hitl, changed.reason), (Level::Low, false, None));
        let registration =
            hub.approvals.register(&desk.shim, request(&desk.shim, "list_all", "{}"), &Opinion::None).await.unwrap();
        assert!(matches!(registration, Registration::Ruled(ruling) if ruling.verdict == Verdict::Pass));
    }
}

async fn session_of(desk: &Desk, user: &str) -> Halves {
    desk.hub.people.begin_session(user, None, IpAddr::from([127, 0, 0, 1]), None).await.unwrap()
}

#[tokio::test]
async fn a_browser_session_ends_with_its_user_and_does_not_come_back() {
    for desk in Desk::everywhere().await {
        let people = &desk.hub.people;
        let bob = session_of(&desk, "bob").await;
        let mut session = people.session_of_cookie(&bob.cookie).await.unwrap().unwrap();
        assert_eq!((session.user.as_str(), &session.stay.half), ("bob", &Digest::of(bob.header.as_bytes())));
        people.set_password("bob", "a new password", &Actor::Operator).await.unwrap();
        assert!(people.session_of_cookie(&bob.cookie).await.unwrap().is_none());
        session.stay.noted = 0;
        assert!(!people.note_session(session).await.unwrap());
        assert!(people.session_of_cookie(&bob.cookie).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_session_that_begins_ends_the_one_whose_cookie_came_along_and_no_other() {
    for desk in Desk::everywhere().await {
        let people = &desk.hub.people;
        let (old, other) = (session_of(&desk, "bob").await, session_of(&desk, "bob").await);
        let address = IpAddr::from([127, 0, 0, 1]);
        let new = people.begin_session("bob", Some(&old.cookie), address, None).await.unwrap();
        assert!(people.session_of_cookie(&old.cookie).await.unwrap().is_none());
        let mut left: Vec<_> = people.sessions_of("bob").await.unwrap().into_iter().map(|session| session.id).collect();
        let mut expected = [hashed(&other.cookie), hashed(&new.cookie)];
        left.sort();
        expected.sort();
        assert_eq!(left, expected);
        assert!(!people.end_session("alice", &left[0]).await.unwrap(), "it is somebody else's");
        assert!(people.end_session("bob", &left[0]).await.unwrap());
        assert_eq!(people.sessions_of("bob").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn who_reads_the_store_cannot_take_a_browser_session_over() {
    for desk in Desk::everywhere().await {
        let halves = session_of(&desk, "bob").await;
        let rows: Vec<(String, String)> =
            sqlx::query_as("select id, data from browser_sessions").fetch_all(desk.hub.store().read()).await.unwrap();
        let [(id, data)] = rows.as_slice() else { panic!("one session: {rows:?}") };
        for stored in [id, data] {
            assert!(!stored.contains(&halves.cookie) && !stored.contains(&halves.header), "{stored}");
        }
        assert!(desk.hub.people.session_of_cookie(id).await.unwrap().is_none(), "what is stored opens nothing");
    }
}

#[tokio::test]
async fn a_new_password_or_a_removal_closes_every_other_way_in() {
    for desk in Desk::everywhere().await {
        let (hub, operator) = (&desk.hub, &Actor::Operator);
        for (name, removed) in [("dora", false), ("eve", true)] {
            let other = hub.people.mint_link(LinkKind::SignIn("bob".into())).await.unwrap();
            hub.people.add_user(name, Role::Admin, None, operator).await.unwrap();
            let link = hub.people.mint_link(LinkKind::SignIn(name.into())).await.unwrap();
            let (_, token) = hub.people.add_user_token(name, Duration::from_secs(3_600), operator).await.unwrap();
            if removed {
                hub.people.remove_user(name, operator).await.unwrap();
                hub.people.add_user(name, Role::Viewer, None, operator).await.unwrap();
            } else {
                hub.people.set_password(name, "a new password", operator).await.unwrap();
            }
            assert_eq!(hub.people.redeem_link(&link).await.unwrap(), None, "{name}'s link");
            assert_eq!(
                hub.people.user_of_token(&token).await.unwrap().map(|(user, _)| user.name),
                None,
                "{name}'s token"
            );
            assert!(hub.people.redeem_link(&other).await.unwrap().is_some(), "nobody else's");
        }
    }
}

#[tokio::test]
async fn a_name_that_can_be_taken_for_another_is_refused_and_that_one_is_named() {
    for desk in Desk::everywhere().await {
        let (hub, by) = (&desk.hub, Actor::from(&desk.admin));
        hub.people.add_user("marina", Role::Viewer, None, &by).await.unwrap();
        let error = hub.people.add_user("rnarina", Role::Admin, None, &by).await.unwrap_err().to_string();
        assert_eq!(error, "the name rnarina can be taken for that of the user marina; choose one that cannot");
        hub.people.add_user("marina2", Role::Viewer, None, &by).await.unwrap();

        hub.agents.add_agent("ci-l", None, &by).await.unwrap();
        let error = hub.agents.add_agent("ci-1", None, &by).await.unwrap_err().to_string();
        assert_eq!(error, "the name ci-1 can be taken for that of the agent ci-l; choose one that cannot");
        let (agent, _) = hub.agents.add_agent("ci-2", None, &by).await.unwrap();
        let named = |name: &str| AgentChange { name: Some(name.to_owned()), ..AgentChange::default() };
        assert!(hub.agents.change_agent(&agent.client_id, named("CI-L"), &by).await.is_err());
        hub.agents.change_agent(&agent.client_id, named("Ci-2"), &by).await.unwrap();

        let server = |name: &str| Shim { server: name.to_owned(), ..desk.shim.clone() };
        assert_eq!(hub.shims.meet(&server("filesystem"), &[]).await.unwrap(), Met::Known);
        let Met::Refused(why) = hub.shims.meet(&server("fiIesystem"), &[]).await.unwrap() else { panic!("no end") };
        assert!(why.contains("taken for that of filesystem") && why.len() <= 123, "{why}");
        let long = "\u{444}".repeat(128);
        assert_eq!(hub.shims.meet(&server(&long), &[]).await.unwrap(), Met::Known);
        let Met::Refused(why) = hub.shims.meet(&server(&long.to_uppercase()), &[]).await.unwrap() else { panic!() };
        assert!(why.is_ascii() && why.len() <= 120, "{why}");
    }
}
