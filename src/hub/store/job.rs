//! What is done in a transaction of the writer, and answered after its commit.

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{StoreError, Tx};

/// Something to be done in a transaction and answered after its commit.
pub(super) trait Job: Send {
    /// Whether it may change what is kept in memory.
    fn changes_memory(&self) -> bool;
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Ran>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What a job came to in its transaction.
#[derive(Debug)]
pub(super) enum Ran {
    /// Its changes are to be kept.
    Done,
    /// It failed; its changes are undone, and it knows what to answer.
    Undone,
    /// It ended in a panic; its changes are undone.
    Panicked,
}

impl Ran {
    /// What a job is told that cannot know by itself.
    pub(super) fn told(self) -> Result<(), StoreError> {
        match self {
            Self::Done | Self::Undone => Ok(()),
            Self::Panicked => Err(StoreError::Failed("a change ended in a panic, see the log".to_owned())),
        }
    }
}

/// A job with the types of its result.
pub(super) struct Typed<T, E, F> {
    changes_memory: bool,
    work: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Typed<T, E, F> {
    pub(super) fn new(changes_memory: bool, work: F, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self { changes_memory, work: Some(work), result: None, answer }
    }
}

impl<T, E, F> Job for Typed<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn changes_memory(&self) -> bool {
        self.changes_memory
    }

    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Ran> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Ran::Undone };
            let result = work(tx).await;
            let done = result.is_ok();
            if done {
                tx.changes.add::<F>();
            }
            self.result = Some(result);
            if done { Ran::Done } else { Ran::Undone }
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        let answered = match (result, committed) {
            // Its own reason says more than what became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // Whoever asked may be gone; what was committed stays.
        let _ = answer.send(answered);
    }
}
