//! Lines trace by trace, as they are shown.
//!
//! In go rows in order of their traces, out come the lines of one trace after the other, those of each in order of time. Of a
//! trace with more lines than are held at once the first ones come, the others are counted.

use std::io;

use super::held_line::{HeldLine, trace_id_of};
use crate::export::select::TraceId;
use crate::files::external_sort::{InOrder, Sorted};

/// See the module.
#[derive(Debug)]
pub(super) struct LinesByTrace<'s> {
    rows: InOrder<'s>,
    /// The first row that was not handed over.
    next: Option<Vec<u8>>,
    bytes_max: usize,
}

/// Lines of a trace.
#[derive(Debug, Default)]
pub(super) struct TraceLines {
    rows: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    /// Further lines of it.
    pub(super) left_out: u64,
}

impl TraceLines {
    /// Each line, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = io::Result<HeldLine<'_>>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| HeldLine::of(&self.rows[start..*end]))
    }

    /// There are none.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
        self.left_out = 0;
    }

    /// There are so many, with those that are not here.
    pub(super) fn count(&self) -> u64 {
        self.ends.len() as u64 + self.left_out
    }
}

impl<'s> LinesByTrace<'s> {
    /// Of one trace so many bytes are held, but one line at least.
    pub(super) fn new(sorted: &'s Sorted, bytes_max: usize) -> io::Result<LinesByTrace<'s>> {
        let mut rows = sorted.read()?;
        let next = rows.next()?.map(<[u8]>::to_vec);
        Ok(LinesByTrace { rows, next, bytes_max })
    }

    /// The trace whose lines come next.
    pub(super) fn next_id(&self) -> Option<TraceId> {
        self.next.as_deref().and_then(trace_id_of)
    }

    /// Hands over the rows of the next trace.
    pub(super) fn each(&mut self, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let trace_id = self.next_id();
        while let Some(row) = self.next.as_mut().filter(|row| trace_id_of(row) == trace_id) {
            each(row)?;
            match self.rows.next()? {
                Some(next) => {
                    row.clear();
                    row.extend_from_slice(next);
                }
                None => self.next = None,
            }
        }
        Ok(())
    }

    /// The lines of the next trace, in place of others.
    pub(super) fn take(&mut self, lines: &mut TraceLines) -> io::Result<()> {
        lines.clear();
        let bytes_max = self.bytes_max;
        self.each(&mut |row| {
            let taken = lines.rows.len() + size_of_val(&lines.ends[..]);
            if lines.ends.is_empty() || lines.left_out == 0 && taken + row.len() <= bytes_max {
                lines.rows.extend_from_slice(row);
                lines.ends.push(lines.rows.len());
            } else {
                lines.left_out += 1;
            }
            Ok(())
        })
    }
}
