//! Who has which approval before them, so that two people do not decide the same thing side by side. It is told to live
//! pages and to other hubs on the store, kept in memory for as long as it is true, and decides nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::who::Approver;
use crate::core::ids::ApprovalId;
use crate::hub::Hub;
use crate::hub::store::Word;

/// How long somebody counts as looking who does not say it again, in milliseconds.
const LASTS_MS: i64 = 45_000;
/// The longest id that is passed on, in bytes.
const MAX_ID: usize = 64;

/// Somebody looks at an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    user: String,
    approval: ApprovalId,
    /// When it counts no more, unless it is said again.
    until: i64,
}

/// Everybody who looks; clones are the same.
#[derive(Clone)]
pub struct Looking(Arc<watch::Sender<Vec<Look>>>);

impl Default for Looking {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Looking {
    /// Who looks here, and at other hubs.
    pub fn at(hub: &Hub) -> Self {
        let looking = Self::default();
        hub.store().bus().hear({
            let (looking, clock) = (looking.clone(), hub.clock.clone());
            move |word| {
                if let Word::Looking { user, approval } = word {
                    looking.set(user.clone(), approval.clone(), clock.now());
                }
            }
        });
        looking
    }

    /// What is true now, and every change of it.
    pub fn follow(&self) -> watch::Receiver<Vec<Look>> {
        let mut all = self.0.subscribe();
        if !all.borrow().is_empty() {
            all.mark_changed();
        }
        all
    }

    /// This person looks there now, and nowhere else.
    fn set(&self, user: String, approval: Option<ApprovalId>, now: i64) {
        self.0.send_modify(|all| {
            all.retain(|look| look.until > now && look.user != user);
            all.extend(approval.map(|approval| Look { user, approval, until: now + LASTS_MS }));
        });
    }
}

/// The body of `PUT /looking`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    approval: Option<ApprovalId>,
}

/// `PUT /looking`: what this person has before them, or nothing any more.
pub async fn look(
    State(api): State<Api>,
    Approver(user): Approver,
    Fields(Place { approval }): Fields<Place>,
) -> Result<StatusCode, Problem> {
    if approval.as_ref().is_some_and(|id| id.as_str().len() > MAX_ID) {
        return Err(Problem::invalid("approval is no approval's id"));
    }
    api.looking.set(user.name.clone(), approval.clone(), api.hub.now());
    api.hub.store().say(Word::Looking { user: user.name, approval }).await;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_looks_at_one_approval_until_they_look_away_or_say_no_more() {
        let looking = Looking::default();
        let seen = looking.follow();
        let told = || seen.borrow().iter().map(|look| format!("{}:{}", look.user, look.approval)).collect::<Vec<_>>();
        looking.set("ada".into(), Some("a".into()), 0);
        looking.set("bob".into(), Some("a".into()), 1);
        looking.set("ada".into(), Some("b".into()), 2);
        assert_eq!(told(), ["bob:a", "ada:b"]);
        looking.set("ada".into(), None, 3);
        assert_eq!(told(), ["bob:a"]);
        looking.set("eve".into(), Some("c".into()), 1 + LASTS_MS);
        assert_eq!(told(), ["eve:c"]);
        assert!(looking.follow().has_changed().unwrap(), "who comes later is told");
    }
}
