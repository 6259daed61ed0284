//! A stream without its compression, which its first bytes tell and never its name.
//!
//! In goes anything that is read, out come its plain bytes: of gzip, zstd, xz and bzip2, all members, frames and streams of
//! them, one after the other; else what came in; text in UTF-16 as UTF-8. How much comes out is limited by those who read it.

mod gzip;
pub mod peeked;
mod utf16;

use std::io::{self, BufReader, Read};

use peeked::Peeked;

/// What each compression begins with. Nothing that is text begins so (`BZh` does, but for the digit after it and the
/// magic number of the first block: see [`BZIP2_BLOCKS`]).
const MAGICS: [(&[u8], Compression); 4] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
    (b"BZh", Compression::Bzip2),
];
/// The first block of a bzip2 stream begins with the digits of pi, or it ends at once with those of its square root.
const BZIP2_BLOCKS: [&[u8]; 2] = [&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// Of `BZh`, a digit and the first block's magic.
const MAGIC_BYTES_MAX: usize = 10;
/// Bytes that tell how a stream is read: more than any magic number, or a sample of UTF-16, has.
pub const START_BYTES: usize = 16;
/// Bytes taken from the compressed stream at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Memory for one stream of xz: `xz -9` needs 65 MiB; a header may ask for 4 GiB.
const XZ_MEMORY_KIB_MAX: u32 = 200 * 1024;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    fn of(start: &[u8]) -> Option<Compression> {
        let (_, compression) = MAGICS.iter().find(|(magic, _)| start.starts_with(magic))?;
        match compression {
            Compression::Bzip2 => {
                let is_block = start.get(4..MAGIC_BYTES_MAX).is_some_and(|block| BZIP2_BLOCKS.contains(&block));
                (is_block && matches!(start[3], b'1'..=b'9')).then_some(Compression::Bzip2)
            }
            other => Some(*other),
        }
    }

    /// More bytes are needed to tell.
    fn may_begin(start: &[u8]) -> bool {
        let whole = MAGICS.iter().any(|(magic, _)| start.len() < magic.len() && magic.starts_with(start));
        let block = start.get(4..).unwrap_or_default();
        let bzip2 = start.starts_with(b"BZh")
            && start.len() < MAGIC_BYTES_MAX
            && start.get(3).is_none_or(u8::is_ascii_digit)
            && BZIP2_BLOCKS.iter().any(|magic| magic.starts_with(block));
        whole || bzip2
    }
}

/// A stream without its compression, and as UTF-8 if it was UTF-16. No more is awaited of a stream than shows that it has none.
pub fn unpacked(input: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    unpacked_sized(input, 0)
}

/// The same of a stream that has about so many bytes: a small one is read in one go.
pub fn unpacked_sized(input: impl Read + Send + 'static, bytes: u64) -> io::Result<Box<dyn Read + Send>> {
    let room = usize::try_from(bytes).unwrap_or(usize::MAX).clamp(START_BYTES, BUFFER_BYTES);
    let mut input = Peeked::empty(input, room);
    input.await_more(Compression::may_begin);
    if let Some(error) = input.failed.take() {
        return Err(error);
    }
    let buffered = |input| BufReader::with_capacity(BUFFER_BYTES, input);
    let plain: Box<dyn Read + Send> = match Compression::of(input.head()) {
        Some(Compression::Gzip) => Box::new(gzip::Members::new(buffered(input))),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::new(input)?),
        Some(Compression::Xz) => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(buffered(input), true, XZ_MEMORY_KIB_MAX))
        }
        Some(Compression::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(input))),
        None => return Ok(utf16::decoded(input)),
    };
    Ok(utf16::decoded(Peeked::empty(plain, START_BYTES)))
}

/// Whether a stream that begins so is read as it is; of a shorter one than [`START_BYTES`] these are all its bytes.
pub fn is_plain(start: &[u8]) -> bool {
    Compression::of(start).is_none() && !utf16::begins(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'one\ntwo\n' | xz`, and the same by bzip2.
    const XZ: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAHb25lCnR3bwoAUauer1d1cEkAASAIuxnZux+2830BAAAAAARZWg==";
    const BZIP2: &str = "QlpoOTFBWSZTWacUK3cAAALBgAAQAgGEgCAAIYAMAjj1G4u5IpwoSFOKFbuA";

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        unpacked(io::Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn decoded(text: &str) -> Vec<u8> {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }

    #[test]
    fn each_compression_is_told_by_its_bytes_and_read_to_its_end() {
        for packed in [decoded(XZ), decoded(BZIP2), zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap()] {
            assert_eq!(read(packed.clone()).unwrap(), "one\ntwo\n");
            assert_eq!(read([&packed[..], &packed].concat()).unwrap(), "one\ntwo\none\ntwo\n");
            assert!(read(packed[..packed.len() - 5].to_vec()).is_err());
        }
    }

    #[test]
    fn what_was_looked_at_is_read_again_and_an_error_comes_in_its_place() {
        let packed = zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap();
        let broken = io::Cursor::new(packed[..packed.len() - 3].to_vec());
        let mut peeked = Peeked::new(unpacked(broken).unwrap(), 100).unwrap();
        let head = peeked.head().to_vec();
        let mut read = Vec::new();
        assert!(peeked.read_to_end(&mut read).is_err());
        assert_eq!(read, head);
    }

    #[test]
    fn text_that_begins_alike_stays_what_it_is() {
        for text in ["", "B", "BZ", "BZh", "BZh9", "BZh91AY&S", "BZhello, this is no archive", "7zXZ"] {
            assert_eq!(read(text.into()).unwrap(), text);
        }
    }
}
