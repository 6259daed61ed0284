//! Runs of hex digits, found by looking at a few bytes of every thirteen only.

use super::hex::{hex, is_hex};

/// A run of exactly 32 or 16 hex digits with no letter or digit beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HexToken {
    /// Where it begins.
    pub at: usize,
    /// What it would be.
    pub id: HexId,
}

/// The bytes of a token, by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HexId {
    /// 32 digits.
    Trace([u8; 16]),
    /// 16 digits.
    Span([u8; 8]),
}

/// Bare hex tokens that could be a trace or span id, for a test against ids that are known. Never all zero; a longer
/// run (a container id) gives none.
pub fn hex_tokens(text: &[u8]) -> HexTokens<'_> {
    HexTokens { text, runs: HexRuns::new(text) }
}

/// Iterator of [`hex_tokens`].
#[derive(Debug, Clone)]
pub struct HexTokens<'a> {
    text: &'a [u8],
    runs: HexRuns<'a>,
}

impl Iterator for HexTokens<'_> {
    type Item = HexToken;

    fn next(&mut self) -> Option<HexToken> {
        loop {
            let (at, end) = self.runs.next()?;
            if !matches!(end - at, 16 | 32) || !is_bounded(self.text, at, end) {
                continue;
            }
            let digits = &self.text[at..end];
            let id = match end - at {
                32 => hex(digits).map(HexId::Trace),
                _ => hex(digits).map(HexId::Span),
            };
            if let Some(id) = id {
                return Some(HexToken { at, id });
            }
        }
    }
}

/// Maximal runs of at least 16 hex digits, as (start, end). Of each run that long, four bytes stand at one of the places
/// that are 13 apart, so only those are looked at.
#[derive(Debug, Clone)]
pub(super) struct HexRuns<'a> {
    text: &'a [u8],
    probe: usize,
    /// No run begins before this.
    floor: usize,
}

/// From one place that is looked at to the next.
const STRIDE: usize = 13;

impl<'a> HexRuns<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        HexRuns { text, probe: STRIDE - 1, floor: 0 }
    }

    /// Moves on to four bytes that may be hex digits; `false` at the end.
    #[inline]
    fn seek(&mut self) -> bool {
        // Two places at once.
        while let Some(bytes) = self.text.get(self.probe..).and_then(|rest| rest.first_chunk::<{ STRIDE + 4 }>()) {
            let [b0, b1, b2, b3, _, _, _, _, _, _, _, _, _, b4, b5, b6, b7] = *bytes;
            let foreign = foreign(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]));
            if foreign as u32 == 0 {
                return true;
            }
            if foreign >> 32 == 0 {
                self.probe += STRIDE;
                return true;
            }
            self.probe += 2 * STRIDE;
        }
        self.probe + 4 <= self.text.len()
    }
}

/// Marks bytes that are no hex digits: most, not all. Those have bit 6 or bit 4 set, and with bit 6 neither bit 4 nor
/// bit 3.
#[inline(always)]
fn foreign(word: u64) -> u64 {
    let fourth = word << 2;
    ((fourth | word << 3) & word | !(fourth | word)) & 0x4040_4040_4040_4040
}

impl Iterator for HexRuns<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        while self.seek() {
            let text = self.text;
            let (mut start, mut end) = (self.probe, self.probe);
            while end < text.len() && is_hex(text[end]) {
                end += 1;
            }
            if end < start + 4 {
                self.probe += STRIDE;
                continue;
            }
            while start > self.floor && is_hex(text[start - 1]) {
                start -= 1;
            }
            self.floor = end;
            // The next run begins after the byte that ended this one.
            self.probe = end + STRIDE;
            if end - start >= 16 {
                return Some((start, end));
            }
        }
        None
    }
}

/// No letter or digit on either side.
pub(super) fn is_bounded(text: &[u8], at: usize, end: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    [before, text.get(end)].iter().flatten().all(|byte| !byte.is_ascii_alphanumeric())
}
