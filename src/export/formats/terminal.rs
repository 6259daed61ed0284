//! What a terminal may be shown, and how wide it is.
//!
//! In go bytes of log lines, which may be hostile, out come characters that move no cursor, change no colour, turn no
//! direction and hide nothing: whatever would is written as an escape that can be read. Lines are cut at a width.

use std::io::Write as _;

/// How text for people is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Paint with ANSI colours.
    pub colour: bool,
    /// Columns at which a line is cut; `None` for no limit (a file, a pipe).
    pub width: Option<usize>,
}

/// Colours by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// What steps back: fields, frames, debug lines.
    Dim,
    /// What stands out: messages of errors, names of spans.
    Bold,
    /// Informational.
    Green,
    /// Who wrote it.
    Cyan,
    /// A warning.
    Yellow,
    /// An error.
    Red,
    /// The end of a program.
    Alarm,
}

/// One line that is being written, and the columns it has left.
#[derive(Debug)]
pub struct Line<'o> {
    out: &'o mut Vec<u8>,
    style: Style,
    used: usize,
    reserved: usize,
}

impl<'o> Line<'o> {
    /// Begins a line.
    pub fn begin(out: &'o mut Vec<u8>, style: Style) -> Line<'o> {
        Line { out, style, used: 0, reserved: 0 }
    }

    /// Columns used so far.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Columns left, `usize::MAX` without a limit.
    pub fn left(&self) -> usize {
        self.style.width.map_or(usize::MAX, |width| width.saturating_sub(self.used + self.reserved))
    }

    /// Keeps columns free at the end of the line, until they are given back by keeping none.
    pub fn reserve(&mut self, columns: usize) {
        self.reserved = columns;
    }

    /// Blanks up to a column.
    pub fn pad_to(&mut self, column: usize) {
        let blanks = column.saturating_sub(self.used).min(self.left());
        self.out.resize(self.out.len() + blanks, b' ');
        self.used += blanks;
    }

    /// Text, cut with `…` where the line ends.
    pub fn put(&mut self, text: impl AsRef<[u8]>, paint: Paint) {
        let left = self.left();
        self.put_within(text.as_ref(), paint, left);
    }

    /// Text in at most this many columns; of one that is longer the end, after `…`.
    pub fn put_end(&mut self, text: &[u8], paint: Paint, columns: usize) {
        let columns = columns.min(self.left());
        if columns == 0 || shown_columns(text) <= columns {
            return self.put_within(text, paint, columns);
        }
        self.put_within(&[ELLIPSIS.as_bytes(), end_of(text, columns - 1)].concat(), paint, columns);
    }

    /// Text that is never cut: what does not fit goes on in lines of their own after a margin. It breaks at blanks, and
    /// within a word only if that is longer than a line.
    pub fn flow(&mut self, text: &[u8], paint: Paint, margin: usize) {
        for (at, word) in text.split(|byte| *byte == b' ').enumerate() {
            let is_at_margin = self.used <= margin;
            let blank = usize::from(at > 0 && !is_at_margin);
            let columns = shown_columns(word);
            if blank + columns > self.left() && !is_at_margin {
                self.next(margin);
            } else if at > 0 && self.left() > 0 {
                self.put(" ", Paint::Plain);
            }
            self.flow_word(word, paint, margin);
        }
    }

    /// Words that stay together: two blanks on if they fit, else at the beginning of the next line.
    pub fn flow_apart(&mut self, text: &[u8], paint: Paint, margin: usize) {
        if self.used > margin {
            if 2 + shown_columns(text) > self.left() {
                self.next(margin);
            } else {
                self.put("  ", Paint::Plain);
            }
        }
        self.flow(text, paint, margin);
    }

    fn flow_word(&mut self, mut word: &[u8], paint: Paint, margin: usize) {
        loop {
            let fits = beginning_of(word, self.left());
            if fits == word.len() {
                return self.put(word, paint);
            }
            // A line that has no room at all after its margin takes one character, so that there is an end.
            let fits = if fits == 0 && self.used <= margin { 1.max(first_character(word)) } else { fits };
            self.put(&word[..fits], paint);
            self.next(margin);
            word = &word[fits..];
        }
    }

    /// Ends the line and begins the next one after a margin.
    pub fn next(&mut self, margin: usize) {
        self.cut_blanks();
        self.out.push(b'\n');
        self.used = 0;
        self.pad_to(margin);
    }

    fn cut_blanks(&mut self) {
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
    }

    /// Text in at most this many columns, cut with `…`.
    pub fn put_within(&mut self, text: &[u8], paint: Paint, columns: usize) {
        let columns = columns.min(self.left());
        if columns == 0 {
            return;
        }
        let code = if self.style.colour { code(paint) } else { "" };
        self.out.extend_from_slice(code.as_bytes());
        self.used += shown(self.out, text, columns);
        if !code.is_empty() {
            self.out.extend_from_slice(b"\x1b[0m");
        }
    }

    /// Ends the line.
    pub fn end(mut self) {
        self.cut_blanks();
        self.out.push(b'\n');
    }
}

fn code(paint: Paint) -> &'static str {
    match paint {
        Paint::Plain => "",
        Paint::Dim => "\x1b[2m",
        Paint::Bold => "\x1b[1m",
        Paint::Green => "\x1b[32m",
        Paint::Cyan => "\x1b[36m",
        Paint::Yellow => "\x1b[33m",
        Paint::Red => "\x1b[31m",
        Paint::Alarm => "\x1b[1;37;41m",
    }
}

