//! Gathers small writes into few large ones, without copying what is shared anyway.
//!
//! HTTP/2 hands over one frame of at most 16 KiB per write, which costs one system call each. Here frames are collected
//! and written when 256 KiB are there, and whenever the future that drives the connection has nothing more to do: it
//! polls the connection, then [`Drain`]s. A flush asked for by the connection is therefore left to the driver. Bytes of a
//! message that was [borrowed](SharedRoom::lend) are kept by a share of it, all others by a copy.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::rope::Rope;

/// Enough for two or three messages' worth of frames per system call, little enough to stay in the cache.
const GATHER_BYTES: usize = 256 * 1024;

/// Less is copied: that costs less than a piece of its own.
const SHARED_MIN: usize = 1024;

/// Room for the headers of many frames.
const COPIED_BYTES: usize = 4096;

/// Pieces that are written by one system call: a message in frames is one piece for each header and content.
const PIECES_MAX: usize = 64;

/// The stream that the connection writes to.
pub(crate) struct Gather<S>(Arc<Mutex<Inner<S>>>);

/// The driver's end of a [`Gather`].
pub(crate) struct Drain<S>(Arc<Mutex<Inner<S>>>);

/// Says which bytes are shared.
#[derive(Clone)]
pub(crate) struct SharedRoom(Arc<Mutex<Vec<Bytes>>>);

struct Inner<S> {
    stream: S,
    borrowed: Arc<Mutex<Vec<Bytes>>>,
    /// What is to be written, in order.
    pieces: Rope,
    /// Copied bytes after the last piece.
    copied: BytesMut,
}

/// Splits a stream into what the connection writes to, what its driver drains, and what senders lend their bytes to.
pub(crate) fn gather<S>(stream: S) -> (Gather<S>, Drain<S>, SharedRoom) {
    let borrowed = Arc::default();
    let inner = Inner {
        stream,
        borrowed: Arc::clone(&borrowed),
        pieces: Rope::default(),
        copied: BytesMut::with_capacity(COPIED_BYTES),
    };
    let inner = Arc::new(Mutex::new(inner));
    (Gather(Arc::clone(&inner)), Drain(inner), SharedRoom(borrowed))
}

impl SharedRoom {
    /// Until what is returned is dropped, writes of parts of these bytes keep shares of them.
    pub(crate) fn lend(&self, pieces: impl Iterator<Item = Bytes>) -> Borrowed {
        let pieces: Vec<Bytes> = pieces.filter(|piece| piece.len() >= SHARED_MIN).collect();
        lock(&self.0).extend(pieces.iter().cloned());
        Borrowed { pieces, all: Arc::clone(&self.0) }
    }
}

/// Bytes that are borrowed.
pub(crate) struct Borrowed {
    pieces: Vec<Bytes>,
    all: Arc<Mutex<Vec<Bytes>>>,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        for piece in &self.pieces {
            if let Some(at) = all.iter().position(|other| other.as_ptr() == piece.as_ptr()) {
                all.swap_remove(at);
            }
        }
    }
}

impl<S> Inner<S> {
    fn length(&self) -> usize {
        self.pieces.remaining() + self.copied.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        match self.shared(bytes) {
            Some(share) => {
                self.end_copied();
                self.pieces.push(share);
            }
            None => self.copied.extend_from_slice(bytes),
        }
    }

    /// A share of the borrowed bytes that these are a part of. Bytes that stand at the same place are the same.
    fn shared(&self, bytes: &[u8]) -> Option<Bytes> {
        if bytes.len() < SHARED_MIN {
            return None;
        }
        let place = bytes.as_ptr() as usize;
        lock(&self.borrowed).iter().find_map(|piece| {
            let start = place.checked_sub(piece.as_ptr() as usize)?;
            (start + bytes.len() <= piece.len()).then(|| piece.slice(start..start + bytes.len()))
        })
    }

