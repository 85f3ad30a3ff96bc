//! What becomes of a call, as its client and the approvers see it.

use serde_json::{Value, json};

use super::{Approver, Client, text_of};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server answered it, with this text.
    Passed(String),
    /// It waited for approval, for these reasons; it was rejected then.
    Gated(Vec<String>),
    /// It was refused without asking anybody; what stands in brackets in the refusal.
    Denied(String),
}

impl Fate {
    /// Gated for this one reason.
    pub fn gated(reason: &str) -> Self {
        Self::Gated(vec![reason.to_owned()])
    }

    /// Denied for these reasons.
    pub fn denied(reasons: &str) -> Self {
        Self::Denied(reasons.to_owned())
    }

    /// Whether the server answered.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }
}

impl Client {
    /// Calls a tool and sees what becomes of that; one that waits is looked at and rejected.
    pub async fn fate(&mut self, approver: &Approver, tool: &str, arguments: Value) -> Fate {
        self.fate_of(approver, tool, &arguments.to_string()).await
    }

    /// Makes the hub look at every call on the server, and returns when the shim knows: from then on, a rule on a tool
    /// that had one before is there with the answer to whoever set it.
    pub async fn is_looked_at(&mut self, approver: &Approver, server: &str, harmless: &str) {
        approver.set_policy(server, json!({ "rules": [{ "effect": "gate", "description": "every call" }] })).await;
        while self.fate(approver, harmless, json!({})).await.passed() {}
    }

    /// The same with the arguments as raw JSON text.
    pub async fn fate_of(&mut self, approver: &Approver, tool: &str, arguments: &str) -> Fate {
        let id = self.call_raw(tool, arguments).await;
        let pending = tokio::select! {
            answer = self.answer(id) => return fate(tool, &answer),
            pending = approver.the_pending_approval() => pending,
        };
        assert_eq!(pending["tool"], tool, "{pending}");
        assert_eq!(approver.reject(&pending, "seen").await.status, 200);
        let answer = self.answer(id).await;
        assert!(text_of(&answer).contains("was rejected by admin: 'seen'. It was not executed."), "{answer}");
        Fate::Gated(serde_json::from_value(pending["reasons"].clone()).unwrap())
    }

    async fn call_raw(&mut self, tool: &str, arguments: &str) -> i64 {
        let id = self.next_id();
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":{},\"arguments\":{arguments}}}}}\n",
            json!(tool)
        );
        self.write(line.as_bytes()).await;
        id
    }
}

fn fate(tool: &str, answer: &Value) -> Fate {
    let text = text_of(answer);
    let before = format!("Permission denied: tool '{tool}' may not be called here (");
    let after = "). It was not executed. Do not retry; contact your admin if you need it.";
    match text.strip_prefix(&before).and_then(|rest| rest.strip_suffix(after)) {
        Some(reasons) => {
            assert_eq!(answer["result"]["isError"], true, "{answer}");
            Fate::Denied(reasons.to_owned())
        }
        None => Fate::Passed(text.to_owned()),
    }
}
