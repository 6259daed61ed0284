//! The byte stream to an endpoint: TCP, perhaps through a proxy, with TLS where the scheme is https.
//!
//! In goes an [`Endpoint`], out comes a connected stream, or an error with what to change. What came first over it is kept:
//! by that [`Connector::explained`] tells a server of another protocol from one that is away. No HTTP here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::heard::{Heard, Hearing, tls_failure};
use super::mismatch::{self, Mismatch, Probe};
use super::tls::{self, CertificateRequest, TlsError};
use crate::otlp::endpoint::Endpoint;
use crate::otlp::outcome::{Class, Code, SendError};
use crate::otlp::protocol::Protocol;

/// Probes of a server that closes connections without a word: it may only be starting, and speak later.
const PROBES_MAX: u32 = 3;
/// What speaks at all answers a probe in this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects to one endpoint again and again.
pub(crate) struct Connector {
    endpoint: Endpoint,
    tls: Option<Tls>,
    /// What came first over the latest connection, and within its TLS.
    wire: Heard,
    inside: Heard,
    probes: AtomicU32,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    asked: Arc<CertificateRequest>,
}

impl Connector {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Connector, TlsError> {
        let tls = if endpoint.is_tls() { Some(Tls::new(endpoint)?) } else { None };
        let (wire, inside) = (Heard::default(), Heard::default());
        Ok(Connector { endpoint: endpoint.clone(), tls, wire, inside, probes: AtomicU32::new(PROBES_MAX) })
    }

