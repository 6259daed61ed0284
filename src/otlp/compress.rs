//! Makes an encoded request smaller, at level 1.
//!
//! In go the pieces of a request, out come the pieces to send. The work is done on the caller's thread, so that it can
//! be a decode worker's: sending never compresses. Contexts are kept per thread, as setting one up costs more than a
//! small request does.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Crc, FlushCompress, Status};

/// How a request is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, which every OTLP endpoint takes.
    Gzip,
    /// zstd, three times as fast as gzip.
    Zstd,
}

/// Level 1 of both: higher ones cost several times the CPU for a few per cent.
const LEVEL: u32 = 1;

/// Magic, deflate, no flags, no time, fastest (RFC 1952 §2.3), unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

impl Compression {
    /// The compression of a name: `none`, `gzip` or `zstd`.
    pub fn from_name(name: &str) -> Option<Compression> {
        match name {
            "none" => Some(Compression::None),
            "gzip" => Some(Compression::Gzip),
            "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The name on the wire, `identity` for none.
    pub fn encoding(self) -> &'static str {
        match self {
            Compression::None => "identity",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// The pieces compressed as one; the pieces themselves for [`Compression::None`].
pub fn compress(pieces: &[Bytes], compression: Compression) -> Vec<Bytes> {
    let compressed = match compression {
        Compression::None => None,
        Compression::Gzip => Some(gzip(pieces)),
        Compression::Zstd => zstd(pieces),
    };
    compressed.map_or_else(|| pieces.to_vec(), |bytes| vec![Bytes::from(bytes)])
}

/// Everything that a thread keeps for zstd: the context, and room for the joined request and its result.
struct ZstdRoom {
    context: zstd::bulk::Compressor<'static>,
    joined: Vec<u8>,
    result: Vec<u8>,
}

thread_local! {
    static ZSTD: RefCell<Option<ZstdRoom>> = const { RefCell::new(None) };
    static DEFLATE: RefCell<Option<Compress>> = const { RefCell::new(None) };
}

/// Joins and compresses in one go: zstd's streaming would copy the pieces into its window as well, and is slower.
/// `None` only where zstd cannot get memory.
fn zstd(pieces: &[Bytes]) -> Option<Vec<u8>> {
    ZSTD.with_borrow_mut(|room| {
        if room.is_none() {
            let context = zstd::bulk::Compressor::new(LEVEL as i32).ok()?;
            *room = Some(ZstdRoom { context, joined: Vec::new(), result: Vec::new() });
        }
        let room = room.as_mut()?;
        let whole = match pieces {
            [one] => &one[..],
            pieces => {
                room.joined.clear();
                pieces.iter().for_each(|piece| room.joined.extend_from_slice(piece));
                &room.joined
            }
        };
        room.result.clear();
        room.result.reserve(zstd::zstd_safe::compress_bound(whole.len()));
        room.context.compress_to_buffer(whole, &mut room.result).ok()?;
        Some(room.result.as_slice().to_vec())
    })
}

fn gzip(pieces: &[Bytes]) -> Vec<u8> {
    DEFLATE.with_borrow_mut(|context| {
        let deflate = context.get_or_insert_with(|| Compress::new(flate2::Compression::new(LEVEL), false));
        deflate.reset();
        let len: usize = pieces.iter().map(Bytes::len).sum();
        let mut out = Vec::with_capacity(len / 4 + 64);
        out.extend_from_slice(&GZIP_HEADER);
        let mut checksum = Crc::new();
        for piece in pieces {
            checksum.update(piece);
            deflate_piece(deflate, piece, FlushCompress::None, &mut out);
        }
        deflate_piece(deflate, &[], FlushCompress::Finish, &mut out);
        out.extend_from_slice(&checksum.sum().to_le_bytes());
        out.extend_from_slice(&checksum.amount().to_le_bytes());
        out
    })
}

/// Feeds one piece, making room as needed.
fn deflate_piece(deflate: &mut Compress, mut piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    loop {
        out.reserve(16 * 1024);
        let before = deflate.total_in();
        let status = deflate.compress_vec(piece, out, flush).expect("BUG: deflate refused its input");
        piece = &piece[(deflate.total_in() - before) as usize..];
        let has_room = out.len() < out.capacity();
        let finishes = matches!(flush, FlushCompress::Finish);
        if status == Status::StreamEnd || (piece.is_empty() && has_room && !finishes) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn undone(pieces: &[Bytes], compression: Compression) -> Vec<u8> {
        let bytes = pieces.concat();
        let mut plain = Vec::new();
        match compression {
            Compression::None => plain = bytes,
            Compression::Gzip => {
                flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            }
            Compression::Zstd => plain = zstd::decode_all(&bytes[..]).unwrap(),
        }
        plain
    }

    fn check(pieces: &[Bytes]) {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let compressed = compress(pieces, compression);
            assert!(undone(&compressed, compression) == pieces.concat(), "{compression:?}");
        }
    }

    #[test]
    fn pieces_of_any_size_come_back() {
        check(&[]);
        check(&[Bytes::new()]);
        let noise: Vec<u8> = (0..3_000_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        check(&[Bytes::from_static(b"a"), Bytes::from(noise), Bytes::from_static(b"b")]);
        check(&[Bytes::from("level=info msg=started ".repeat(40_000))]);
    }

    proptest! {
        #[test]
        fn any_pieces_come_back(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::from).collect();
            check(&pieces);
        }
    }
}
