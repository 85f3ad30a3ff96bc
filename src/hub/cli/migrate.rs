//! `hitl-hub migrate`: brings the store's schema up to date, as every command does that opens the store, and does no more.

use super::terminal;
use crate::config::hub::Settings;
use crate::hub::serve::open_hub;

/// Refuses where a newer version was here.
pub(super) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    open_hub(settings, None).await?.close().await;
    terminal::line("the store's schema is up to date; hubs of this version may start on it")
}
