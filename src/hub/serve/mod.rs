//! Serving: from a data dir and an address to a running hub, and back.
//!
//! [`serve`] is the part that tests use: the caller brings the socket and stops it through the hub's shutdown token.
//! [`run`] is the part for people: lock, files, signals, and the lines on stderr.

mod callers;
mod ending;
mod files;
mod listening;
mod local;
mod memory;
mod metered;
mod slices;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;

use self::callers::Callers;
use self::ending::Ending;
pub use self::ending::ask_to_end;
pub use self::files::{DataDir, Published};
use self::files::{Lock, RESTORE};
pub use self::local::first_admin;
use self::metered::MeterAcceptor;
pub use self::slices::short as short_slices;
use super::api::{Api, Site, own_url};
use super::clock::Clock;
use super::notify;
use super::store::{MarkFile, Store};
use super::{Hub, Settings as HubSettings};
use crate::config::hub::Settings;
use crate::hub::people::LinkKind;
use crate::hub::servers::DecisionPoint;

/// A client that does not finish its request's head in this time is cut off, and one that makes no other request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A peer that speaks HTTP/2 and does not answer for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(20);
/// Answers under way get so long to finish when the hub stops, and the store to write what is left.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// Answers requests until the hub's shutdown token is cancelled, then lets answers under way finish.
pub async fn serve(hub: Hub, site: Site, listener: TcpListener, tls: Option<RustlsConfig>) -> io::Result<()> {
    let (stop, handle) = (hub.shutdown(), Handle::<SocketAddr>::new());
    memory::give_back();
    let (room, behind_proxy) = (callers::make_room(), site.is_behind_proxy());
    let identity = hub.store().identity().await.map_err(io::Error::other)?;
    let app = Api::new(hub, site, identity).router().into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::Server::from_listener(listener).handle(handle.clone());
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let http2 = &mut server.http_builder().http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(GONE_AFTER).keep_alive_timeout(GONE_AFTER);
    let serving = async {
        match tls {
            Some(config) => {
                let acceptor = RustlsAcceptor::new(config).acceptor(MeterAcceptor);
                server.acceptor(Callers::new(acceptor, room, behind_proxy)).serve(app).await
            }
            None => server.acceptor(Callers::new(MeterAcceptor, room, behind_proxy)).serve(app).await,
        }
    };
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        () = stop.cancelled() => {
            handle.graceful_shutdown(Some(STOP_GRACE));
            serving.await
        }
    }
}

/// `hitl-hub serve`: the whole life of a hub, until a signal ends it.
///
/// `accept_rollback`: a store that was set back, or lost, is served all the same.
pub async fn run(settings: Settings, local: bool, accept_rollback: bool) -> anyhow::Result<()> {
    notify::check_file(&settings.notify).map_err(anyhow::Error::msg)?;
    let dir = DataDir::open(&settings.data_dir)?;
    if !accept_rollback {
        dir.refuse_lost_store(&settings.database)?;
    }
    let _locks = Lock::of_hub(&dir, &settings.database)?;
    dir.forget_urls();
    let tls = load_tls(&settings).await?;
    let listener = listening::bind(&settings, local)?;
    let addr = listener.local_addr().context("cannot read the address listened on")?;
    let site = Site::new(&settings, addr, local);
    let hub = open_hub_as_it_is(&settings, Some(site.base_url.clone())).await?;
    if !accept_rollback {
        refuse_set_back(&hub)?;
    }
    if let Some(url) = settings.listen_database.as_ref().unwrap_or(&settings.database).postgres() {
        hub.listen_at(url).await?;
    }
    hub.approvals.accept_rollback().await?;
    hub.notify.use_channels_of_file(settings.notify.clone()).await?;
    hub.notify.make_push_key().await?;
    // Other hubs know of it before the first shim comes.
    hub.store().beat(hub.now()).await?;
    let background = tokio::spawn({
        let hub = hub.clone();
        async move { hub.run_background().await }
    });
    let notifying = tokio::spawn({
        let hub = hub.clone();
        async move { hub.notify.run().await }
    });
    let published = publish(&dir, &hub, &settings, addr, local).await?;
    announce(&hub, &settings, addr, &site.base_url).await?;
    let result = until_stopped(&hub, Ending::of(&dir), serve(hub.clone(), site, listener, tls)).await;
    // Nobody is sent here any more; then shims have been told, and what is not yet written is written.
    drop(published);
    // It bounds its own time.
    let _ = notifying.await;
    let closing = async { (background.await, hub.close().await) };
    if tokio::time::timeout(STOP_GRACE, closing).await.is_err() {
        tracing::warn!("stopped before every shim had said goodbye");
    }
    result
}

/// Serves until a signal comes, or serving itself fails.
async fn until_stopped(hub: &Hub, ending: Ending, serving: impl Future<Output = io::Result<()>>) -> anyhow::Result<()> {
    tokio::pin!(serving);
    let result = tokio::select! {
        result = &mut serving => result,
        signalled = ending.come() => {
            hub.shutdown().cancel();
            signalled.and(serving.await)
        }
    };
    hub.shutdown().cancel();
    result.context("the hub stopped by itself")
}

