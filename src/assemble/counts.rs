//! Counts of what a source holds.

use spanline_parsers::Format;

use super::custom::CustomCounts;
use crate::record::Envelope;

/// Records by envelope and payload.
pub(super) type FormatCounts = [[u64; Format::ALL.len()]; Envelope::ALL.len()];

/// Counts of what a source holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Physical lines read.
    pub lines: u64,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Records emitted.
    pub records: u64,
    /// Lines of NUL bytes left out.
    pub nul_lines: u64,
    /// NUL bytes left out of lines longer than the limit.
    pub nul_bytes: u64,
    /// NUL bytes before a record on its line, left out.
    pub nul_prefix_bytes: u64,
    /// Lines or records that were cut at a limit.
    pub cut: u64,
    /// Damaged entries of a journal's export that were skipped.
    pub damaged: u64,
    /// How often a writer was met that is not told apart by its unit, as its source has too many.
    pub writers_over_limit: u64,
    /// Records by recognised format.
    pub formats: FormatCounts,
    /// Records of sources in formats of the user's own, by their places.
    pub custom: Vec<CustomCounts>,
}

impl Counts {
    /// Adds another source's counts.
    pub fn add(&mut self, other: &Counts) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.records += other.records;
        self.nul_lines += other.nul_lines;
        self.nul_bytes += other.nul_bytes;
        self.nul_prefix_bytes += other.nul_prefix_bytes;
        self.cut += other.cut;
        self.damaged += other.damaged;
        self.writers_over_limit += other.writers_over_limit;
        for (mine, others) in self.formats.iter_mut().flatten().zip(other.formats.iter().flatten()) {
            *mine += others;
        }
        for (at, others) in other.custom.iter().enumerate() {
            self.of_format(at).add(others);
        }
    }

    /// Those of a format of the user's own.
    pub fn of_format(&mut self, at: usize) -> &mut CustomCounts {
        if self.custom.len() <= at {
            self.custom.resize(at + 1, CustomCounts::default());
        }
        &mut self.custom[at]
    }

    /// Counts a record, if it is wanted.
    #[inline]
    pub fn count_record(&mut self, envelope: Envelope, format: Format, is_wanted: bool) {
        self.records += u64::from(is_wanted);
        self.formats[envelope as usize][format as usize] += u64::from(is_wanted);
    }

    /// The recognised formats, most frequent first.
    pub fn by_format(&self) -> Vec<(Envelope, Format, u64)> {
        let mut list: Vec<_> = Envelope::ALL
            .into_iter()
            .flat_map(|envelope| Format::ALL.map(|format| (envelope, format)))
            .map(|(envelope, format)| (envelope, format, self.formats[envelope as usize][format as usize]))
            .filter(|(.., count)| *count > 0)
            .collect();
        list.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        list
    }
}
