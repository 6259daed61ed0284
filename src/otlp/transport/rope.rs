//! A message in pieces, as a buffer that HTTP/2 and HTTP/1.1 take as one.
//!
//! In go the shared pieces of an encoded request, out they are read in order. Nothing is copied or joined here.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

/// Pieces that are sent one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rope {
    pieces: VecDeque<Bytes>,
    remaining: usize,
}

impl Rope {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.remaining += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Shares of what is left.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Bytes> {
        self.pieces.iter().cloned()
    }
}

impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Rope {
        let mut rope = Rope::default();
        pieces.into_iter().for_each(|piece| rope.push(piece));
        rope
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece.as_ref())
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "BUG: advanced past the end of a message");
        self.remaining -= count;
        while let Some(front) = self.pieces.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.pieces.pop_front();
        }
    }
}

/// A rope as the body of an HTTP/1.1 request: one frame.
#[derive(Debug)]
pub(crate) struct RopeBody(Option<Rope>);

impl RopeBody {
    pub(crate) fn new(rope: Rope) -> RopeBody {
        RopeBody(Some(rope).filter(|rope| rope.remaining > 0))
    }
}

impl Body for RopeBody {
    type Data = Rope;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|rope| Ok(Frame::data(rope))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |rope| rope.remaining as u64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_like_the_joined_pieces(pieces: Vec<Vec<u8>>, steps in proptest::collection::vec(1usize..9, 0..200)) {
            let joined = pieces.concat();
            let mut rope: Rope = pieces.into_iter().map(Bytes::from).collect();
            let mut at = 0;
            for step in steps {
                prop_assert_eq!(rope.remaining(), joined.len() - at);
                let mut slices = [IoSlice::new(&[]); 4];
                let filled = rope.chunks_vectored(&mut slices);
                let seen: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
                prop_assert!(joined[at..].starts_with(&seen));
                let step = step.min(rope.remaining());
                rope.advance(step);
                at += step;
            }
            let rest = rope.copy_to_bytes(rope.remaining());
            prop_assert_eq!(&rest[..], &joined[at..]);
        }
    }
}
