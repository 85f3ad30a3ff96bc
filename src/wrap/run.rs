//! Lines that pass together: neighbours in the reader's buffer, written with one system call where that is enough.

use std::ops::Range;

use super::lines::Lines;
use super::writer::Writer;

/// Lines that were taken from a reader and wait to be written as they came.
#[derive(Debug, Default)]
pub struct Run(Range<usize>);

impl Run {
    /// Neighbouring lines.
    pub fn of(lines: Range<usize>) -> Self {
        Self(lines)
    }

    /// Adds the line after the last one. Before a line is left out, [`pass`](Self::pass) what there is: it may move
    /// everything that is taken later.
    pub fn add(&mut self, line: Range<usize>) {
        debug_assert!(self.0.is_empty() || self.0.end == line.start, "lines of a run are neighbours");
        if self.0.is_empty() {
            self.0.start = line.start;
        }
        self.0.end = line.end;
    }

    /// Writes the lines as they came, and leaves the run empty.
    pub fn pass(&mut self, lines: &mut Lines, writer: &mut Writer) {
        let run = std::mem::take(&mut self.0);
        let written = writer.write_now(lines.bytes(run.clone()));
        let rest = run.start + written..run.end;
        if Lines::worth_detaching(&rest) {
            writer.queue_owned(lines.detach(rest.end), rest.start);
        } else {
            writer.queue_copy(lines.bytes(rest));
        }
    }
}