    fn end_copied(&mut self) {
        if !self.copied.is_empty() {
            let copied = self.copied.split().freeze();
            self.pieces.push(copied);
        }
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    /// Writes what is gathered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_copied();
        while self.pieces.has_remaining() {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let filled = self.pieces.chunks_vectored(&mut slices);
            let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..filled]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pieces.advance(count);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Room for at least one byte.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.length() >= GATHER_BYTES {
            ready!(self.poll_drain(cx))?;
        }
        Poll::Ready(Ok(GATHER_BYTES - self.length()))
    }
}

impl<S: AsyncWrite + Unpin> Drain<S> {
    /// Writes everything gathered to the stream.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_drain(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.0);
        let room = ready!(inner.poll_room(cx))?;
        let taken = bytes.len().min(room);
        inner.push(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.0);
        let room = ready!(inner.poll_room(cx))?;
        let mut left = room;
        for slice in slices {
            let taken = slice.len().min(left);
            inner.push(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(room - left))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.0);
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_read(cx, buffer)
    }
}

/// Locks are held for a moment only, by tasks of one thread: they are never contended.
fn lock<T>(inner: &Mutex<T>) -> MutexGuard<'_, T> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What arrives at the far end of a narrow pipe when these pieces are written.
    async fn arrived(pieces: Vec<Bytes>, borrowed: Vec<Bytes>) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(1000);
        let (mut gather, drain, shared) = gather(near);
        let writer = async move {
            let borrowed = shared.lend(borrowed.into_iter());
            for piece in pieces {
                gather.write_all(&piece).await.unwrap();
            }
            drop(borrowed);
            std::future::poll_fn(|cx| drain.poll(cx)).await.unwrap();
            assert!(lock(&shared.0).is_empty());
        };
        let reader = async move {
            let mut got = Vec::new();
            far.read_to_end(&mut got).await.unwrap();
            got
        };
        tokio::join!(writer, reader).1
    }

    #[tokio::test]
    async fn everything_written_arrives_once_drained() {
        let sent: Bytes = (0..700_000u32).map(|n| n as u8).collect();
        let pieces = (0..sent.len()).step_by(9000).map(|at| sent.slice(at..sent.len().min(at + 9000))).collect();
        assert!(arrived(pieces, Vec::new()).await == sent);
    }

    #[test]
    fn what_is_lent_is_shared_and_all_else_copied() {
        let borrowed = Bytes::from(vec![7; 3 * SHARED_MIN]);
        let (gather, _, shared) = gather(tokio::io::empty());
        let guard = shared.lend([borrowed.clone(), Bytes::from_static(b"short")].into_iter());
        let mut inner = lock(&gather.0);
        for piece in [&borrowed[..9], &borrowed[10..10 + SHARED_MIN], &[7; SHARED_MIN], &borrowed[SHARED_MIN..]] {
            inner.push(piece);
        }
        let places: Vec<_> = inner.pieces.pieces().map(|piece| piece.as_ptr()).collect();
        assert_eq!(places[1], borrowed[10..].as_ptr());
        assert_eq!(places[3], borrowed[SHARED_MIN..].as_ptr());
        assert!(!borrowed.as_ptr_range().contains(&places[0]) && !borrowed.as_ptr_range().contains(&places[2]));
        drop(guard);
        inner.push(&borrowed);
        assert_eq!((inner.pieces.pieces().count(), inner.copied.len()), (4, borrowed.len()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn lent_and_other_bytes_arrive_in_order(cuts in proptest::collection::vec((any::<bool>(), 0usize..5000), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let borrowed: Bytes = (0..300_000u32).map(|n| (n / 251) as u8).collect();
            let mut at = 0;
            let mut pieces = Vec::new();
            for (is_lent, length) in cuts {
                let piece = borrowed.slice(at..at + length);
                pieces.push(if is_lent { piece } else { Bytes::copy_from_slice(&piece) });
                at += length;
            }
            let got = runtime.block_on(arrived(pieces, vec![borrowed.slice(..150_000), borrowed.slice(150_000..)]));
            prop_assert!(got == borrowed[..at]);
        }
    }
}