const ELLIPSIS: &str = "…";

/// Columns that text takes as it is shown.
pub fn shown_columns(text: &[u8]) -> usize {
    pieces(text).map(|(_, piece)| piece.columns()).sum()
}

/// Bytes from the start on that fit into this many columns.
fn beginning_of(text: &[u8], columns: usize) -> usize {
    let mut used = 0;
    let beyond = pieces(text).find(|(_, piece)| {
        used += piece.columns();
        used > columns
    });
    beyond.map_or(text.len(), |(at, _)| at)
}

/// Bytes of the first character.
fn first_character(text: &[u8]) -> usize {
    pieces(text).nth(1).map_or(text.len(), |(at, _)| at)
}

/// The end of a text that fits into this many columns.
fn end_of(text: &[u8], columns: usize) -> &[u8] {
    let mut left = shown_columns(text);
    let start = pieces(text).find(|(_, piece)| {
        let fits = left <= columns;
        left = left.saturating_sub(piece.columns());
        fits
    });
    start.map_or(&[], |(at, _)| &text[at..])
}

/// What text consists of, each with its place.
fn pieces(text: &[u8]) -> impl Iterator<Item = (usize, Piece)> {
    let mut start = 0;
    text.utf8_chunks().flat_map(move |chunk| {
        let (valid, invalid) = (start, start + chunk.valid().len());
        start = invalid + chunk.invalid().len();
        let characters = chunk.valid().char_indices().map(move |(at, one)| (valid + at, Piece::Character(one)));
        characters.chain((invalid..).zip(chunk.invalid().iter().copied().map(Piece::Byte)))
    })
}

/// Writes text in at most this many columns (at least one) and tells how many it took.
fn shown(out: &mut Vec<u8>, text: &[u8], columns: usize) -> usize {
    let mut used = 0;
    // Where to cut if the text does not fit: the last place that leaves a column for `…`.
    let mut fit = (out.len(), 0);
    for (_, piece) in pieces(text) {
        used += piece.write(out);
        if used > columns {
            out.truncate(fit.0);
            out.extend_from_slice(ELLIPSIS.as_bytes());
            // Where a wide character did not fit, a blank stands, so that nothing follows the ellipsis.
            out.resize(out.len() + columns - fit.1 - 1, b' ');
            return columns;
        }
        if used < columns {
            fit = (out.len(), used);
        }
    }
    used
}

#[derive(Clone, Copy)]
enum Piece {
    Character(char),
    Byte(u8),
}

impl Piece {
    /// Columns that it takes as [`Piece::write`] writes it.
    fn columns(self) -> usize {
        match self {
            Piece::Character(' '..='~') => 1,
            Piece::Character('\u{a0}'..) if !self.is_unsafe() => {
                let Piece::Character(character) = self else { return 0 };
                columns(character)
            }
            Piece::Character('\n' | '\r') => 2,
            Piece::Character(character) if character == '\t' || u32::from(character) < 0x80 => 4,
            Piece::Character(character) => format!("\\u{{{:x}}}", u32::from(character)).len(),
            Piece::Byte(_) => 4,
        }
    }

    /// Writes it and tells its columns.
    fn write(self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        // Writing to a Vec cannot fail.
        let _ = match self {
            Piece::Character(' '..='~') | Piece::Character('\u{a0}'..) if !self.is_unsafe() => {
                let Piece::Character(character) = self else { return 0 };
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return columns(character);
            }
            Piece::Character('\t') => out.write_all(b"    "),
            Piece::Character('\n') => out.write_all(b"\\n"),
            Piece::Character('\r') => out.write_all(b"\\r"),
            Piece::Character(character) if u32::from(character) < 0x80 => {
                write!(out, "\\x{:02x}", u32::from(character))
            }
            Piece::Character(character) => write!(out, "\\u{{{:x}}}", u32::from(character)),
            Piece::Byte(byte) => write!(out, "\\x{byte:02x}"),
        };
        out.len() - start
    }

