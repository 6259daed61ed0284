//! Sixteen bytes looked at in one step: which of them are what is looked for.
//!
//! In go sixteen bytes, out comes a number whose bit n is set where byte n is one of those. The steps are the vector
//! instructions that the target has for certain (SSE2, NEON), plain code where it has none.

use wide::u8x16;

/// How many bytes make a step.
pub(crate) const STEP: usize = 16;

/// Quotes, backslashes and control bytes: what ends the plain text of a JSON string.
#[inline(always)]
pub(crate) fn json_marks(bytes: &[u8; STEP]) -> u32 {
    let bytes = u8x16::new(*bytes);
    let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    let quote = bytes.simd_eq(u8x16::splat(b'"'));
    let slash = bytes.simd_eq(u8x16::splat(b'\\'));
    (control | quote | slash).to_bitmask()
}

/// Either of two bytes.
#[inline(always)]
pub(crate) fn either<const A: u8, const B: u8>(bytes: &[u8; STEP]) -> u32 {
    let bytes = u8x16::new(*bytes);
    let first = bytes.simd_eq(u8x16::splat(A));
    let found = if A == B { first } else { first | bytes.simd_eq(u8x16::splat(B)) };
    found.to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marks_what_a_plain_look_marks(bytes in prop::array::uniform16(prop_oneof![
            any::<u8>(), prop::sample::select(&b"\"\\\x00\x1f\x20\x7f\x80\xff\x9f\xa2: ="[..]),
        ])) {
            let plain = |is_wanted: fn(u8) -> bool| {
                bytes.iter().enumerate().fold(0, |mask, (at, byte)| mask | u32::from(is_wanted(*byte)) << at)
            };
            prop_assert_eq!(json_marks(&bytes), plain(|byte| byte < 0x20 || byte == b'"' || byte == b'\\'));
            prop_assert_eq!(either::<b' ', b'='>(&bytes), plain(|byte| byte == b' ' || byte == b'='));
            prop_assert_eq!(either::<b':', b':'>(&bytes), plain(|byte| byte == b':'));
        }
    }
}
