//! The sockets that are listened on: TCP, and unix sockets with what an earlier process left of them.
//!
//! In goes an address or a path, out come connections. A file in the place of a unix socket is removed only if it is a socket
//! that nobody listens on; the socket goes with the listener, unless another has its name by then.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Owner and group may send.
const UNIX_MODE: u32 = 0o660;

/// Where is listened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// An address and port.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Socket::Tcp(address) => address.fmt(f),
            Socket::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A socket that is listened on.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix { listener: UnixListener, path: PathBuf, inode: (u64, u64) },
}

impl Listener {
    /// Listens. Runs within a `tokio` runtime.
    pub fn bind(socket: &Socket) -> io::Result<Listener> {
        match socket {
            Socket::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Listener(Kind::Tcp(TcpListener::from_std(listener)?)))
            }
            Socket::Unix(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(UNIX_MODE))?;
                let found = std::fs::symlink_metadata(path)?;
                Ok(Listener(Kind::Unix { listener, path: path.clone(), inode: (found.dev(), found.ino()) }))
            }
        }
    }

    /// Where it listens, with the port that it was given.
    pub fn socket(&self) -> io::Result<Socket> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(Socket::Tcp),
            Kind::Unix { path, .. } => Ok(Socket::Unix(path.clone())),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are written whole.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Kind::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Kind::Unix { path, inode, .. } = &self.0
            && std::fs::symlink_metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == *inode)
        {
            // One that stays is removed by the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otlp.sock");
        let socket = Socket::Unix(path.clone());
        // Left by a process that is gone.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&socket).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, UNIX_MODE);
        let taken = Listener::bind(&socket).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert_eq!(Listener::bind(&socket).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }

    #[tokio::test]
    async fn a_socket_of_another_is_left_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otlp.sock");
        let first = Listener::bind(&Socket::Unix(path.clone())).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = Listener::bind(&Socket::Unix(path.clone())).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
