//! Compressed payloads, and those that many entries share.
//!
//! In go bytes of data objects, out come their payloads, each no longer than the limit. Both kinds of memory are bounded.

use std::io::Read;

use spanline_parsers::journal_file::Compression;

/// The longest field that is read; of a longer one the entry comes without it. journald takes fields of up to 768 MiB, which
/// only core dumps had, before systemd 215.
pub(super) const FIELD_BYTES_MAX: usize = 8 << 20;
/// Memory that an xz stream may ask for.
const XZ_MEMORY_KIB_MAX: u32 = 64 << 10;

/// Undoes compression.
#[derive(Default)]
pub(super) struct Decompressor {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    plain: Vec<u8>,
}

impl Decompressor {
    /// The payload; `None` if it is damaged, or longer than the limit.
    pub(super) fn plain(&mut self, compression: Compression, packed: &[u8]) -> Option<&[u8]> {
        self.plain.clear();
        match compression {
            Compression::Zstd => self.zstd(packed)?,
            Compression::Lz4 => {
                let (size, block) = packed.split_first_chunk::<8>()?;
                let size = usize::try_from(u64::from_le_bytes(*size)).ok().filter(|size| *size <= FIELD_BYTES_MAX)?;
                self.plain.resize(size, 0);
                let got = lz4_flex::block::decompress_into(block, &mut self.plain).ok()?;
                (got == size).then_some(())?;
            }
            Compression::Xz => {
                let input = lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB_MAX);
                input.take(FIELD_BYTES_MAX as u64 + 1).read_to_end(&mut self.plain).ok()?;
            }
        }
        (self.plain.len() <= FIELD_BYTES_MAX).then_some(&self.plain)
    }

    fn zstd(&mut self, packed: &[u8]) -> Option<()> {
        let size = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
        let size = usize::try_from(size).ok().filter(|size| *size <= FIELD_BYTES_MAX)?;
        if self.zstd.is_none() {
            self.zstd = zstd::bulk::Decompressor::new().ok();
        }
        self.plain.reserve(size);
        let got = self.zstd.as_mut()?.decompress_to_buffer(packed, &mut self.plain).ok()?;
        (got == size).then_some(())
    }
}

/// Payloads that are kept.
const SLOTS: usize = 4096;
/// Bytes of them; beyond that all are forgotten, and those met again are kept again.
const BYTES_MAX: usize = 1 << 20;
/// A longer one is not kept.
const PAYLOAD_BYTES_MAX: usize = 4096;

/// Payloads by the places of their objects.
#[derive(Debug, Default)]
pub(super) struct Shared {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
}

/// `at`: 0 where it is free.
#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    at: u64,
    start: u32,
    length: u16,
    value: u16,
}

impl Shared {
    /// The payload of the object at a place, and where its value begins, if it is kept.
    #[inline]
    pub(super) fn get(&self, at: u64) -> Option<(&[u8], usize)> {
        let slot = self.slots.get(slot_of(at)).filter(|slot| slot.at == at)?;
        let start = slot.start as usize;
        Some((&self.bytes[start..start + usize::from(slot.length)], usize::from(slot.value)))
    }

    /// Keeps a payload, in the place of whatever had its slot.
    pub(super) fn keep(&mut self, at: u64, payload: &[u8], value: usize) {
        let (Ok(length), Ok(value)) = (u16::try_from(payload.len()), u16::try_from(value)) else { return };
        if payload.len() > PAYLOAD_BYTES_MAX {
            return;
        }
        if self.bytes.len() + payload.len() > BYTES_MAX || self.slots.is_empty() {
            self.slots.clear();
            self.slots.resize(SLOTS, Slot::default());
            self.bytes.clear();
        }
        self.slots[slot_of(at)] = Slot { at, start: self.bytes.len() as u32, length, value };
        self.bytes.extend_from_slice(payload);
    }
}

/// Places are multiples of 8.
fn slot_of(at: u64) -> usize {
    ((at >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_its_place_and_room_is_bounded() {
        let mut shared = Shared::default();
        assert_eq!(shared.get(8), None);
        for at in (8..800_000).step_by(8) {
            let payload = format!("FIELD={at}");
            shared.keep(at, payload.as_bytes(), 6);
            assert_eq!(shared.get(at), Some((payload.as_bytes(), 6)));
            assert!(shared.bytes.len() <= BYTES_MAX);
        }
        shared.keep(16, &[b'x'; PAYLOAD_BYTES_MAX + 1], 3);
        assert_ne!(shared.get(16).map(|(payload, _)| payload.len()), Some(PAYLOAD_BYTES_MAX + 1));
    }

    #[test]
    fn payloads_of_every_compression_are_read_and_damage_is_told() {
        let text = b"MESSAGE=".repeat(200);
        let mut lz4 = (text.len() as u64).to_le_bytes().to_vec();
        // A token that says: so many literals, and nothing after them.
        lz4.push(0xf0);
        let mut left = text.len() - 15;
        while left >= 255 {
            lz4.push(255);
            left -= 255;
        }
        lz4.push(left as u8);
        lz4.extend_from_slice(&text);
        let zstd = zstd::bulk::compress(&text, 1).unwrap();
        // As systemd writes it: LZMA2 without a check.
        let xz = b"\xfd7zXZ\0\0\0\xff\x12\xd9A\x02\0!\x01\x0c\0\0\0\x8f\x98A\x9c\xe0\x06?\0\x17]\0&\x91F\xac\xd0ot\xb8\xa8\xe4\xb64c2\xcc\x5cA]\x01\xfd\xf1\x9c\0\0\0\0\x01+\xc0\x0c\0\0\0Kv\xfd\x0d\xa8\0\x0a\xfc\x02\0\0\0\0\0YZ".to_vec();
        let mut decompressor = Decompressor::default();
        for (compression, packed) in [(Compression::Lz4, lz4), (Compression::Zstd, zstd), (Compression::Xz, xz)] {
            assert_eq!(decompressor.plain(compression, &packed), Some(&text[..]), "{compression:?}");
            assert_eq!(decompressor.plain(compression, &packed[..packed.len() / 2]), None, "{compression:?}");
            assert_eq!(decompressor.plain(compression, b""), None);
        }
        let huge = (FIELD_BYTES_MAX as u64 + 1).to_le_bytes();
        assert_eq!(decompressor.plain(Compression::Lz4, &huge), None);
    }
}