    pub(crate) async fn connect(&self) -> Result<Stream, SendError> {
        let stream = self.tcp().await?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(Hearing::new(stream, &self.inside))) };
        let connected = tls.connector.connect(tls.name.clone(), Hearing::new(stream, &self.wire)).await;
        let stream = connected.map_err(|error| self.no_tls(&error))?;
        Ok(Stream::Tls(Box::new(Hearing::new(stream, &self.inside))))
    }

    /// Whether requests name their host in full, because a proxy passes them on.
    pub(crate) fn is_forwarded(&self) -> bool {
        self.endpoint.proxy.is_some() && self.tls.is_none() && self.endpoint.protocol == Protocol::Http
    }

    async fn tcp(&self) -> Result<TcpStream, SendError> {
        let (host, port) = (self.endpoint.host(), self.endpoint.port());
        let stream = match &self.endpoint.proxy {
            Some(proxy) => {
                let mut stream = proxy.connect().await?;
                if !self.is_forwarded() {
                    proxy.tunnel(&mut stream, host, port).await?;
                }
                stream
            }
            None => TcpStream::connect((host, port)).await.map_err(|error| no_connection(&error))?,
        };
        // Requests are written whole: waiting to fill a segment would only delay their last one.
        stream.set_nodelay(true).map_err(|error| no_connection(&error))?;
        Ok(stream)
    }

    fn no_tls(&self, error: &io::Error) -> SendError {
        let failure = tls_failure(error);
        if let Some(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)) = failure {
            // What was offered is all that this protocol has (ALPN).
            return self.mismatched(match self.endpoint.protocol {
                Protocol::Grpc => Mismatch::Http,
                Protocol::Http => Mismatch::Grpc,
            });
        }
        match failure.and_then(|failure| tls::advice(failure, &self.endpoint)) {
            Some(advice) => SendError::new(Class::Misconfigured, Code::Certificate, advice),
            None => no_connection(error),
        }
    }

    /// An error as what it is: where another protocol is spoken, or a certificate is not accepted, trying again is no use.
    pub(crate) async fn explained(&self, error: SendError) -> SendError {
        if error.code.is_answer() {
            return self.explained_answer(error);
        }
        if error.class == Class::Misconfigured || !matches!(error.code, Code::Connect | Code::Broken | Code::Timeout) {
            return error;
        }
        let inside = self.inside.beginning();
        let wire = if self.tls.is_some() { self.wire.beginning() } else { inside.clone() };
        if let Some(mismatch) = mismatch::recognised(&self.endpoint, &wire.first, &inside.first) {
            return self.mismatched(mismatch);
        }
        if let Some(tls) = &self.tls {
            let failure = inside.failure.or(wire.failure);
            if let Some(advice) = failure.and_then(|failure| tls::advice(&failure, &self.endpoint)) {
                return SendError::new(Class::Misconfigured, Code::Certificate, advice);
            }
            if tls.asked.holds() && inside.first.is_empty() && error.code == Code::Broken {
                let advice = tls::about_client(&self.endpoint);
                return SendError::new(Class::Misconfigured, Code::Certificate, advice);
            }
        }
        // Never a word from there: refused connections aside, ask in other protocols.
        let is_silent = wire.first.is_empty() && !error.message.contains("refused");
        match is_silent.then_some(self.probed()) {
            Some(probed) => probed.await.map_or(error, |mismatch| self.mismatched(mismatch)),
            None => error,
        }
    }

    fn explained_answer(&self, error: SendError) -> SendError {
        let is_http = matches!(error.code, Code::Http(_));
        if is_http && !self.endpoint.is_tls() && mismatch::wants_tls(&error.message) {
            return self.mismatched(Mismatch::Tls);
        }
        if is_http && self.endpoint.protocol == Protocol::Grpc && error.class == Class::Misconfigured {
            let advice = mismatch::advice(&self.endpoint, Mismatch::Http);
            return SendError::new(error.class, error.code, format!("{}; {advice}", error.message));
        }
        error
    }

    fn mismatched(&self, mismatch: Mismatch) -> SendError {
        SendError::new(Class::Misconfigured, Code::Protocol, mismatch::advice(&self.endpoint, mismatch))
    }

    /// Asks what else may be spoken there, some times at most.
    async fn probed(&self) -> Option<Mismatch> {
        let left = |left: u32| left.checked_sub(1);
        self.probes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).ok()?;
        for probe in mismatch::probes(&self.endpoint) {
            let heard = Heard::default();
            // What was heard counts, whether it could be read on or not.
            drop(tokio::time::timeout(PROBE_TIMEOUT, self.probe(probe, &heard)).await);
            if let Some(mismatch) = mismatch::of_probe(&self.endpoint, &heard.beginning().first) {
                // One port may serve several protocols, and have closed a connection for another reason.
                return (!self.is_understood().await).then_some(mismatch);
            }
        }
        None
    }

    /// Whether the protocol that it is asked in is spoken there too.
    async fn is_understood(&self) -> bool {
        let heard = Heard::default();
        drop(tokio::time::timeout(PROBE_TIMEOUT, self.probe_as_asked(&heard)).await);
        mismatch::is_as_asked(&self.endpoint, &heard.beginning().first)
    }

    async fn probe_as_asked(&self, heard: &Heard) -> Option<()> {
        let stream = self.tcp().await.ok()?;
        let probe = mismatch::probe_as_asked(&self.endpoint);
        match &self.tls {
            Some(tls) => {
                let stream = tls.connector.connect(tls.name.clone(), stream).await.ok()?;
                self.ask(probe, Hearing::new(stream, heard)).await
            }
            None => self.ask(probe, Hearing::new(stream, heard)).await,
        }
    }

    async fn probe(&self, probe: Probe, heard: &Heard) -> Option<()> {
        let stream = Hearing::new(self.tcp().await.ok()?, heard);
        if probe == Probe::Tls {
            let mut endpoint = self.endpoint.clone();
            // Nothing is sent over it.
            endpoint.tls = crate::otlp::endpoint::TlsSettings { skip_verify: true, ..Default::default() };
            let tls = Tls::new(&endpoint).ok()?;
            tls.connector.connect(tls.name, stream).await.ok()?;
            return Some(());
        }
        self.ask(probe, stream).await
    }

    async fn ask(&self, probe: Probe, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        stream.write_all(&mismatch::question(probe, &self.endpoint)).await.ok()?;
        // What came is remembered as it comes.
        stream.read_buf(&mut Vec::with_capacity(1024)).await.ok()?;
        Some(())
    }
}

impl Tls {
    fn new(endpoint: &Endpoint) -> Result<Tls, TlsError> {
        let host = endpoint.host().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::Name(host))?;
        let tls::Trust { mut config, asked } = tls::trust(endpoint)?;
        config.alpn_protocols = match endpoint.protocol {
            Protocol::Grpc => vec![b"h2".to_vec()],
            Protocol::Http => vec![b"http/1.1".to_vec()],
        };
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name, asked })
    }
}

fn no_connection(error: &io::Error) -> SendError {
    SendError::transport(Code::Connect, error.to_string())
}

/// A connected stream.
pub(crate) enum Stream {
    Plain(Hearing<TcpStream>),
    Tls(Box<Hearing<TlsStream<Hearing<TcpStream>>>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A stream as hyper wants it.
pub struct HyperStream<S>(pub S);

impl<S: AsyncRead + Unpin> hyper::rt::Read for HyperStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Through a buffer of our own: handing out hyper's uninitialised one takes `unsafe`. Answers are small.
        let mut bytes = [0; 8 * 1024];
        let room = buffer.remaining().min(bytes.len());
        let mut read = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        buffer.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> hyper::rt::Write for HyperStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}
