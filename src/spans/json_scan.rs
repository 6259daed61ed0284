//! Where a JSON value ends that goes over several lines.
//!
//! In go lines one by one, out comes whether all brackets are closed. Nothing is read of what is between.

/// Nesting of a JSON value beyond which it is no trace.
const DEPTH_MAX: u32 = 128;

/// Follows brackets and strings of a JSON value, line by line.
#[derive(Default)]
pub(super) struct Scan {
    depth: u32,
    broken: bool,
}

impl Scan {
    pub(super) fn line(&mut self, line: &[u8]) {
        let mut rest = line;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']')) {
            let mark = rest[at];
            rest = &rest[at + 1..];
            match mark {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => match string_end(rest) {
                    Some(end) => rest = &rest[end..],
                    // A string does not go on in the next line.
                    None => {
                        self.broken = true;
                        return;
                    }
                },
            }
            self.broken |= self.depth > DEPTH_MAX;
        }
    }

    pub(super) fn ended(&self) -> bool {
        self.depth == 0 || self.broken
    }
}

/// Where a string ends, its closing quote included.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        from = at + 2;
        if from > text.len() {
            return None;
        }
    }
}

/// Follows one JSON value to its end, piece by piece. Only brackets and strings count.
#[derive(Default)]
pub(super) struct ValueScan {
    depth: u32,
    inside: Inside,
    escaped: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Inside {
    /// Nothing of it was met.
    #[default]
    Before,
    Brackets,
    String,
    /// A number or a word.
    Word,
}

impl ValueScan {
    /// How many of these bytes belong to the value, and whether it ends with them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            match self.inside {
                Inside::String if self.escaped => self.escaped = false,
                Inside::String => match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                    None => return (bytes.len(), false),
                    Some(found) => {
                        at += found;
                        self.escaped = bytes[at] == b'\\';
                        if !self.escaped && self.depth == 0 {
                            return (at + 1, true);
                        }
                        if !self.escaped {
                            self.inside = Inside::Brackets;
                        }
                    }
                },
                Inside::Word if matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace() => return (at, true),
                Inside::Word => {}
                Inside::Before | Inside::Brackets => match byte {
                    b'"' => self.inside = Inside::String,
                    b'{' | b'[' => {
                        self.inside = Inside::Brackets;
                        self.depth += 1;
                    }
                    b'}' | b']' if self.depth <= 1 => return (at + usize::from(self.depth == 1), true),
                    b'}' | b']' => self.depth -= 1,
                    _ if self.inside == Inside::Before && !byte.is_ascii_whitespace() => self.inside = Inside::Word,
                    _ => {}
                },
            }
            at += 1;
        }
        (at, false)
    }
}
