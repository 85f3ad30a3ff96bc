//! What a call is given: how much it is, and where that of a large one is kept before it is registered.

use crate::core::messages::Request;
use crate::hub::approvals::Approvals;
use crate::hub::store::{LARGE, Part, StoreError, Turn, pieces_of};
use crate::hub::who::Shim;

/// What a piece of a large call weighs among the reports of a batch.
const PIECE_WEIGHT: usize = 128;

impl Approvals {
    /// Keeps what a large call is given.
    pub(super) async fn keep_given(&self, shim: &Shim, request: &Request) -> Result<(), StoreError> {
        let texts = [(Part::Arguments, Some(&request.arguments)), (Part::Extra, request.extra.as_ref())];
        for (what, text) in texts {
            let pieces = text.into_iter().flat_map(|text| pieces_of(text));
            for (place, piece) in (0..).zip(pieces) {
                let (now, digest, piece) = (self.now(), request.digest.clone(), piece.to_owned());
                self.store
                    .write_in(Turn::Report(shim.client_id.clone()), PIECE_WEIGHT, move |tx| {
                        Box::pin(async move { tx.keep_given(&digest, what, place, &piece, now).await })
                    })
                    .await?;
            }
        }
        Ok(())
    }
}

/// How many bytes a call is given.
pub(super) fn given_bytes(request: &Request) -> usize {
    request.arguments.len() + request.extra.as_ref().map_or(0, String::len)
}

/// Whether that lies beside its approval.
pub(super) fn is_large(request: &Request) -> bool {
    given_bytes(request) > LARGE
}

/// What a call costs on the disk.
pub(super) fn kib(request: &Request) -> i64 {
    i64::try_from(given_bytes(request).div_ceil(1024)).unwrap_or(i64::MAX)
}
