//! The console's events that end us.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown,
};

use crate::wrap::platform::Signal;

/// Ctrl-C and Ctrl-Break, the console's closing, the user's leaving and the machine's shutdown, caught from here on.
#[derive(Debug)]
pub struct Signals {
    interrupt: CtrlC,
    stop: CtrlBreak,
    close: CtrlClose,
    leave: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Begins to catch them.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            leave: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.stop.recv() => Signal::Interrupt,
            _ = self.close.recv() => Signal::HangUp,
            _ = self.leave.recv() => Signal::HangUp,
            _ = self.shutdown.recv() => Signal::HangUp,
        }
    }
}
