//! A fast number for short texts.
//!
//! In go bytes and a seed that nobody knows who writes them, out comes a number. It is not kept beyond the process.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a text.
pub(crate) fn fold(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = mix(hash, u64::from_le_bytes(*chunk));
    }
    // The rest is read with bytes before it, or some of it twice: that takes no copy.
    match (bytes.last_chunk(), rest) {
        (Some(_), []) => hash,
        (Some(last), _) => mix(hash, u64::from_le_bytes(*last)),
        (None, short) => mix(hash, short_number(short)),
    }
}

/// Fewer than eight bytes.
fn short_number(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk(), bytes) {
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        (_, _, [first, .., last]) => {
            u64::from(*first) << 16 | u64::from(bytes[bytes.len() / 2]) << 8 | u64::from(*last)
        }
        (_, _, [only]) => u64::from(*only),
        (_, _, []) => 0,
    }
}

/// Two numbers to one.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ b ^ 0x2545_f491_4f6c_dd1d) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64 ^ a.rotate_left(23)
}

/// Tables by numbers that nobody can choose: those emitted here, and hashes with a seed.
pub(crate) type NumberMap<K, V> = HashMap<K, V, Seed>;
pub(crate) type NumberSet<K> = HashSet<K, Seed>;

/// Begins the hashes of a table. Where keys come from outside it is drawn at random.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// One that nobody knows.
    pub(crate) fn random() -> Seed {
        Seed(std::hash::RandomState::new().hash_one(0u8))
    }
}

impl BuildHasher for Seed {
    type Hasher = NumberHasher;
    fn build_hasher(&self) -> NumberHasher {
        NumberHasher(self.0)
    }
}

/// See [`Seed`].
#[derive(Debug)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = fold(self.0, bytes);
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0, number);
    }

    // The lengths of ids are always the same.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_have_other_numbers() {
        let texts: [&[u8]; 14] = [
            b"",
            b"\0",
            b"\0\0",
            b"abc",
            b"abd",
            b"adc",
            b"abcde",
            b"abcdf",
            b"abcdefg",
            b"abcdefgh",
            b"abcdefgh\0",
            b"abcdefgi",
            b"habcdefg",
            b"abcdefghabcdefgh",
        ];
        for (at, text) in texts.iter().enumerate() {
            assert!(texts[..at].iter().all(|other| fold(3, other) != fold(3, text)));
            assert_ne!(fold(3, text), fold(4, text));
        }
    }
}
