//! A slow link: passes bytes on to an endpoint at a rate, with little room for what waits.
//!
//! In go connections to a port, out go the same bytes to another one; all connections share the rate. Answers are passed on
//! at once. What is said is not looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Room on each side, so that little is neither here nor there.
const BUFFER_BYTES: u32 = 8 * 1024;
/// Bytes are passed on in pieces of this time.
const PIECE: Duration = Duration::from_millis(10);

/// A running link; it is cut when this is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// A link to `behind` that passes so many bytes per second.
    pub(crate) async fn start(behind: SocketAddr, bytes_per_second: u32) -> Relay {
        let socket = TcpSocket::new_v4().unwrap();
        // Before it listens: connections inherit it, and announce a window no larger.
        socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let link = Arc::new(Link { bytes_per_second, free_at: Mutex::new(Instant::now()) });
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_send_buffer_size(BUFFER_BYTES).unwrap();
                let Ok(far) = socket.connect(behind).await else { return };
                connections.spawn(pass(near, far, Arc::clone(&link)));
            }
        });
        Relay { address, task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Link {
    bytes_per_second: u32,
    /// When what was given to it so far has passed.
    free_at: Mutex<Instant>,
}

impl Link {
    /// Waits until so many bytes have passed, behind those of others.
    async fn carry(&self, bytes: usize) {
        let passed_at = {
            let mut free_at = self.free_at.lock().await;
            let took = Duration::from_secs_f64(bytes as f64 / f64::from(self.bytes_per_second));
            *free_at = (*free_at).max(Instant::now()) + took;
            *free_at
        };
        sleep_until(passed_at).await;
    }
}

async fn pass(near: TcpStream, far: TcpStream, link: Arc<Link>) {
    let (near_read, mut near_write) = near.into_split();
    let (mut far_read, far_write) = far.into_split();
    let back = async { drop(tokio::io::copy(&mut far_read, &mut near_write).await) };
    tokio::join!(forth(near_read, far_write, &link), back);
}

async fn forth(mut near: OwnedReadHalf, mut far: OwnedWriteHalf, link: &Link) {
    let piece = (f64::from(link.bytes_per_second) * PIECE.as_secs_f64()).max(1.0) as usize;
    let mut bytes = vec![0; piece];
    while let Ok(read @ 1..) = near.read(&mut bytes).await {
        link.carry(read).await;
        if far.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
