//! Programs that only send: encoded messages through the client, the same through HTTP/2 as it comes, and one record
//! for each line of real files, unparsed.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use spanline::export::batch::{Batch, Group};
use spanline::otlp::{Client, Compression, Endpoint, Signal};
use spanline::record::Receipt;
use tokio::task::JoinSet;

/// As large as `spanline`'s own.
const MESSAGE_BYTES: usize = 512 * 1024;
const IN_FLIGHT: usize = 4;

/// A message of `count` records of `len` bytes each: filler in an unknown field.
fn message(count: usize, len: usize) -> Vec<Bytes> {
    let mut group = Group::default();
    let mut items = BytesMut::with_capacity(count * len);
    // 12 <varint> [7a <varint> filler]: field 15 is none of a log record's; two lengths of two bytes each.
    let filler = len.clamp(140, 16_000) - 6;
    let varint = |value: usize| [value as u8 | 0x80, (value >> 7) as u8];
    for _ in 0..count {
        items.put_u8(0x12);
        items.put_slice(&varint(filler + 3));
        items.put_u8(0x7a);
        items.put_slice(&varint(filler));
        items.put_bytes(b'x', filler);
        group.ends.push(items.len() as u32);
    }
    group.items = items.freeze();
    let mut batch = Batch::new(Signal::Logs);
    batch.push(group, Receipt::default());
    batch.message()
}

fn client(port: &str) -> Result<Arc<Client>> {
    let endpoint = Endpoint::from_url(&format!("http://127.0.0.1:{port}"), Signal::Logs, &|_| None)?;
    Ok(Arc::new(Client::new(endpoint)?))
}

/// Requests under way.
struct Flight {
    client: Arc<Client>,
    sends: JoinSet<Result<()>>,
}

impl Flight {
    async fn send(&mut self, message: Vec<Bytes>) -> Result<()> {
        if self.sends.len() >= IN_FLIGHT {
            self.landed().await?;
        }
        let client = Arc::clone(&self.client);
        self.sends.spawn(async move {
            client.send(Signal::Logs, message, Compression::None).await?;
            Ok(())
        });
        Ok(())
    }

    async fn landed(&mut self) -> Result<()> {
        match self.sends.join_next().await {
            Some(sent) => sent?,
            None => Ok(()),
        }
    }

    async fn end(mut self) -> Result<()> {
        while !self.sends.is_empty() {
            self.landed().await?;
        }
        Ok(())
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// `PORT BYTES`: through the client.
pub(crate) fn send_encoded(words: &[String]) -> Result<()> {
    let [port, bytes] = words else { anyhow::bail!("PORT BYTES") };
    let (client, bytes) = (client(port)?, bytes.parse::<usize>()?);
    runtime()?.block_on(async move {
        let mut flight = Flight { client, sends: JoinSet::new() };
        let message = message(MESSAGE_BYTES / 385, 385);
        for _ in 0..bytes / MESSAGE_BYTES {
            flight.send(message.clone()).await?;
        }
        flight.end().await
    })
}

/// `PORT BYTES`: the same messages, each frame written as HTTP/2 hands it over.
pub(crate) fn send_plainly(words: &[String]) -> Result<()> {
    let [port, bytes] = words else { anyhow::bail!("PORT BYTES") };
    let (address, bytes) = (format!("127.0.0.1:{port}"), bytes.parse::<usize>()?);
    runtime()?.block_on(async move {
        let stream = tokio::net::TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let message = message(MESSAGE_BYTES / 385, 385).concat();
        let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
        let framed = Bytes::from(framed);
        let uri = format!("http://{address}{}", Signal::Logs.grpc_path());
        let mut sends: JoinSet<Result<()>> = JoinSet::new();
        for _ in 0..bytes / MESSAGE_BYTES {
            if sends.len() >= IN_FLIGHT {
                sends.join_next().await.context("nothing under way")???;
            }
            let request = http::Request::post(&uri).version(http::Version::HTTP_2).body(())?;
            let (response, mut stream) = send.clone().ready().await?.send_request(request, false)?;
            stream.send_data(framed.clone(), true)?;
            sends.spawn(async move {
                let mut body = response.await?.into_body();
                while let Some(piece) = body.data().await {
                    piece?;
                }
                Ok(())
            });
        }
        while let Some(sent) = sends.join_next().await {
            sent??;
        }
        Ok(())
    })
}

/// `PORT RECORD_BYTES DIR`: reads every file, finds its lines, and sends a record of that size for each.
pub(crate) fn send_lines(words: &[String]) -> Result<()> {
    let [port, record_bytes, logs] = words else { anyhow::bail!("PORT RECORD_BYTES DIR") };
    let (client, record_bytes) = (client(port)?, record_bytes.parse::<usize>()?);
    let files = crate::generate::files(logs.as_ref())?;
    runtime()?.block_on(async move {
        let mut flight = Flight { client, sends: JoinSet::new() };
        let per_message = (MESSAGE_BYTES / record_bytes).max(1);
        let whole = message(per_message, record_bytes);
        let mut lines = 0;
        let mut buffer = vec![0; 256 * 1024];
        for path in files {
            let mut file = File::open(path)?;
            loop {
                let len = file.read(&mut buffer)?;
                if len == 0 {
                    break;
                }
                lines += memchr::memchr_iter(b'\n', &buffer[..len]).count();
                while lines >= per_message {
                    lines -= per_message;
                    flight.send(whole.clone()).await?;
                }
            }
        }
        if lines > 0 {
            flight.send(message(lines, record_bytes)).await?;
        }
        flight.end().await
    })
}
