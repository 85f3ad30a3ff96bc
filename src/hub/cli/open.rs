//! `hitl-hub open`: a one-time link into the running hub, for who has its data dir.

use super::{open_store, terminal};
use crate::config::hub::Settings;
use crate::hub::people::links::LinkKind;
use crate::hub::serve::{files::DataDir, local};

/// Prints a link that signs the first administrator in, and opens it unless there is no browser to open it in.
pub(super) async fn open(settings: &Settings, no_browser: bool) -> anyhow::Result<()> {
    let base = base_url(settings)?;
    let hub = open_store(settings).await?;
    let admin = local::first_admin(&hub).await?;
    let code = hub.people.mint_link(LinkKind::SignIn(admin.name)).await?;
    hub.close().await;
    let link = format!("{base}/signin#{code}");
    terminal::line(&link)?;
    if !no_browser && has_display() {
        // The link is on the screen already, so a browser that does not start is a remark.
        if let Err(error) = open::that_detached(&link) {
            eprintln!("hitl-hub: cannot open a browser: {error}");
        }
    }
    Ok(())
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
    let set = |key: &str| std::env::var_os(key).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows)) || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
