//! Calls that the external decision point is being asked about, so that a slow answer holds up nothing else.

use std::collections::HashMap;

use tokio::task::{AbortHandle, JoinSet};

use crate::core::ids::ApprovalId;
use crate::core::messages::Request;
use crate::core::weigh::Opinion;
use crate::hub::shims::Shims;
use crate::hub::store::StoreError;
use crate::hub::who::Shim;

/// As many as a shim holds at once.
const MAX: usize = 256;

/// Questions under way; dropping it ends them.
#[derive(Default)]
pub(super) struct Weighing {
    questions: JoinSet<Weighed>,
    open: HashMap<ApprovalId, AbortHandle>,
}

/// A question that was answered.
pub(super) struct Weighed {
    pub(super) request: Request,
    pub(super) opinion: Result<Opinion, StoreError>,
}

/// There are too many already.
pub(super) struct Full(pub(super) Request);

impl Weighing {
    /// Asks about a call; one that is asked about already is not asked about again.
    pub(super) fn ask(&mut self, hub: &Shims, shim: &Shim, request: Request) -> Result<(), Box<Full>> {
        if self.open.contains_key(&request.id) {
            return Ok(());
        }
        if self.open.len() >= MAX {
            return Err(Box::new(Full(request)));
        }
        let (id, hub, shim) = (request.id.clone(), hub.clone(), shim.clone());
        let question = async move {
            let opinion = hub.opinion_on(&shim, &request).await;
            Weighed { request, opinion }
        };
        self.open.insert(id, self.questions.spawn(question));
        Ok(())
    }

    /// The call was taken back.
    pub(super) fn forget(&mut self, id: &ApprovalId) {
        if let Some(question) = self.open.remove(id) {
            question.abort();
        }
    }

    /// The next answer; pends for ever when nothing is asked. Cancel safe.
    pub(super) async fn next(&mut self) -> Weighed {
        loop {
            match self.questions.join_next().await {
                // An answer that was on its way when its call was taken back is nobody's.
                Some(Ok(weighed)) if self.open.remove(&weighed.request.id).is_some() => return weighed,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Shims {
    /// The external decision point's word on a request, before it is registered.
    pub async fn opinion_on(&self, shim: &Shim, request: &Request) -> Result<Opinion, StoreError> {
        // What the shim says of its user is a claim; the agent's account is not.
        let user = self.agents.agent(shim.client_id.as_str()).await?.and_then(|agent| agent.user);
        let (tool, arguments) = (&request.tool, &request.arguments);
        Ok(self.servers.opinion(&shim.client_id, &shim.server, tool, arguments, user.as_deref()).await)
    }
}
