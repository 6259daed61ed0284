//! Who may send: whoever reaches the socket, who has the token, or over TLS, perhaps only clients with a certificate.
//!
//! In go settings with paths of PEM files, out comes what a connection and a request are checked by. Files are read again once
//! they have changed, as certificates are renewed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, header};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::reply::{Refused, code};
pub use crate::otlp::transport::tls::TlsError;
use crate::otlp::transport::tls::{certificates, wrong};

/// How a receiver proves who it is, and perhaps asks for the same: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Its certificate chain.
    pub cert: PathBuf,
    /// The key to that.
    pub key: PathBuf,
    /// Authorities of clients' certificates; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
}

/// What a socket asks of who connects to it.
#[derive(Clone, Default)]
pub struct Access {
    tls: Option<Arc<Certificates>>,
    token: Option<Arc<str>>,
}

impl Access {
    /// Anybody who reaches the socket may send.
    pub fn open() -> Access {
        Access::default()
    }

    /// TLS and a token, each if given. Reads the files.
    pub fn new(tls: Option<&ServerTls>, token: Option<&str>) -> Result<Access, TlsError> {
        let certificates = tls.map(|tls| Certificates::read(tls, Instant::now()).map(Arc::new));
        Ok(Access { tls: certificates.transpose()?, token: token.map(Into::into) })
    }

    /// What speaks TLS, if that is spoken, and whether files that have changed could not be read: then it is as before.
    pub(super) fn acceptor(&self) -> Option<(TlsAcceptor, bool)> {
        self.tls.as_ref().map(|certificates| certificates.acceptor(Instant::now()))
    }

    /// Whether the authorization of requests is meant for this receiver.
    pub(super) fn takes_authorization(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a request may come in: `authorization: Bearer TOKEN`.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let given = match given.split_at_checked(7) {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => given.trim_ascii(),
            _ => b"",
        };
        if is_equal(given, token.as_bytes()) {
            return Ok(());
        }
        Err(Refused::new("unauthorized", code::UNAUTHENTICATED, 401, "the token is missing or wrong"))
    }
}

/// Takes as long for every text of one length, so that nobody finds the token byte by byte.
fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    let differing = given.iter().zip(expected).fold(0, |all, (one, other)| all | (one ^ other));
    given.len() == expected.len() && differing == 0
}

/// How often it is looked whether files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What was read from files, and when.
struct Certificates {
    settings: ServerTls,
    read: Mutex<Read>,
}

struct Read {
    acceptor: TlsAcceptor,
    /// When the files were changed last.
    changed: [Option<SystemTime>; 3],
    looked_at: Instant,
}

impl Certificates {
    fn read(settings: &ServerTls, now: Instant) -> Result<Certificates, TlsError> {
        let read = Read { changed: changed(settings), acceptor: acceptor(settings)?, looked_at: now };
        Ok(Certificates { settings: settings.clone(), read: Mutex::new(read) })
    }

    fn acceptor(&self, now: Instant) -> (TlsAcceptor, bool) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_failed = false;
        if now.saturating_duration_since(read.looked_at) >= LOOK_EVERY {
            read.looked_at = now;
            let changed = changed(&self.settings);
            if changed != read.changed {
                match acceptor(&self.settings) {
                    Ok(acceptor) => (read.acceptor, read.changed) = (acceptor, changed),
                    // They may be half written: looked at again.
                    Err(_) => has_failed = true,
                }
            }
        }
        (read.acceptor.clone(), has_failed)
    }
}

fn changed(settings: &ServerTls) -> [Option<SystemTime>; 3] {
    let of = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    [of(&settings.cert), of(&settings.key), settings.client_ca.as_deref().and_then(of)]
}

fn acceptor(settings: &ServerTls) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &settings.client_ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| wrong(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong(path, error))?)
        }
        None => builder.with_no_client_auth(),
    };
    let chain = certificates(&settings.cert)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| wrong(&settings.key, error))?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| wrong(&settings.cert, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_as_a_bearers() {
        let access = Access::new(None, Some("secret")).unwrap();
        let allows = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|value| (header::AUTHORIZATION, value.parse().unwrap())));
            access.check(&headers).is_ok()
        };
        assert!(allows(Some("Bearer secret")) && allows(Some("bearer  secret ")));
        for wrong in ["Bearer secre", "Bearer secrets", "secret", "Basic secret", "Bearer ", ""] {
            assert!(!allows(Some(wrong)), "{wrong}");
        }
        assert!(!allows(None));
        assert!(Access::open().check(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
        let copy = |name: &str, seconds: u64| {
            for (from, to) in [("pem", "cert"), ("key", "key")] {
                std::fs::copy(testdata.join(format!("{name}.{from}")), path(to)).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                std::fs::File::options().write(true).open(path(to)).unwrap().set_modified(time).unwrap();
            }
        };
        copy("server", 1);
        let settings = ServerTls { cert: path("cert"), key: path("key"), client_ca: None };
        let start = Instant::now();
        let certificates = Certificates::read(&settings, start).unwrap();
        let config = |seconds| {
            let (acceptor, has_failed) = certificates.acceptor(start + Duration::from_secs(seconds));
            (Arc::as_ptr(acceptor.config()) as usize, has_failed)
        };
        let first = config(0);
        copy("client", 2);
        assert_eq!(config(59), first);
        let second = config(60);
        assert!(second.0 != first.0 && !second.1);
        std::fs::write(path("cert"), "half a").unwrap();
        assert_eq!(config(119), second);
        assert_eq!(config(121), (second.0, true));
        copy("server", 3);
        let third = config(200);
        assert!(third.0 != second.0 && !third.1);
        assert_eq!(config(300), third);
    }

    #[test]
    fn a_file_that_is_none_is_named() {
        let missing = ServerTls { cert: "missing.pem".into(), key: "missing.key".into(), client_ca: None };
        let error = Access::new(Some(&missing), None).err().unwrap().to_string();
        assert!(error.starts_with("missing.pem: "), "{error}");
    }
}
