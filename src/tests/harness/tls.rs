//! TLS in front of an endpoint that speaks none.
//!
//! In go connections with TLS, out go the same bytes to a plain port. What is said over them is not looked at. Keys and
//! certificates are those of `testdata/tls`: an authority, a server named `localhost`, a client, and servers that signed
//! themselves.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::run::testdata;

/// A running front; its thread ends when this is dropped.
pub(crate) struct TlsFront {
    pub(crate) port: u16,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl TlsFront {
    /// Takes the bytes for `behind`. `asks`: clients must have a certificate of the authority.
    pub(crate) fn start(behind: SocketAddr, asks: bool) -> TlsFront {
        TlsFront::start_as("server", behind, asks)
    }

    /// With another certificate and key of `testdata/tls`.
    pub(crate) fn start_as(name: &str, behind: SocketAddr, asks: bool) -> TlsFront {
        TlsFront::run(behind, config(name, asks))
    }

    /// That knows one protocol alone (ALPN), and refuses clients of another.
    pub(crate) fn start_for(protocol: &str, behind: SocketAddr) -> TlsFront {
        let mut config = config("server", false);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        TlsFront::run(behind, config)
    }

    fn run(behind: SocketAddr, config: ServerConfig) -> TlsFront {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (give, take) = mpsc::channel();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                give.send(listener.local_addr().unwrap().port()).unwrap();
                tokio::select! { () = pass(listener, acceptor, behind) => {}, _ = stopped => {} }
            });
        });
        TlsFront { port: take.recv().unwrap(), _stop: stop }
    }
}

async fn pass(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // Clients that do not trust us, or that we do not trust, go no further.
            let Ok(mut near) = acceptor.accept(stream).await else { return };
            let mut far = TcpStream::connect(behind).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
        });
    }
}

fn config(name: &str, asks: bool) -> ServerConfig {
    let certificate = |name: &str| CertificateDer::from_pem_file(testdata(name)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = if asks {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("tls/ca.pem")).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(testdata(&format!("tls/{name}.key"))).unwrap();
    let mut config = builder.with_single_cert(vec![certificate(&format!("tls/{name}.pem"))], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
