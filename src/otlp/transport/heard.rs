//! A stream that remembers how its connection began: the first bytes that came, or why none did.
//!
//! In goes a stream, out comes the same one; what it heard can be asked for after it is gone. By this a server of another
//! protocol is told from one that is away for a moment.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Enough for an error in HTTP/1 with its first words.
const FIRST_BYTES: usize = 1024;

/// What the connections to one server heard, the latest that heard anything last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Beginning>>);

/// How the latest connection began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beginning {
    pub(crate) first: Vec<u8>,
    /// What TLS said instead.
    pub(crate) failure: Option<rustls::Error>,
}

impl Heard {
    pub(crate) fn beginning(&self) -> Beginning {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, first: &[u8], failure: Option<rustls::Error>) {
        let beginning = Beginning { first: first.to_vec(), failure };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = beginning;
    }
}

/// The stream.
pub(crate) struct Hearing<S> {
    stream: S,
    heard: Heard,
    /// What came so far, while it is still the beginning.
    first: Vec<u8>,
}

impl<S> Hearing<S> {
    pub(crate) fn new(stream: S, heard: &Heard) -> Hearing<S> {
        Hearing { stream, heard: heard.clone(), first: Vec::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hearing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.first.len() < FIRST_BYTES {
            match &polled {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                    let room = FIRST_BYTES - self.first.len();
                    self.first.extend(buffer.filled()[before..].iter().take(room));
                    self.heard.note(&self.first, None);
                }
                Poll::Ready(Err(error)) => {
                    if let Some(failure) = tls_failure(error) {
                        self.heard.note(&self.first, Some(failure.clone()));
                    }
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        polled
    }
}

/// The TLS library's own error in one of I/O.
pub(crate) fn tls_failure(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Hearing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
