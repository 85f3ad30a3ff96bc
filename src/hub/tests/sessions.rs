//! Sessions over real sockets.

mod deciding;
mod refusing;
mod resuming;
mod ruling;
mod served;

pub(super) use self::served::{Served, Wire, hello};
