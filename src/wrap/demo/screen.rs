//! What the demo shows: one line per event, who first, colours only where they are wanted.

use std::io::{IsTerminal as _, Write as _};

use crate::config::env;

/// Who a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The hub.
    Hub,
    /// The MCP server.
    Server,
    /// The MCP client.
    Agent,
    /// What the agent's user sees while a call waits.
    Waits,
    /// The approver.
    Approver,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// The call ran.
    Good,
    /// The call was refused.
    Refused,
}

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    colours: bool,
}

impl Screen {
    /// Standard output as the user wants it.
    pub fn stdout() -> Self {
        let unwanted = env::os("NO_COLOR").is_some();
        Self { colours: !unwanted && std::io::stdout().is_terminal() }
    }

    /// The first line.
    pub fn title(self, text: &str) {
        self.write(&format!("\n  {}\n\n", self.paint("1", text)));
    }

    /// An event.
    pub fn line(self, who: Who, text: &str) {
        self.write(&self.event(who, text));
    }

    /// Space between acts.
    pub fn gap(self) {
        self.write("\n");
    }

    /// The last lines.
    pub fn end(self, mood: Mood, text: &str, detail: &str) {
        let (colour, mark) = if mood == Mood::Good { ("1;32", "✓") } else { ("1;33", "✗") };
        self.write(&format!("\n  {} {}\n    {detail}\n\n", self.paint(colour, mark), self.paint("1", text)));
    }

    /// What can be done after it: commands, and what each does.
    pub fn next(self, commands: &[(&str, &str)]) {
        let lines = commands.iter().map(|(command, does)| format!("    {command:<18}  {does}\n"));
        self.write(&format!("  Next:\n{}\n", lines.collect::<String>()));
    }

    fn event(self, who: Who, text: &str) -> String {
        let (colour, name) = match who {
            Who::Hub => ("34", "hub"),
            Who::Server => ("35", "server"),
            Who::Agent => ("36", "agent"),
            Who::Waits => ("33", "waiting"),
            Who::Approver => ("32", "you"),
        };
        // Padded before it is painted: escapes have no width.
        format!("  {}  {text}\n", self.paint(colour, &format!("{name:<7}")))
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn write(self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        // Whoever closed our output does not want to read it.
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_line_up_and_are_plain_without_colours() {
        let plain = Screen { colours: false };
        assert_eq!(plain.event(Who::Hub, "listens"), "  hub      listens\n");
        assert_eq!(plain.event(Who::Server, "answers"), "  server   answers\n");
        assert!(Screen { colours: true }.event(Who::Hub, "x").contains("\x1b[34m"));
    }
}
