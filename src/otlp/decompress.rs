//! Undoes how a request is compressed, up to a limit.
//!
//! In go bytes of any origin, out come the plain ones, or why there are none. The work is done on the caller's thread.

use std::io::Read;

use bytes::Bytes;

use super::compress::Compression;

/// Why there are no plain bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPlain {
    /// They are more than the limit.
    #[error("it decompresses to more than {0} bytes")]
    TooLarge(usize),
    /// The bytes are not compressed as was said.
    #[error("it cannot be decompressed: {0}")]
    Broken(String),
}

/// The plain bytes; a share of the given ones where nothing is compressed.
pub fn decompress(body: &Bytes, compression: Compression, bytes_max: usize) -> Result<Bytes, NotPlain> {
    // Nothing is nothing, however it is compressed.
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    let mut plain = Vec::new();
    let read = match compression {
        Compression::None if body.len() > bytes_max => return Err(NotPlain::TooLarge(bytes_max)),
        Compression::None => return Ok(body.clone()),
        Compression::Gzip => read(flate2::bufread::MultiGzDecoder::new(&body[..]), bytes_max, &mut plain),
        Compression::Zstd => {
            zstd::stream::read::Decoder::with_buffer(&body[..]).and_then(|decoder| read(decoder, bytes_max, &mut plain))
        }
    };
    read.map_err(|error| NotPlain::Broken(error.to_string()))?;
    if plain.len() > bytes_max { Err(NotPlain::TooLarge(bytes_max)) } else { Ok(plain.into()) }
}

/// One byte more than the limit where there are more.
fn read(from: impl Read, bytes_max: usize, plain: &mut Vec<u8>) -> std::io::Result<usize> {
    from.take(bytes_max as u64 + 1).read_to_end(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otlp::compress;

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    #[test]
    fn a_small_request_that_decompresses_to_a_large_one_is_refused() {
        let large = Bytes::from(vec![0; 1 << 20]);
        for compression in ALL {
            let small = Bytes::from(compress(std::slice::from_ref(&large), compression).concat());
            assert_eq!(decompress(&small, compression, large.len()), Ok(large.clone()), "{compression:?}");
            let refused = decompress(&small, compression, large.len() - 1);
            assert_eq!(refused, Err(NotPlain::TooLarge(large.len() - 1)), "{compression:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(plain: Vec<u8>) {
            let plain = Bytes::from(plain);
            for compression in ALL {
                let body = Bytes::from(compress(std::slice::from_ref(&plain), compression).concat());
                prop_assert_eq!(decompress(&body, compression, 1 << 20), Ok(plain.clone()));
            }
        }

        #[test]
        fn never_panics(body: Vec<u8>) {
            let body = Bytes::from(body);
            ALL.into_iter().for_each(|compression| drop(decompress(&body, compression, 4096)));
        }
    }
}
