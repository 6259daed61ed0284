//! The hashes by which a journal's file finds data: SipHash-2-4 with the file's id as key, and in older files Jenkins's lookup3.
//!
//! In go bytes, out comes the hash that stands in the file. <https://systemd.io/JOURNAL_FILE_FORMAT/#hash-tables>,
//! <https://www.burtleburtle.net/bob/c/lookup3.c>

/// SipHash-2-4.
pub fn keyed(key: &[u8; 16], bytes: &[u8]) -> u64 {
    let half = |at: usize| key[at..].first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
    let (low, high) = (half(0), half(8));
    let mut state = [
        low ^ 0x736f_6d65_7073_6575,
        high ^ 0x646f_7261_6e64_6f6d,
        low ^ 0x6c79_6765_6e65_7261,
        high ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8;
    for word in words.iter().chain([&last]) {
        let word = u64::from_le_bytes(*word);
        state[3] ^= word;
        round(&mut state);
        round(&mut state);
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

/// Both halves of lookup3's hashlittle2, the first one above.
pub fn jenkins(bytes: &[u8]) -> u64 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    if bytes.is_empty() {
        return u64::from(c) << 32 | u64::from(b);
    }
    // The last 1 to 12 bytes are mixed in another way.
    let (blocks, last) = bytes.split_at((bytes.len() - 1) / 12 * 12);
    let word = |block: &[u8], at: usize| {
        let mut word = [0; 4];
        let part = block.get(at..).unwrap_or_default();
        let length = part.len().min(4);
        word[..length].copy_from_slice(&part[..length]);
        u32::from_le_bytes(word)
    };
    for block in blocks.chunks_exact(12) {
        (a, b, c) = (a.wrapping_add(word(block, 0)), b.wrapping_add(word(block, 4)), c.wrapping_add(word(block, 8)));
        for turn in [4, 6, 8, 16, 19, 4] {
            a = a.wrapping_sub(c) ^ c.rotate_left(turn);
            c = c.wrapping_add(b);
            (a, b, c) = (b, c, a);
        }
    }
    (a, b, c) = (a.wrapping_add(word(last, 0)), b.wrapping_add(word(last, 4)), c.wrapping_add(word(last, 8)));
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    u64::from(c) << 32 | u64::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of SipHash's own reference implementation.
    #[test]
    fn siphash_gives_the_reference_vectors() {
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(keyed(&key, b""), 0x726f_db47_dd0e_0e31);
        assert_eq!(keyed(&key, &bytes[..8]), 0x93f5_f579_9a93_2462);
        assert_eq!(keyed(&key, &bytes), 0xa129_ca61_49be_45e5);
    }

    /// Those that `driver5` of lookup3.c prints.
    #[test]
    fn jenkins_gives_the_reference_vectors() {
        assert_eq!(jenkins(b""), 0xdead_beef_dead_beef);
        assert_eq!(jenkins(b"Four score and seven years ago"), 0x1777_0551_ce72_26e6);
    }
}