/// A hub over the store that the settings name.
pub async fn open_hub(settings: &Settings, base_url: Option<String>) -> anyhow::Result<Hub> {
    let hub = open_hub_as_it_is(settings, base_url).await?;
    if let Err(why) = refuse_set_back(&hub) {
        hub.close().await;
        return Err(why);
    }
    Ok(hub)
}

fn refuse_set_back(hub: &Hub) -> anyhow::Result<()> {
    hub.store().set_back().map_or(Ok(()), |why| bail!("{why}; {RESTORE}"))
}

/// The same, even where the store was set back.
pub async fn open_hub_as_it_is(settings: &Settings, base_url: Option<String>) -> anyhow::Result<Hub> {
    let mark = MarkFile::at(DataDir::at(&settings.data_dir).mark(&settings.database));
    let store = Store::open_marked(&settings.database, Some(mark)).await?;
    let decision_point = settings.decision_point.clone().map(DecisionPoint::new).transpose()?;
    let milliseconds = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    let settings = HubSettings {
        base_url,
        new_server_threshold: settings.new_server_threshold,
        grant_for_ms: milliseconds(settings.grant_for),
        resume_within_ms: milliseconds(settings.resume_within),
        push_hosts: settings.push_hosts.clone(),
    };
    Ok(Hub::open_with(store, settings, Clock::real(), decision_point).await?)
}

async fn load_tls(settings: &Settings) -> anyhow::Result<Option<RustlsConfig>> {
    let Some(tls) = &settings.tls else { return Ok(None) };
    let config = RustlsConfig::from_pem_file(&tls.cert, &tls.key).await;
    let config = config
        .with_context(|| format!("cannot use tls_cert {} with tls_key {}", tls.cert.display(), tls.key.display()))?;
    Ok(Some(config))
}

/// Tells programs of this user where the hub is, for as long as the answer lives.
async fn publish(
    dir: &DataDir,
    hub: &Hub,
    settings: &Settings,
    addr: SocketAddr,
    local: bool,
) -> anyhow::Result<Vec<Published>> {
    // A certificate names the public host, so that is where a program of this machine must go too.
    let public = settings.public_url.as_ref().filter(|_| settings.tls.is_some());
    let url = public.map_or_else(|| own_url(settings, addr), |url| url.origin());
    let mut published = vec![dir.publish(&dir.hub_url(), &url)?];
    if local {
        local::ensure_agent(hub, dir).await?;
        published.push(dir.publish(&crate::config::paths::local_url(dir.path()), &url)?);
    }
    Ok(published)
}

