//! The external decision point: OpenID AuthZEN's access evaluation, asked about each call before policy is weighed.
//!
//! It may only deny. Whatever is not a clear yes within the time limit is a no: unreachable, slow, malformed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use serde_json::json;

use crate::config::hub::DecisionPoint as Settings;
use crate::core::ids::{ClientId, Digest};
use crate::core::weigh::Opinion;
use crate::hub::servers::Servers;
use crate::hub::store::Cost;

/// Below the base URL, as the specification has it.
const PATH: &str = "/access/v1/evaluation";
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// How many answers are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// See the module.
pub struct DecisionPoint {
    http: Client,
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Answers by question, and until when they hold.
    answers: HashMap<Digest, (bool, i64)>,
    /// Why the last question had no answer.
    trouble: Option<String>,
}

/// A question about one call.
struct Question<'q> {
    agent: &'q ClientId,
    server: &'q str,
    tool: &'q str,
    arguments: Digest,
    user: Option<&'q str>,
}

#[derive(Deserialize)]
struct Answer {
    decision: bool,
}

impl DecisionPoint {
    /// A point that is asked as the settings say.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        // Its own network, and nowhere else: no proxy, no redirect carries the question and the token elsewhere.
        let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(settings.timeout).build()?;
        Ok(Self { http, settings, state: Mutex::default() })
    }

    async fn ask(&self, question: &Question<'_>, may_ask: impl FnOnce() -> bool, now: i64) -> Opinion {
        let key = question.key();
        if let Some(decision) = self.remembered(&key, now) {
            return opinion(decision);
        }
        if !may_ask() {
            return Opinion::No("the agent made too many calls of late for the external decision point".to_owned());
        }
        let asked = self.evaluate(question).await;
        self.note(asked.as_ref().err());
        match asked {
            Ok(decision) => {
                self.remember(key, decision, now);
                opinion(decision)
            }
            Err(why) => Opinion::No(format!("the external decision point could not be asked: {why}")),
        }
    }

    async fn evaluate(&self, question: &Question<'_>) -> Result<bool, String> {
        let mut request = self.http.post(format!("{}{PATH}", self.settings.url)).json(&question.body());
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(&token.0);
        }
        let mut response = request.send().await.map_err(|error| unreachable_words(&error, self.settings.timeout))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answered with HTTP status {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(part) =
            response.chunk().await.map_err(|error| unreachable_words(&error, self.settings.timeout))?
        {
            if body.len() + part.len() > MAX_ANSWER {
                return Err("its answer is too long".to_owned());
            }
            body.extend_from_slice(&part);
        }
        decision_in(&body).ok_or_else(|| "its answer is not {\"decision\": true|false}".to_owned())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single insert or assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, key: &Digest, now: i64) -> Option<bool> {
        self.state().answers.get(key).filter(|(_, until)| *until > now).map(|(decision, _)| *decision)
    }

    fn remember(&self, key: Digest, decision: bool, now: i64) {
        let ttl = i64::try_from(self.settings.ttl.as_millis()).unwrap_or(i64::MAX);
        if ttl == 0 {
            return;
        }
        let mut state = self.state();
        if state.answers.len() >= MAX_REMEMBERED {
            state.answers.retain(|_, (_, until)| *until > now);
        }
        if state.answers.len() < MAX_REMEMBERED {
            state.answers.insert(key, (decision, now.saturating_add(ttl)));
        }
    }

    /// Keeps and logs trouble, when it begins, becomes another and ends.
    fn note(&self, trouble: Option<&String>) {
        let before = std::mem::replace(&mut self.state().trouble, trouble.cloned());
        match (before, trouble) {
            (before, Some(why)) if before.as_ref() != Some(why) => {
                tracing::error!(why, "the external decision point cannot be asked; calls are denied")
            }
            (Some(_), None) => tracing::warn!("the external decision point answers again"),
            _ => {}
        }
    }
}

impl Question<'_> {
    fn body(&self) -> serde_json::Value {
        json!({
            "subject": { "type": "agent", "id": self.agent },
            "action": { "name": self.tool },
            "resource": { "type": "server", "id": self.server },
            "context": { "arguments_sha256": self.arguments, "user": self.user },
        })
    }

    fn key(&self) -> Digest {
        Digest::of(self.body().to_string().as_bytes())
    }
}

/// Only the documented answer is one: an object with one `decision` that is `true` or `false`.
fn decision_in(body: &[u8]) -> Option<bool> {
    // The reader takes a list of a structure's values for the structure.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.decision)
}

fn opinion(decision: bool) -> Opinion {
    if decision { Opinion::Yes } else { Opinion::No("the external decision point says no".to_owned()) }
}

/// In words that name no address: they go to the model.
fn unreachable_words(error: &reqwest::Error, timeout: Duration) -> String {
    tracing::debug!(%error, "the external decision point was asked in vain");
    if error.is_timeout() {
        format!("it did not answer within {} seconds", timeout.as_secs_f32())
    } else if error.is_connect() {
        "it cannot be reached".to_owned()
    } else {
        "the connection to it broke".to_owned()
    }
}

impl Servers {
    /// The external decision point's word on a call, where there is such a point.
    pub async fn opinion(
        &self,
        agent: &ClientId,
        server: &str,
        tool: &str,
        arguments: &str,
        user: Option<&str>,
    ) -> Opinion {
        let Some(point) = &self.decision_point else { return Opinion::None };
        let (arguments, now) = (Digest::of(arguments.as_bytes()), self.now());
        let question = Question { agent, server, tool, arguments, user };
        let may_ask = || self.budgets.spend(agent, Cost::Question, 1, now).is_ok();
        point.ask(&question, may_ask, now).await
    }

    /// Whether calls are denied because the external decision point cannot be asked, and why.
    pub fn decision_point_trouble(&self) -> Option<String> {
        self.decision_point.as_ref().and_then(|point| point.state().trouble.clone())
    }

    /// Whether there is an external decision point.
    pub fn has_decision_point(&self) -> bool {
        self.decision_point.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::decision_in;

    #[test]
    fn only_the_documented_answer_is_one() {
        for (body, decision) in [
            ("{\"decision\":true}", Some(true)),
            (" {\"decision\": false, \"context\": {\"decision\": true}}\n", Some(false)),
            ("[true]", None),
            ("true", None),
            ("{}", None),
            ("{\"decision\":1}", None),
            ("{\"decision\":\"true\"}", None),
            ("{\"Decision\":true}", None),
            ("{\"decision\":false,\"decision\":true}", None),
            ("{\"decision\":true}{}", None),
            ("", None),
        ] {
            assert_eq!(decision_in(body.as_bytes()), decision, "{body}");
        }
    }
}
