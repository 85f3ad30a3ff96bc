//! What would happen: one call weighed without making it, and every tool of a server for one agent.

use crate::core::call::NO_ARGUMENTS;
use crate::core::ids::ApprovalId;
use crate::core::policy::Ruling;
use crate::hub::error::ChangeError;
use crate::hub::model::{Agent, AgentRef, Coverage, Covered, Simulation, User};
use crate::hub::people;
use crate::hub::servers::Servers;
use crate::hub::servers::policies::ceiling_of;
use crate::hub::servers::standing::{Question, Shown, Standing, Subject};
use crate::hub::store::rows;

/// A call that nobody makes.
struct Imagined {
    agent: Agent,
    tool: String,
    arguments: String,
}

impl Servers {
    /// What this call would come to now, with every reason.
    pub async fn simulate(&self, server: &str, simulation: Simulation) -> Result<Ruling, ChangeError> {
        let user = simulation.user.clone();
        let Imagined { agent, tool, arguments } = self.imagine(server, simulation).await?;
        let mut subject = self.subject(&agent, server).await?;
        if let Some(name) = user {
            let user = self.known_user(&name).await?;
            subject.scales.caller.user_ceiling = ceiling_of(&user.ceilings, server);
            subject.user = Some(name);
        }
        let opinion = self.opinion(&agent.client_id, server, &tool, &arguments, subject.user.as_deref()).await;
        Ok(subject.scales.weigh(&tool, &arguments, &opinion))
    }

    /// What calls of each tool come to for this agent, as far as that can be said without their arguments.
    pub async fn coverage(&self, server: &str, agent: &str) -> Result<Coverage, ChangeError> {
        let agent = self.known_agent(agent).await?;
        let scales = self.subject(&agent, server).await?.scales;
        let opinion = self.unasked();
        let covered = |name: &str| Covered { tool: name.to_owned(), ruling: scales.foresee(name, &opinion) };
        Ok(Coverage {
            agent: AgentRef { client_id: agent.client_id, name: agent.name },
            tools: scales.tools.iter().map(|tool| covered(&tool.name)).collect(),
            unlisted: scales.foresee_unlisted(&opinion),
        })
    }

    async fn imagine(&self, server: &str, simulation: Simulation) -> Result<Imagined, ChangeError> {
        let Simulation { agent, tool, arguments, approval, .. } = simulation;
        let past = match &approval {
            Some(id) => Some(self.past_call(id, server).await?),
            None => None,
        };
        let (past_agent, past_tool, past_arguments) = match past {
            Some((agent, tool, arguments)) => (Some(agent), Some(tool), Some(arguments)),
            None => (None, None, None),
        };
        let arguments = arguments.map(|raw| object(raw.get())).transpose()?;
        let agent = agent.or(past_agent).ok_or_else(|| missing("agent"))?;
        Ok(Imagined {
            agent: self.known_agent(&agent).await?,
            tool: tool.or(past_tool).ok_or_else(|| missing("tool"))?,
            arguments: arguments.or(past_arguments).unwrap_or_else(|| NO_ARGUMENTS.to_owned()),
        })
    }

    async fn past_call(&self, id: &ApprovalId, server: &str) -> Result<(String, String, String), ChangeError> {
        let found = sqlx::query_as("select client_id, tool from approvals where id = $1 and server = $2")
            .bind(id.as_str())
            .bind(server)
            .fetch_optional(self.store.read())
            .await?;
        let call: Option<(String, String)> = found;
        let (agent, tool) = call.ok_or_else(|| ChangeError::NotFound(format!("approval {id} on a server {server}")))?;
        let arguments = self.store.arguments_of(id).await?.unwrap_or_else(|| NO_ARGUMENTS.to_owned());
        Ok((agent, tool, arguments))
    }

    async fn known_agent(&self, name: &str) -> Result<Agent, ChangeError> {
        let row = sqlx::query("select * from agents where revoked_at is null and $1 in (client_id, name)")
            .bind(name)
            .fetch_optional(self.store.read())
            .await?;
        let agent = row.as_ref().map(rows::agent).transpose()?;
        agent.ok_or_else(|| ChangeError::NotFound(format!("agent {name}")))
    }

    async fn known_user(&self, name: &str) -> Result<User, ChangeError> {
        let row = sqlx::query("select * from users where name = $1");
        let row = row.bind(name).fetch_optional(self.store.read()).await?;
        let user = row.as_ref().map(people::user_of).transpose()?;
        user.ok_or_else(|| ChangeError::NotFound(format!("user {name}")))
    }

    async fn subject(&self, agent: &Agent, server: &str) -> Result<Subject, ChangeError> {
        let shown = Shown::default();
        let question = Question { agent: &agent.client_id, server, shown: &shown, now: self.now() };
        match self.standing_now(question).await? {
            Standing::In(subject) => Ok(subject),
            Standing::Elsewhere => {
                Err(ChangeError::Conflict(format!("the agent {} may not use the server {server}", agent.name)))
            }
            Standing::Gone | Standing::Unknown => Err(ChangeError::NotFound(format!("server {server}"))),
        }
    }
}

fn missing(field: &str) -> ChangeError {
    ChangeError::Fault { place: field.to_owned(), why: "is needed, or an approval to take it from".to_owned() }
}

/// The raw text of an object: the text itself, or the text in a JSON string.
fn object(raw: &str) -> Result<String, ChangeError> {
    let text = serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(text),
        Ok(_) => Err(fault("is not a JSON object".to_owned())),
        Err(error) => Err(fault(format!("is not JSON: {error}"))),
    }
}

fn fault(why: String) -> ChangeError {
    ChangeError::Fault { place: "arguments".to_owned(), why }
}
