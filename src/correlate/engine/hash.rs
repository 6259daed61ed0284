//! A fast number for short texts.
//!
//! In go bytes and a seed that is drawn at random, out comes a number. It is not kept beyond the process.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a text.
pub(super) fn fold(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = mix(hash, u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last))
}

/// Two numbers to one.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ b ^ 0x2545_f491_4f6c_dd1d) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64 ^ a.rotate_left(23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_have_other_numbers() {
        let texts: [&[u8]; 6] = [b"", b"\0", b"abcdefgh", b"abcdefgh\0", b"abcdefgi", b"habcdefg"];
        for (at, text) in texts.iter().enumerate() {
            assert!(texts[..at].iter().all(|other| fold(3, other) != fold(3, text)));
            assert_ne!(fold(3, text), fold(4, text));
        }
    }
}
