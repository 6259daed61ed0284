//! An endpoint that acknowledges every request and counts log records on the wire, as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use spanline::otlp::wire::read::Fields;
use tokio::net::{TcpListener, TcpStream};

/// What arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    /// Uncompressed.
    pub(crate) bytes: u64,
    pub(crate) wire_bytes: u64,
}

/// The process; it ends when its input does.
pub(crate) struct Sink {
    pub(crate) port: u16,
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Sink {
    pub(crate) fn start() -> Result<Sink> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("role-sink").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(Sink { port: line.trim().parse()?, child, output })
    }

    /// Ends it and reads its tally.
    pub(crate) fn stop(mut self) -> Result<Tally> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        self.child.wait()?;
        let numbers: Vec<u64> = text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [records, bytes, wire_bytes] = numbers[..] else { anyhow::bail!("no tally in {text:?}") };
        Ok(Tally { records, bytes, wire_bytes })
    }
}

/// Takes what a request holds, uncompressed, and its bytes on the wire.
pub(crate) type Taken = Arc<dyn Fn(&[u8], usize) + Send + Sync>;

/// The process's own side.
pub(crate) fn serve() -> Result<()> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let shared = Arc::clone(&tally);
    let port = listen(Arc::new(move |message, wire_bytes| {
        let mut tally = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.records += records(message);
        tally.bytes += message.len() as u64;
        tally.wire_bytes += wire_bytes as u64;
    }))?;
    println!("{port}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let tally = *tally.lock().map_err(|_| anyhow::anyhow!("the sink panicked"))?;
    println!("{} {} {}", tally.records, tally.bytes, tally.wire_bytes);
    Ok(())
}

/// Listens on a thread of this process for as long as it lives; returns the port.
pub(crate) fn listen(taken: Taken) -> Result<u16> {
    let (give, take) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            give.send(listener.local_addr()?.port())?;
            loop {
                let (stream, _) = listener.accept().await?;
                let taken = Arc::clone(&taken);
                tokio::spawn(async move {
                    // A client that goes away is no error here.
                    connection(stream, taken).await.ok();
                });
            }
            #[expect(unreachable_code, reason = "says the type of the block")]
            anyhow::Ok(())
        })
    });
    Ok(take.recv()?)
}

async fn connection(stream: TcpStream, taken: Taken) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(8 << 20).initial_connection_window_size(64 << 20);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let taken = Arc::clone(&taken);
        tokio::spawn(async move { call(request, respond, taken).await.ok() });
    }
    Ok(())
}

async fn call(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    taken: Taken,
) -> Result<()> {
    let encoding =
        request.headers().get("grpc-encoding").and_then(|encoding| encoding.to_str().ok()).unwrap_or_default();
    let (is_zstd, is_gzip) = (encoding == "zstd", encoding == "gzip");
    let mut body = request.into_body();
    let mut framed = Vec::with_capacity(600_000);
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        framed.extend_from_slice(&piece);
    }
    let message = framed.get(5..).context("no message")?;
    let mut plain = Vec::new();
    if is_zstd {
        plain = zstd::decode_all(message)?;
    } else if is_gzip {
        flate2::read::GzDecoder::new(message).read_to_end(&mut plain)?;
    }
    let read = if is_zstd || is_gzip { &plain[..] } else { message };
    taken(read, framed.len());
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(Bytes::from_static(&[0; 5]), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)?;
    Ok(())
}

/// `ExportLogsServiceRequest.resource_logs.scope_logs.log_records`, counted by their tags.
fn records(request: &[u8]) -> u64 {
    let inside = |message, wanted| Fields::of(message).filter(move |(number, _)| *number == wanted);
    let mut count = 0;
    for (_, logs) in inside(request, 1) {
        for (_, scope) in inside(logs.bytes(), 2) {
            count += inside(scope.bytes(), 2).count() as u64;
        }
    }
    count
}
