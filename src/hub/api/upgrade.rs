//! What the two websockets of shims have in common: how one is opened, or why it is not.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;

use super::problem::Problem;

/// The upgrade, if the other side speaks `protocol`; `hint` is what else to say when it does not.
pub(super) fn speaking(
    protocol: &'static str,
    hint: &str,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<WebSocketUpgrade, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let upgrade = upgrade.protocols([protocol]);
    if upgrade.selected_protocol().is_none() {
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, format!("this hub speaks {protocol} only{hint}"));
        return Err(problem.refusing(crate::wire::refused::VERSION));
    }
    Ok(upgrade)
}
