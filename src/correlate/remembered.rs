//! What the link of a record needs, kept from the first pass: whoever wants nothing but links need not read again.
//!
//! In go records while they are observed, out come, after [`Correlator::settle`], their places with the same outcomes that
//! [`Correlator::link`] gives. Some 40 bytes a record, no text. Bounded: a source that does not fit is not remembered, and
//! those after it are not either.

use std::ops::Range;

use super::correlator::Correlator;
use super::index::Names;
use crate::correlate::rules::outcome::{NamedRequest, RuleOutcome, Within};
use crate::record::{Link, Position, Record, Unlinked};

/// Bytes kept, of some 1.5 million records.
const BYTES_MAX: usize = 64 << 20;
/// Room is made for so many at first: what is never used costs nothing, growing does.
const ROWS_RESERVED: usize = 1 << 17;

/// Why a record that says nothing by itself may have no link.
const STANDINGS: [Unlinked; 9] = [
    Unlinked::NoEvidence,
    Unlinked::NoTraces,
    Unlinked::NoTime,
    Unlinked::NoSpansOfWriter,
    Unlinked::WriterNotKnown,
    Unlinked::NoTimeOverlap,
    Unlinked::NoSpanNear,
    Unlinked::OutsideRequests,
    Unlinked::RequestNotRecorded,
];

/// A record.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    offset: u64,
    /// [`i64::MIN`] where there is none.
    time: i64,
    line: u32,
    lines: u32,
    file: u32,
    /// Place of what it says by itself; where that is nothing, [`u32::MAX`] less the place of its reason in [`STANDINGS`].
    early: u32,
}

impl Row {
    /// Where it stands: its end, strand and number are not kept.
    pub fn position(&self) -> Position {
        let Row { file, line, lines, offset, .. } = *self;
        Position { file, line: line.into(), lines, offset, end: 0, strand: 0, seqnum: None }
    }

    /// When it was written.
    pub fn time(&self) -> Option<i64> {
        (self.time != i64::MIN).then_some(self.time)
    }
}

/// As [`RuleOutcome`], with numbers for texts.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Linked(Link),
    Named(NamedRequest<'static>, u32),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Remembered {
    rows: Vec<Row>,
    early: Vec<Kept>,
    packages: Names,
    /// Of each source: its rows, in the order of its lines.
    sources: Vec<Option<Range<usize>>>,
    /// Rows of sources that have been read.
    ended: usize,
    is_full: bool,
}

impl Remembered {
    /// Takes in a record of the source in hand; `standing`: as [`Correlator::observe`] gave it. All spans must be settled.
    pub fn add(&mut self, correlator: &Correlator, record: &Record<'_>, standing: Unlinked) {
        if self.is_full {
            return;
        }
        if self.rows.is_empty() {
            self.rows.reserve(ROWS_RESERVED);
        }
        let bytes = self.rows.len() * size_of::<Row>() + self.early.len() * size_of::<Kept>();
        let Ok(line) = u32::try_from(record.position.line) else { return self.is_full = true };
        let (early, is_kept) = self.keep(correlator.early(record), standing);
        self.is_full = bytes >= BYTES_MAX || !is_kept || record.time == Some(i64::MIN);
        let Position { file, lines, offset, .. } = record.position;
        self.rows.push(Row { offset, time: record.time.unwrap_or(i64::MIN), line, lines, file, early });
    }

    /// The place of what a record says by itself, and whether it could be kept.
    fn keep(&mut self, early: RuleOutcome<'_>, standing: Unlinked) -> (u32, bool) {
        let kept = match early {
            RuleOutcome::Nothing => {
                let at = STANDINGS.iter().position(|known| *known == standing).unwrap_or(0);
                return (u32::MAX - at as u32, true);
            }
            RuleOutcome::Linked(link) => Kept::Linked(link),
            RuleOutcome::Named(NamedRequest { request, identity, within }) => {
                let (within, package) = match within {
                    Within::Site(site) => (Within::Site(site), 0),
                    Within::Time(None) => (Within::Time(None), 0),
                    Within::Time(Some(package)) => {
                        let number = std::str::from_utf8(package).map_or(0, |package| self.packages.number(package));
                        if number == 0 {
                            return (u32::MAX, false);
                        }
                        (Within::Time(None), number)
                    }
                };
                Kept::Named(NamedRequest { request, identity, within }, package)
            }
        };
        self.early.push(kept);
        (self.early.len() as u32 - 1, true)
    }

    /// The source in hand has been read; `false` if it could not be remembered.
    pub fn source_ends(&mut self, source: u32) -> bool {
        let at = source as usize;
        let from = self.ended;
        if self.is_full {
            self.rows.truncate(from);
            return false;
        }
        self.rows[from..].sort_by_key(|row| (row.file, row.line, row.offset));
        if at >= self.sources.len() {
            self.sources.resize(at + 1, None);
        }
        self.ended = self.rows.len();
        self.sources[at] = Some(from..self.ended);
        true
    }

    /// All records of a source in the order of their lines, if it was remembered.
    pub fn rows_of(&self, source: u32) -> Option<&[Row]> {
        let range = self.sources.get(source as usize)?.clone()?;
        self.rows.get(range)
    }

    /// The link of a record of a source, once all were observed.
    pub fn link(&self, correlator: &Correlator, source: u32, row: &Row) -> Result<Link, Unlinked> {
        let early = match self.early.get(row.early as usize) {
            None => RuleOutcome::Nothing,
            Some(Kept::Linked(link)) => RuleOutcome::Linked(*link),
            Some(Kept::Named(named, 0)) => RuleOutcome::Named(*named),
            Some(Kept::Named(named, package)) => RuleOutcome::Named(NamedRequest {
                within: Within::Time(Some(self.packages.name(*package).as_bytes())),
                ..*named
            }),
        };
        let standing = || STANDINGS.get((u32::MAX - row.early) as usize).copied().unwrap_or(Unlinked::NoEvidence);
        correlator.link_of(early, (source, row.file, row.offset), row.time(), standing)
    }
}
