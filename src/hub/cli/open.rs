//! `hitl-hub open`: a one-time link into the running hub, for who has its data dir.
//!
//! Every user of the machine sees the arguments of every program, so a browser is given a file that only this user can
//! read, and that leads to the link.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::proved;
use super::{open_store, terminal};
use crate::config::env;
use crate::config::hub::Settings;
use crate::hub::Hub;
use crate::hub::people::LinkKind;
use crate::hub::serve::{self, DataDir, Published};

/// How long a browser may take to follow the link before the file goes away.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Prints a link that signs the first administrator in, and opens it unless there is no browser to open it in.
pub(super) async fn open(settings: &Settings, no_browser: bool) -> anyhow::Result<()> {
    let hub = open_store(settings).await?;
    let opened = open_with(&hub, settings, no_browser).await;
    hub.close().await;
    opened
}

async fn open_with(hub: &Hub, settings: &Settings, no_browser: bool) -> anyhow::Result<()> {
    // A code is worth as much as a token: there is none before the hub has proved itself.
    let running = proved(settings, hub).await?;
    let base = settings.public_url.as_ref().map_or(running, |url| url.origin());
    let admin = serve::first_admin(hub).await?;
    let code = hub.people.mint_link(LinkKind::SignIn(admin.name)).await?;
    let link = format!("{base}/signin#{code}");
    terminal::line(&link)?;
    if no_browser || !has_display() {
        return Ok(());
    }
    let dir = DataDir::at(&settings.data_dir);
    // The link is on the screen already, so a browser that does not start is a remark.
    match show(&dir, &link) {
        Ok(_file) => until_followed(hub, &code).await,
        Err(error) => eprintln!("hitl-hub: cannot open a browser: {error:#}"),
    }
    Ok(())
}

/// Opens a browser on a file that goes away with the value.
fn show(dir: &DataDir, link: &str) -> anyhow::Result<Published> {
    let path = door(dir.path());
    let file = dir.publish(&path, &page(link))?;
    open::that_detached(std::path::absolute(path)?)?;
    Ok(file)
}

fn door(dir: &Path) -> PathBuf {
    dir.join(format!("open-{}.html", std::process::id()))
}

/// A page that goes on to the link by itself.
fn page(link: &str) -> String {
    let link = link.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={link}\">\n<title>hitl</title>\n\
         <a href=\"{link}\">Sign in</a>\n"
    )
}

async fn until_followed(hub: &Hub, code: &str) {
    let started = Instant::now();
    while started.elapsed() < FOLLOWED_WITHIN && hub.people.has_link(code).await.unwrap_or(false) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where people reach the hub: its public URL, or the one that runs on the data dir.
pub(super) fn base_url(settings: &Settings) -> anyhow::Result<String> {
    match &settings.public_url {
        Some(url) => Ok(url.origin()),
        None => DataDir::at(&settings.data_dir).running_hub(),
    }
}

/// Whether a browser could show itself; macOS and Windows always have a screen.
fn has_display() -> bool {
    let set = |key: &str| env::os(key).is_some();
    cfg!(any(target_os = "macos", windows)) || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_leads_to_the_link_and_nothing_in_it_ends_the_attribute() {
        let page = page("http://127.0.0.1:7420/\"><script>/signin#x");
        assert!(page.contains("url=http://127.0.0.1:7420/&quot;>&lt;script>/signin#x\">"), "{page}");
    }
}
