//! A stream whose first bytes were looked at and come again, and which tells that something came.
//!
//! In goes a stream, out comes the same one. By its first bytes HTTP/2 is told from HTTP/1.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::watch::Activity;

/// No method of HTTP/1 begins like HTTP/2's preface does (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI";

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// The stream.
pub(super) struct Rewind<S> {
    first: [u8; PREFACE.len()],
    /// Of these, those that are still to be read.
    ahead: std::ops::Range<usize>,
    stream: S,
    activity: Arc<Activity>,
}

/// Reads the first bytes; `None`: the stream ended before there were enough to tell.
pub(super) async fn spoken<S: AsyncRead + Unpin>(
    mut stream: S,
    activity: Arc<Activity>,
) -> io::Result<Option<(Spoken, Rewind<S>)>> {
    let (mut first, mut length) = ([0; PREFACE.len()], 0);
    while length < first.len() && first[..length] == PREFACE[..length] {
        match stream.read(&mut first[length..]).await? {
            0 => return Ok(None),
            read => length += read,
        }
    }
    let spoken = if first == PREFACE { Spoken::Http2 } else { Spoken::Http1 };
    Ok(Some((spoken, Rewind { first, ahead: 0..length, stream, activity })))
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = if self.ahead.is_empty() {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        } else {
            let length = self.ahead.len().min(buffer.remaining());
            let from = self.ahead.start;
            buffer.put_slice(&self.first[from..from + length]);
            self.ahead.start += length;
            Poll::Ready(Ok(()))
        };
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