    fn is_unsafe(&self) -> bool {
        matches!(self, Piece::Character(character) if is_unsafe(*character))
    }
}

/// Controls, line breaks, what turns the writing direction, and what shows nothing at all.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{f0000}'..
        )
}

/// Columns of a character that may be shown: wide in East Asian scripts and pictures, none for combining marks.
pub fn columns(character: char) -> usize {
    match character {
        ' '..='\u{2ff}' => 1,
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}'
        | '\u{64b}'..='\u{65f}'
        | '\u{e31}'
        | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97c}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff01}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put(text: &[u8], width: Option<usize>) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, Style { colour: false, width });
        line.put(text, Paint::Red);
        line.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_log_line_cannot_control_the_terminal() {
        assert_eq!(put(b"a\x1b[31mb\x07\r\n\x7f\xff\tc", None), "a\\x1b[31mb\\x07\\r\\n\\x7f\\xff    c\n");
        assert_eq!(
            put("\u{9b}2J\u{202e}x\u{200b}\u{2028}".as_bytes(), None),
            "\\u{9b}2J\\u{202e}x\\u{200b}\\u{2028}\n"
        );
    }

    #[test]
    fn text_that_flows_is_whole_and_breaks_at_blanks() {
        let flowed = |text: &str, width: usize, margin: usize| {
            let mut out = Vec::new();
            let mut line = Line::begin(&mut out, Style { colour: false, width: Some(width) });
            line.put("ab ", Paint::Plain);
            line.flow(text.as_bytes(), Paint::Plain, margin);
            line.flow_apart(b"x y", Paint::Plain, margin);
            line.end();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(flowed("one two three", 20, 3), "ab one two three\n   x y\n");
        assert_eq!(flowed("one two three", 21, 3), "ab one two three  x y\n");
        assert_eq!(flowed("one two three", 10, 3), "ab one two\n   three\n   x y\n");
        assert_eq!(flowed("one twothreefour", 10, 3), "ab one\n   twothre\n   efour\n   x y\n");
    }

    #[test]
    fn of_a_long_name_the_end_is_shown() {
        let end = |text: &str, columns| {
            let mut out = Vec::new();
            Line::begin(&mut out, Style::default()).put_end(text.as_bytes(), Paint::Plain, columns);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(end("server.(*Server).runPodSandbox", 14), "…runPodSandbox");
        assert_eq!((end("short", 5), end("short", 4), end("漢字", 3)), ("short".into(), "…ort".into(), "…字".into()));
        assert_eq!((end("abc", 1), end("abc", 0)), ("…".into(), String::new()));
    }

    #[test]
    fn long_text_ends_with_an_ellipsis_at_the_width() {
        assert_eq!(put(b"abcdef", Some(6)), "abcdef\n");
        assert_eq!(put(b"abcdefg", Some(6)), "abcde…\n");
        assert_eq!(put("漢字漢字".as_bytes(), Some(8)), "漢字漢字\n");
        assert_eq!(put("漢字漢字".as_bytes(), Some(7)), "漢字漢…\n");
        assert_eq!(put("漢字漢字".as_bytes(), Some(6)), "漢字…\n");
        assert_eq!(put(b"ab\x1bcd", Some(5)), "ab…\n");
        assert_eq!(put(b"abc", Some(0)), "\n");
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_one_line_of_the_width_is_shown(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            text in ".{0,30}",
            width in 1usize..40,
        ) {
            for input in [&bytes[..], text.as_bytes()] {
                let line = put(input, Some(width));
                let body = line.strip_suffix('\n').unwrap();
                prop_assert!(!body.chars().any(is_unsafe));
                prop_assert!(body.chars().map(columns).sum::<usize>() <= width);
                let mut whole = Vec::new();
                Line::begin(&mut whole, Style::default()).put(input, Paint::Plain);
                let whole = String::from_utf8(whole).unwrap();
                prop_assert_eq!(shown_columns(input), whole.chars().map(columns).sum::<usize>());
                let mut out = Vec::new();
                let mut flowing = Line::begin(&mut out, Style { colour: false, width: Some(width.max(12)) });
                flowing.flow(input, Paint::Plain, 2);
                flowing.end();
                let flowed = String::from_utf8(out).unwrap();
                let dense = |text: &str| text.replace([' ', '\n'], "");
                prop_assert!(flowed.lines().all(|line| line.chars().map(columns).sum::<usize>() <= width.max(12)));
                prop_assert_eq!(dense(&flowed), dense(&whole));
            }
        }
    }
}
