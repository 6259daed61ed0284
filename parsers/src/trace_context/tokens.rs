//! Runs of hex digits, found by looking at every sixteenth byte only.

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
                32 => super::ids::hex(digits).map(HexId::Trace),
                _ => super::ids::hex(digits).map(HexId::Span),
            };
            if let Some(id) = id {
                return Some(HexToken { at, id });
            }
        }
    }
}

/// Maximal runs of at least 16 hex digits, as (start, end). A run that long covers a byte whose place is 15 mod 16
/// counted from the last end, so only those are looked at.
#[derive(Debug, Clone)]
pub(super) struct HexRuns<'a> {
    text: &'a [u8],
    probe: usize,
    /// No run begins before this.
    floor: usize,
}

impl<'a> HexRuns<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        HexRuns { text, probe: 15, floor: 0 }
    }
}

impl Iterator for HexRuns<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            // Sixteen digits in a row reach eight to the left or to the right. The marks are joined without branches,
            // which text would make unforeseeable.
            while let Some(around) = self.text.get(self.probe - 8..self.probe + 9) {
                let left = HEX[around[0] as usize] & HEX[around[4] as usize];
                let right = HEX[around[12] as usize] & HEX[around[16] as usize];
                if HEX[around[8] as usize] & (left | right) {
                    break;
                }
                self.probe += 16;
            }
            let byte = *self.text.get(self.probe)?;
            if !is_hex(byte) {
                self.probe += 16;
                continue;
            }
            let mut start = self.probe;
            while start > self.floor && is_hex(self.text[start - 1]) {
                start -= 1;
            }
            let mut end = self.probe + 1;
            while end < self.text.len() && is_hex(self.text[end]) {
                end += 1;
            }
            self.floor = end;
            self.probe = end + 16;
            if end - start >= 16 {
                return Some((start, end));
            }
        }
    }
}

const HEX: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_hexdigit();
        byte += 1;
    }
    table
};

#[inline]
pub(super) fn is_hex(byte: u8) -> bool {
    HEX[byte as usize]
}

/// No letter or digit on either side.
pub(super) fn is_bounded(text: &[u8], at: usize, end: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    [before, text.get(end)].iter().flatten().all(|byte| !byte.is_ascii_alphanumeric())
}