/// The lines on stderr that people and scripts wait for.
async fn announce(hub: &Hub, settings: &Settings, addr: SocketAddr, base_url: &str) -> anyhow::Result<()> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    eprintln!("hitl-hub: listening on {scheme}://{addr}");
    if hub.people.first_admin().await?.is_none() {
        let code = hub.people.mint_link(LinkKind::SetUp(local::os_user())).await?;
        eprintln!("hitl-hub: set up your account: {base_url}/signin#{code}");
    }
    if settings.listen.ip().is_unspecified() && settings.public_url.is_none() {
        tracing::warn!("public_url is not set, so that requests by any name but loopback are refused");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::config::database::Database;
    use crate::config::paths;
    use crate::core::approval::Outcome;
    use crate::hub::model::{Role, User};
    use crate::hub::store::testing::Fresh;
    use crate::hub::tests::desk::Desk;
    use crate::hub::who::Actor;

    #[tokio::test]
    async fn a_local_hub_keeps_its_agent_and_replaces_one_whose_token_is_lost() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&parent.path().join("data")).unwrap();
        let settings = Settings::of_env(dir.path(), &[]);
        let hub = open_hub(&settings, None).await.unwrap();
        let token = || std::fs::read_to_string(paths::local_agent_token(dir.path())).unwrap();
        local::ensure_agent(&hub, &dir).await.unwrap();
        let first = token();
        local::ensure_agent(&hub, &dir).await.unwrap();
        assert_eq!(token(), first);
        std::fs::remove_file(paths::local_agent_token(dir.path())).unwrap();
        local::ensure_agent(&hub, &dir).await.unwrap();
        assert_ne!(token(), first);
        assert!(hub.agents.agent_of_token(&first).await.unwrap().is_none(), "the lost token is worthless");
        hub.agents.revoke_agent("local", &Actor::Operator).await.unwrap();
        local::ensure_agent(&hub, &dir).await.unwrap();
        assert!(hub.agents.agent_of_token(&token()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn the_first_administrator_has_another_name_where_the_best_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let hub = open_hub(&Settings::of_env(dir.path(), &[]), None).await.unwrap();
        for name in [local::os_user(), "admin".to_owned()] {
            // The second is the first on a machine whose user has no name.
            let _ = hub.people.add_user(&name, Role::Approver, None, &Actor::Operator).await;
        }
        let admin = local::first_admin(&hub).await.unwrap();
        assert_eq!((admin.name.as_str(), admin.role), ("admin-2", Role::Admin));
        assert_eq!(local::first_admin(&hub).await.unwrap(), admin);
    }

    #[tokio::test]
    async fn commands_that_race_to_make_the_first_administrator_end_up_with_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let hub = open_hub(&Settings::of_env(dir.path(), &[]), None).await.unwrap();
        let admins = futures_util::future::join_all((0..8).map(|_| local::first_admin(&hub))).await;
        assert!(admins.iter().all(Result::is_ok), "{admins:?}");
        assert_eq!(hub.people.users().await.unwrap().len(), 1);
    }

    /// A data dir in which a call was approved, and a copy of its store from before.
    async fn a_history(settings: &Settings) -> (Vec<u8>, User) {
        let Database::Sqlite(path) = &settings.database else { panic!("not a file") };
        let hub = open_hub(settings, None).await.unwrap();
        let user = local::first_admin(&hub).await.unwrap();
        hub.close().await;
        let before = std::fs::read(path).unwrap();
        let hub = open_hub(settings, None).await.unwrap();
        hub.people.add_user("carol", Role::Approver, None, &Actor::Operator).await.unwrap();
        hub.close().await;
        (before, user)
    }

    async fn refusal(settings: &Settings) -> String {
        open_hub(settings, None).await.map(drop).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_store_that_was_set_back_is_refused_until_that_is_accepted_and_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::of_env(dir.path(), &[]);
        let (before, _) = a_history(&settings).await;
        let path = dir.path().join("hub.db");
        for set_back in [before, Vec::new()] {
            std::fs::write(&path, set_back).unwrap();
            let why = refusal(&settings).await;
            assert!(why.contains("set back") && why.contains("--accept-rollback"), "{why}");
            assert_eq!(refusal(&settings).await, why, "and again");
        }
        let hub = open_hub_as_it_is(&settings, None).await.unwrap();
        hub.approvals.accept_rollback().await.unwrap();
        let last = hub.store().audit(hub.store().last_seq() - 1, 1).await.unwrap().remove(0);
        assert_eq!(last.action, "store.rollback_accepted");
        hub.close().await;
        open_hub(&settings, None).await.unwrap().close().await;
    }

    #[tokio::test]
    async fn a_used_data_dir_without_its_store_is_not_a_fresh_one() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::of_env(dir.path(), &[]);
        let data = DataDir::at(dir.path());
        data.refuse_lost_store(&settings.database).unwrap();
        a_history(&settings).await;
        data.refuse_lost_store(&settings.database).unwrap();
        std::fs::remove_file(dir.path().join("hub.db")).unwrap();
        let why = data.refuse_lost_store(&settings.database).unwrap_err().to_string();
        assert!(why.contains("missing") && why.contains("--accept-rollback"), "{why}");
        let other = Database::Sqlite(dir.path().join("other.db"));
        data.refuse_lost_store(&other).unwrap();
    }

    #[tokio::test]
    async fn a_store_with_another_history_and_a_damaged_mark_are_refused() {
        let (dir, stranger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let settings = Settings::of_env(dir.path(), &[]);
        a_history(&settings).await;
        let other = Settings::of_env(stranger.path(), &[]);
        a_history(&other).await;
        let hub = open_hub(&other, None).await.unwrap();
        hub.people.add_user("eve", Role::Viewer, None, &Actor::Operator).await.unwrap();
        hub.close().await;
        std::fs::copy(stranger.path().join("hub.db"), dir.path().join("hub.db")).unwrap();
        assert!(refusal(&settings).await.contains("another history"));
        std::fs::write(dir.path().join("hub.head"), "nothing").unwrap();
        assert!(refusal(&settings).await.contains("damaged"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_a_hub_writes_to_is_not_taken_for_one_that_was_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::of_env(dir.path(), &[]);
        let hub = open_hub(&settings, None).await.unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let over = done.clone();
        let writing = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                hub.agents.add_agent("ci", None, &Actor::Operator).await.unwrap();
                hub.agents.revoke_agent("ci", &Actor::Operator).await.unwrap();
            }
            hub.close().await;
        });
        for _ in 0..40 {
            open_hub(&settings, None).await.unwrap().close().await;
        }
        done.store(true, Ordering::Relaxed);
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_open_in_a_store_that_was_set_back_never_runs() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::of_env(dir.path(), &[]);
        let desk = Desk::on(Fresh::at(&settings.database).await).await;
        let (pending, approved) = (desk.hold().await, desk.hold().await);
        desk.hub.approvals.approve(&approved.id, &desk.approver, None).await.unwrap();
        desk.hub.close().await;
        let before = std::fs::read(dir.path().join("hub.db")).unwrap();
        a_history(&settings).await;
        std::fs::write(dir.path().join("hub.db"), before).unwrap();
        let hub = open_hub_as_it_is(&settings, None).await.unwrap();
        hub.approvals.accept_rollback().await.unwrap();
        for id in [pending.id, approved.id] {
            let after = hub.approvals.approval(&id).await.unwrap().unwrap();
            assert_eq!(after.outcome, Outcome::NotExecuted, "{after:?}");
        }
    }
}
