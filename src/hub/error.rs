//! Why a use case refuses, as far as callers branch on it.

use super::model::{Approval, Tool};
use super::store::StoreError;
use crate::core::rules::RuleFault;

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is no such approval.
    #[error("there is no such approval")]
    NotFound,
    /// It is no longer pending; here is what became of it.
    #[error("the approval is already {}", .0.status.as_str())]
    TooLate(Box<Approval>),
    /// An identical call that is written otherwise took its place since somebody looked; here it is.
    #[error("the call has changed since you looked at it; look at it again, nothing was decided")]
    Changed(Box<Approval>),
    /// The user's role does not allow it.
    #[error("deciding needs the role approver or admin")]
    Forbidden,
    /// The request makes no sense; why, in words.
    #[error("{0}")]
    Invalid(String),
    /// The store failed; nothing was decided.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a policy, an agent or a user was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// What there is none of, in words.
    #[error("there is no {0}")]
    NotFound(String),
    /// The name is in use, or the change would leave the hub without an administrator; why, in words.
    #[error("{0}")]
    Conflict(String),
    /// The actor's role does not allow it.
    #[error("this needs the role admin")]
    Forbidden,
    /// The request makes no sense; why, in words.
    #[error("{0}")]
    Invalid(String),
    /// One part of the request makes no sense.
    #[error("{place}: {why}")]
    Fault {
        /// Which part, as a path into the body: `rules[1].when[0].value`.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The tool is not defined as it was when somebody looked at it; here is what it is now.
    #[error("the definition has changed again; look at the new one before you accept it")]
    Redefined(Box<Tool>),
    /// The current password is needed, or is not the one that was given; why, in words.
    #[error("{0}")]
    WrongPassword(String),
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RuleFault> for ChangeError {
    fn from(RuleFault { place, why }: RuleFault) -> Self {
        Self::Fault { place, why }
    }
}

impl From<sqlx::Error> for DecideError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
