//! `hitl-hub stop`: ends the hub of a data dir as a service manager would, and waits for that.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::terminal;
use crate::config::hub::Settings;
use crate::hub::serve::{DataDir, ask_to_end};

/// How long a hub may take to write its last record.
const WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends it, if it runs; what waits in it is kept.
pub(super) async fn stop(settings: &Settings) -> anyhow::Result<()> {
    let dir = DataDir::at(&settings.data_dir);
    let shown = dir.path().display();
    if !dir.is_served() {
        return terminal::line(&format!("no hub is running on data dir {shown}"));
    }
    let who = ask_to_end(&dir)?;
    let begun = Instant::now();
    while dir.is_served() {
        if begun.elapsed() > WITHIN {
            bail!("the hub on data dir {shown}, {who}, was asked to end and still runs");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    terminal::line(&format!("the hub on data dir {shown} has ended"))
}
