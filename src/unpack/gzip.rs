//! A gzip file of one or more members, to its end.
//!
//! In go compressed bytes, out come the plain ones of all members. Padding of zeros after the last member is skipped
//! as gzip itself does it; anything else there is an error, and so is an end inside of a member.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Reads all members.
pub(super) struct Members<R> {
    state: State<R>,
}

enum State<R> {
    Inside(Box<GzDecoder<R>>),
    Between(R),
    Ended,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(input: R) -> Members<R> {
        Members { state: State::Inside(Box::new(GzDecoder::new(input))) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Inside(mut decoder) => match decoder.read(into) {
                    Ok(0) => self.state = State::Between(decoder.into_inner()),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(io::Error::new(error.kind(), "the compressed data is cut off before its end"));
                    }
                    result => {
                        self.state = State::Inside(decoder);
                        return result;
                    }
                },
                State::Between(mut input) => match input.fill_buf()?.first() {
                    None => {}
                    Some(0x1f) => self.state = State::Inside(Box::new(GzDecoder::new(input))),
                    Some(0) => {
                        let zeros = input.fill_buf()?.iter().take_while(|byte| **byte == 0).count();
                        input.consume(zeros);
                        self.state = State::Between(input);
                    }
                    Some(_) => {
                        let message = "what follows the end of the compressed data is no gzip, and was left out";
                        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                    }
                },
                State::Ended => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn check(bytes: &[u8], expected: &str, error: Option<io::ErrorKind>) {
        let mut text = Vec::new();
        // Small buffers, so that every boundary is met.
        let result = Members::new(io::BufReader::with_capacity(7, bytes)).read_to_end(&mut text);
        assert_eq!((String::from_utf8(text).unwrap().as_str(), result.err().map(|e| e.kind())), (expected, error));
    }

    #[test]
    fn members_are_read_to_the_end_and_what_follows_is_judged() {
        let (one, two) = (packed(b"one\n"), packed(b"two\n"));
        check(&one, "one\n", None);
        check(&[&one[..], &two].concat(), "one\ntwo\n", None);
        check(&[&one[..], &[0; 100]].concat(), "one\n", None);
        check(&[&one[..], &[0; 100], &two].concat(), "one\ntwo\n", None);
        check(&[&one[..], b"junk"].concat(), "one\n", Some(io::ErrorKind::InvalidData));
        check(&one[..one.len() - 3], "one\n", Some(io::ErrorKind::UnexpectedEof));
        check(&[&one[..], &two[..5]].concat(), "one\n", Some(io::ErrorKind::UnexpectedEof));
        check(&packed(b""), "", None);
    }
}
