//! UTF-16 to UTF-8: what PowerShell and other Windows programs write where a log is redirected to a file.
//!
//! In goes a stream, out comes the same, or its text as UTF-8 where its first bytes show UTF-16 in either byte order, with or
//! without a byte order mark. Offsets then count bytes of the UTF-8.

use std::io::{self, Read};

use super::peeked::Peeked;

/// Without a mark, this many bytes must look like UTF-16: an ASCII character and a zero byte in turns.
const SAMPLE_BYTES: usize = 8;
/// Bytes that are decoded in one go.
const PIECE_BYTES: usize = 64 * 1024;

/// The stream as UTF-8 if it is UTF-16, else as it is. No more is awaited than shows that it is none; an error comes when
/// the stream is read, as it would have without this look.
pub(super) fn decoded(mut input: Peeked<impl Read + Send + 'static>) -> Box<dyn Read + Send> {
    input.await_more(|start| matches!(order(start), Order::Open));
    match order(input.head()) {
        Order::Known { big, mark } => {
            input.pass(mark);
            Box::new(Utf16 { input, big, held: Vec::new(), high: None, out: Vec::new(), given: 0, ended: false })
        }
        Order::Open | Order::Other => Box::new(input),
    }
}

/// Whether a stream that begins so is decoded.
pub(super) fn begins(start: &[u8]) -> bool {
    matches!(order(start), Order::Known { .. })
}

/// What the first bytes show.
enum Order {
    /// It may be UTF-16.
    Open,
    /// It is: big end first or not, after a mark of this many bytes.
    Known { big: bool, mark: usize },
    /// It is not.
    Other,
}

fn order(start: &[u8]) -> Order {
    match start {
        [] | [0xff] | [0xfe] => return Order::Open,
        [0xff, 0xfe, ..] => return Order::Known { big: false, mark: 2 },
        [0xfe, 0xff, ..] => return Order::Known { big: true, mark: 2 },
        _ => {}
    }
    let start = &start[..start.len().min(SAMPLE_BYTES)];
    let big = start[0] == 0;
    let is_character = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    let fits = |(at, byte): (usize, &u8)| if (at % 2 == 0) == big { *byte == 0 } else { is_character(*byte) };
    match start.iter().enumerate().all(fits) {
        true if start.len() == SAMPLE_BYTES => Order::Known { big, mark: 0 },
        true => Order::Open,
        false => Order::Other,
    }
}

struct Utf16<R> {
    input: R,
    big: bool,
    /// The first byte of a unit whose second one has not come.
    held: Vec<u8>,
    /// The first half of a pair whose second one has not come.
    high: Option<u16>,
    out: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Utf16<R> {
    fn decode(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
        let (pairs, rest) = self.held.as_chunks::<2>();
        let unit = |pair: &[u8; 2]| if self.big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        let mut units: Vec<u16> = self.high.take().into_iter().chain(pairs.iter().map(unit)).collect();
        self.high = units.pop_if(|unit| !self.ended && (0xd800..0xdc00).contains(unit));
        for char in char::decode_utf16(units) {
            let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.held = rest.to_vec();
        if self.ended && !self.held.is_empty() {
            self.out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() && !self.ended {
            let mut piece = vec![0; PIECE_BYTES];
            let got = self.input.read(&mut piece)?;
            self.ended = got == 0;
            (self.out, self.given) = (Vec::new(), 0);
            self.decode(&piece[..got]);
        }
        let take = into.len().min(self.out.len() - self.given);
        into[..take].copy_from_slice(&self.out[self.given..self.given + take]);
        self.given += take;
        Ok(take)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Gives one byte at a time.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let room = into.len().min(1);
            self.0.read(&mut into[..room])
        }
    }

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        decoded(Peeked::empty(Slow(Cursor::new(bytes.to_vec())), 16)).read_to_end(&mut out).unwrap();
        out
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn other_streams_come_through() {
        for bytes in [
            &b""[..],
            b"a",
            b"\0\0\0\0\0\0\0\0x",
            b"\xff",
            b"\xffx",
            b"a\0b\0c\0\0\0",
            b"I1123 x\n",
            b"\n\0\n\0\n\0\n\0",
        ] {
            assert_eq!(read(bytes), bytes, "{bytes:?}");
        }
    }

    #[test]
    fn damage_becomes_a_replacement() {
        let mut bytes = [&[0xff, 0xfe][..], &utf16("ab", false)].concat();
        bytes.extend([0x00, 0xd8, b'c', 0, b'd']);
        assert_eq!(read(&bytes), "ab\u{fffd}c\u{fffd}".as_bytes());
    }

    proptest! {
        #[test]
        fn text_of_either_order_is_read(text in "[ -~]{4}[ -~é\u{1f600}\n\r]{0,40}", big: bool, mark: bool) {
            let mut bytes = if mark { utf16("\u{feff}", big) } else { Vec::new() };
            bytes.extend(utf16(&text, big));
            prop_assert_eq!(read(&bytes), text.as_bytes());
        }
    }
}
