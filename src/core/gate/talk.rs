//! What the gate has for the hub, and the hub for the gate.

use crate::core::ids::{ApprovalId, ClientId};
use crate::core::messages::{
    Activity, CallOutcome, Cancel, Continued, Decided, Extended, Registered, Release, Request, Ruled, Tools,
};
use crate::core::policy::Table;

/// A message of the gate for the hub.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// The client's own `tools/list` showed these tools.
    Tools(Tools),
    /// Hold this call for me.
    Request(Request),
    /// The client took the call back, or is gone.
    Cancel(Cancel),
    /// I still hold the live request: may I write it?
    Release(Release),
    /// The client goes on with a released call.
    Continued(Continued),
    /// What became of a released call.
    Outcome(CallOutcome),
    /// One line for the activity log.
    Call(Activity),
}

/// A message of the hub for the gate.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The connection stands: who we are to the hub, and what passes.
    Welcome {
        /// The agent this shim's token belongs to.
        client_id: ClientId,
        /// The policy in force.
        policy: Table,
    },
    /// The policy changed.
    Policy(Table),
    /// The call is on the approvers' page.
    Registered(Registered),
    /// The hub weighed a call and it needs no approval, or gets none.
    Ruled(Ruled),
    /// Somebody, or the deadline, decided.
    Decided(Decided),
    /// The release is recorded: write it now.
    Go(Release),
    /// There is more time.
    Extended(Extended),
    /// An approver opened the card.
    Seen(ApprovalId),
    /// The connection is lost; it will be made again.
    Lost,
    /// It could not be made, and why, in words.
    Away(String),
    /// The hub was reached and does not let this agent in: what it said before holds no longer.
    Refused,
}
