//! Hex digits: what is one, and the bytes that they make.
//!
//! In go ASCII digits in either case, out come bytes; all-zero ones are none.

#[inline]
pub(super) fn is_hex(byte: u8) -> bool {
    HEX[byte as usize]
}

/// Hex digits to N bytes, right-aligned; `None` for none, too many, or all zero.
pub(super) fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() == 2 * N && N.is_multiple_of(4) {
        return whole_hex(digits).filter(|bytes| *bytes != [0; N]);
    }
    if digits.is_empty() || digits.len() > 2 * N {
        return None;
    }
    let mut bytes = [0u8; N];
    let mut seen = 0;
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let from = N - digits.len().div_ceil(2);
    if let [digit] = first {
        bytes[from] = NIBBLE[*digit as usize];
        seen |= bytes[from];
    }
    for (byte, pair) in bytes[from + first.len()..].iter_mut().zip(pairs.chunks_exact(2)) {
        let (high, low) = (NIBBLE[pair[0] as usize], NIBBLE[pair[1] as usize]);
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    // Other bytes stand as 255 in the table.
    (1..16).contains(&seen).then_some(bytes)
}

/// The bytes of twice as many hex digits, which may all be zero; eight digits at a time, and so a multiple of them.
#[inline]
pub fn whole_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N || !N.is_multiple_of(4) {
        return None;
    }
    let (mut bytes, mut bad) = ([0u8; N], 0);
    for (four, eight) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(digits.as_chunks::<8>().0) {
        let word = u64::from_le_bytes(*eight);
        let letters = (word >> 6) & ONES;
        // A letter's low half counts from 1, and stands for what is 9 more.
        let values = (word & (ONES * 0x0f)) + letters * 9;
        let high = (word & !(letters << 5) & (ONES * 0xf0)) ^ (ONES * 0x30 + (letters << 4));
        let ten_or_more = ((values + ONES * 6) >> 4) & ONES;
        bad |= high | (values & (ONES * 0xf0)) | (ten_or_more ^ letters);
        let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
        *four = ((fours | (fours >> 16)) as u32).to_le_bytes();
    }
    (bad == 0).then_some(bytes)
}

const ONES: u64 = 0x0101_0101_0101_0101;

const NIBBLE: [u8; 256] = {
    let mut table = [255u8; 256];
    let mut i = 0u8;
    while i < 16 {
        table[b"0123456789abcdef"[i as usize] as usize] = i;
        table[b"0123456789ABCDEF"[i as usize] as usize] = i;
        i += 1;
    }
    table
};

const HEX: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_hexdigit();
        byte += 1;
    }
    table
};
