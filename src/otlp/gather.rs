//! Gathers small writes into few large ones.
//!
//! HTTP/2 hands over one frame of at most 16 KiB per write, which costs one system call each. Here they are collected
//! and written when 256 KiB are there, and whenever the future that drives the connection has nothing more to do: it
//! polls the connection, then [`Drain`]s. A flush asked for by the connection is therefore left to the driver.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Enough for two or three messages' worth of frames per system call, little enough to stay in the cache.
const GATHER_BYTES: usize = 256 * 1024;

/// The stream that the connection writes to.
pub(super) struct Gather<S>(Arc<Mutex<Inner<S>>>);

/// The driver's end of a [`Gather`].
pub(super) struct Drain<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    stream: S,
    gathered: Vec<u8>,
    written: usize,
}

/// Splits a stream into what the connection writes to, and what its driver drains.
pub(super) fn gather<S>(stream: S) -> (Gather<S>, Drain<S>) {
    let inner = Inner { stream, gathered: Vec::with_capacity(GATHER_BYTES), written: 0 };
    let inner = Arc::new(Mutex::new(inner));
    (Gather(Arc::clone(&inner)), Drain(inner))
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    /// Writes what is gathered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.gathered.len() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.gathered[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.gathered.clear();
        self.written = 0;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Room for at least one byte.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.gathered.len() == GATHER_BYTES {
            ready!(self.poll_drain(cx))?;
        }
        Poll::Ready(Ok(GATHER_BYTES - self.gathered.len()))
    }
}

impl<S: AsyncWrite + Unpin> Drain<S> {
    /// Writes everything gathered to the stream.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_drain(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.0);
        let room = ready!(inner.poll_room(cx))?;
        let taken = bytes.len().min(room);
        inner.gathered.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.0);
        let mut room = ready!(inner.poll_room(cx))?;
        let before = inner.gathered.len();
        for slice in slices {
            let taken = slice.len().min(room);
            inner.gathered.extend_from_slice(&slice[..taken]);
            room -= taken;
        }
        Poll::Ready(Ok(inner.gathered.len() - before))
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

/// Only the connection and its driver hold the lock, in turns on one task: it is never contended.
fn lock<S>(inner: &Mutex<Inner<S>>) -> MutexGuard<'_, Inner<S>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn everything_written_arrives_once_drained() {
        let (near, mut far) = tokio::io::duplex(1000);
        let (mut gather, drain) = gather(near);
        let sent: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let writer = async move {
            for piece in sent.chunks(9000) {
                gather.write_all(piece).await.unwrap();
            }
            std::future::poll_fn(|cx| drain.poll(cx)).await.unwrap();
            drop((gather, drain));
        };
        let reader = async move {
            let mut got = Vec::new();
            far.read_to_end(&mut got).await.unwrap();
            got
        };
        let ((), got) = tokio::join!(writer, reader);
        assert!(got == expected);
    }
}
