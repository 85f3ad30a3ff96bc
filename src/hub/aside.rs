//! Work that takes long, beside everybody else's.

use tokio::runtime::{Handle, RuntimeFlavor};

/// What has more bytes is long: work on it is done aside.
pub(super) const LONG_BYTES: usize = 16 << 10;

/// Does work on so many bytes: where they are many, other tasks go on meanwhile, on one core too.
pub(super) fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    // A runtime of one thread, as tests have, has nobody to go on.
    let others = Handle::try_current().is_ok_and(|now| now.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes > LONG_BYTES && others { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::PATIENCE;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_while_one_works_on_much() {
        let (say, heard) = mpsc::channel();
        let other = async move { say.send(()) };
        let working = tokio::spawn(async move {
            tokio::spawn(other);
            aside(LONG_BYTES + 1, || heard.recv_timeout(PATIENCE))
        });
        assert_eq!(working.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn on_a_single_thread_it_is_done_all_the_same() {
        assert_eq!(aside(usize::MAX, || 1) + aside(1, || 1), 2);
    }
}
