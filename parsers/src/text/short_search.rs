//! Searches that mostly end within a few bytes, where calling a vector search takes longer than it saves.
//!
//! In go text and what is looked for, out comes its place, found a word at a time. Long texts are for `memchr`.

use crate::text::lanes;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The next of two ASCII bytes, or the end.
#[inline]
pub(crate) fn either<const A: u8, const B: u8>(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = lanes::either::<A, B>(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += lanes::STEP;
    }
    while at < text.len() && text[at] != A && text[at] != B {
        at += 1;
    }
    at
}

/// The next of an ASCII byte, or the end.
#[inline]
pub(crate) fn byte<const A: u8>(text: &[u8]) -> usize {
    either::<A, A>(text)
}

/// Does the text have `race` in it, in any case? Every key of a trace does.
#[inline]
pub(crate) fn has_race(text: &[u8]) -> bool {
    if text.len() < STEP + 3 {
        return short_has_race(text);
    }
    let mut rest = text;
    while let Some(chunk) = rest.first_chunk() {
        if chunk_has_race(chunk) {
            return true;
        }
        rest = &rest[STEP..];
    }
    // What is looked at twice does no harm.
    text.last_chunk().is_some_and(chunk_has_race)
}

/// Places that are looked at together.
const STEP: usize = 32;

/// Does it begin at one of the places? Few words have an `r` and a `c` so near to each other; those are looked at.
///
/// Without a branch inside of the loop the compiler makes it a few vector steps.
#[inline(always)]
fn chunk_has_race(chunk: &[u8; STEP + 3]) -> bool {
    let mut any = 0;
    for at in 0..STEP {
        any |= u8::from((chunk[at] | 0x20 == b'r') & (chunk[at + 2] | 0x20 == b'c'));
    }
    any != 0 && chunk_spells_race(chunk)
}

#[inline(never)]
fn chunk_spells_race(chunk: &[u8; STEP + 3]) -> bool {
    let mut any = 0;
    for at in 0..STEP {
        let first = (chunk[at] | 0x20 == b'r') & (chunk[at + 1] | 0x20 == b'a');
        any |= u8::from(first & (chunk[at + 2] | 0x20 == b'c') & (chunk[at + 3] | 0x20 == b'e'));
    }
    any != 0
}

/// As [`has_race`], eight places at a time.
fn short_has_race(text: &[u8]) -> bool {
    let lower = ONES * 0x20;
    let mut rest = text;
    while let Some(chunk) = rest.first_chunk::<11>() {
        let word = |at: usize| chunk[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) | lower;
        let found = zeros((word(0) ^ (ONES * b'r' as u64)) | (word(2) ^ (ONES * b'c' as u64)));
        if found != 0 && chunk.windows(4).any(|four| four.eq_ignore_ascii_case(b"race")) {
            return true;
        }
        rest = &rest[8..];
    }
    rest.windows(4).any(|four| four.eq_ignore_ascii_case(b"race"))
}

/// A byte's high bit is set where it is zero; false ones stand only above a true one.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(text in prop::collection::vec(prop::sample::select(&b"rRaAcCeEx =!\x01\xf2\x20"[..]), 0..100)) {
            let plain = |marks: &[u8]| text.iter().position(|byte| marks.contains(byte)).unwrap_or(text.len());
            prop_assert_eq!(either::<b' ', b'='>(&text), plain(b" ="));
            prop_assert_eq!(byte::<b'='>(&text), plain(b"="));
            prop_assert_eq!(has_race(&text), text.windows(4).any(|four| four.eq_ignore_ascii_case(b"race")));
        }

        #[test]
        fn finds_the_word_anywhere(before in "[a-z ]{0,90}", word in "[rR][aA][cC][eE]", after in "[a-z ]{0,90}") {
            let text = [before, word, after].concat();
            prop_assert!(has_race(text.as_bytes()));
        }
    }
}
