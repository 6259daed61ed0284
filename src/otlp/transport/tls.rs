//! Whom a connection over TLS trusts, and the message where one side does not trust the other.
//!
//! In go an endpoint's certificates and flags, out come rustls' settings; in goes one of its errors, out comes what to
//! change, in words. Certificates are read once, when the client is made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::otlp::endpoint::ConnectionSetting;
use crate::otlp::endpoint::Endpoint;
use crate::setting::Setting;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file.
    #[error("{path}: {reason}")]
    File {
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system trusts nobody.
    #[error("no root certificates on this system ({reason}); name a file with {setting}")]
    NoRoots {
        /// What was wrong with those of the system.
        reason: String,
        /// The setting that names one.
        setting: Setting,
    },
    /// Certificate and key do not come together.
    #[error("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY are needed both")]
    HalfClient,
    /// Anything that the TLS library says.
    #[error("TLS: {0}")]
    Setup(#[from] Error),
    /// The host is no name for a certificate.
    #[error("TLS: `{0}` is not a name that a certificate can have")]
    Name(String),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {source}")]
pub struct ClientError {
    /// The endpoint, as the user names it.
    pub name: String,
    /// What is wrong.
    pub source: TlsError,
}

/// Settings for TLS, and whether a server asked for a certificate that there is not.
pub(crate) struct Trust {
    pub(crate) config: ClientConfig,
    pub(crate) asked: Arc<CertificateRequest>,
}

pub(crate) fn trust(endpoint: &Endpoint) -> Result<Trust, TlsError> {
    let settings = &endpoint.tls;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verifier: Arc<dyn ServerCertVerifier> =
        if settings.skip_verify { Arc::new(TrustAll(algorithms)) } else { verifier(endpoint, &provider)? };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let asked = Arc::new(CertificateRequest::default());
    let config = match (&settings.certificate, &settings.key) {
        (None, None) => builder.with_client_cert_resolver(asked.clone()),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
            builder.with_client_auth_cert(chain, key)?
        }
        _ => return Err(TlsError::HalfClient),
    };
    Ok(Trust { config, asked })
}

fn verifier(endpoint: &Endpoint, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut given = Vec::new();
    match &endpoint.tls.authority {
        Some(path) => {
            given = certificates(path)?;
            for certificate in &given {
                roots.add(certificate.clone()).map_err(|error| wrong(path, error))?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
            if roots.is_empty() {
                let reasons: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
                let setting = endpoint.role.setting(ConnectionSetting::CaFile);
                return Err(TlsError::NoRoots { reason: reasons.join("; "), setting });
            }
        }
    }
    let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let chains = chains.map_err(|error| Error::General(error.to_string()))?;
    Ok(Arc::new(TrustGiven { chains, given }))
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| wrong(path, error))?;
    if certificates.is_empty() {
        return Err(wrong(path, "holds no certificate"));
    }
    Ok(certificates)
}

pub(crate) fn wrong(path: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError::File { path: path.display().to_string(), reason: reason.to_string() }
}

/// Trusts what an authority signed, and the very certificates that were given, whether they may sign others or not.
#[derive(Debug)]
struct TrustGiven {
    chains: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for TrustGiven {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match result {
            // What webpki finds last: the times of the certificate are right.
            Err(Error::InvalidCertificate(error)) if is_about_the_chain(&error) && self.given.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Nobody trusted signed it, or it is an authority's own.
fn is_about_the_chain(error: &CertificateError) -> bool {
    matches!(error, CertificateError::UnknownIssuer) || is_authority(error)
}

fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity")
}

/// Takes any certificate of anybody. Handshakes must still be signed with its key.
#[derive(Debug)]
struct TrustAll(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Remembers that a server asked for a certificate where there is none. Over TLS 1.3 it refuses only later, and may close
/// the connection before that is read.
#[derive(Debug, Default)]
pub(crate) struct CertificateRequest(AtomicBool);

impl CertificateRequest {
    pub(crate) fn holds(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for CertificateRequest {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// What to change; `None` where the error may pass by itself.
pub(crate) fn advice(error: &Error, endpoint: &Endpoint) -> Option<String> {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(error) => Some(about_server(error, endpoint)),
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => Some(about_client(endpoint)),
        Error::AlertReceived(
            alert @ (Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity),
        ) => {
            let mut text = format!("the server refuses the TLS handshake ({alert:?}): it must speak TLS 1.2 or 1.3");
            if endpoint.tls.certificate.is_none() {
                text.push_str(&format!("; if it asks for a client certificate, {}", give_client(endpoint)));
            }
            Some(text)
        }
        Error::AlertReceived(Alert::UnrecognisedName) => {
            Some(format!("the server has no certificate for {}: use its name in the URL", endpoint.host()))
        }
        Error::PeerIncompatible(reason) => {
            Some(format!("the server's TLS is not spoken ({reason:?}): it must speak TLS 1.2 or 1.3"))
        }
        _ => None,
    }
}

fn about_server(error: &CertificateError, endpoint: &Endpoint) -> String {
    let ca_file = endpoint.role.setting(ConnectionSetting::CaFile);
    let date = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or_default();
        chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y-%m-%d %H:%M:%S UTC").to_string()
    };
    match error {
        error if is_about_the_chain(error) => match &endpoint.tls.authority {
            Some(path) => format!(
                "the server's certificate is neither in {} nor signed by one that is: give its authority's, or its own, with \
                 {ca_file}",
                path.display()
            ),
            None => format!(
                "the server's certificate is not signed by an authority that this system trusts: give its authority's, or \
                 its own, with {ca_file} FILE"
            ),
        },
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
            "the server's certificate names no host (subjectAltName), so it is not known to be of {}: it must be issued with \
             names",
            endpoint.host()
        ),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "the server's certificate is not of {} but of {}: use that name in the URL, or another certificate",
            endpoint.host(),
            presented.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", ")
        ),
        CertificateError::NotValidForName => {
            format!("the server's certificate is not of {}: use its name in the URL", endpoint.host())
        }
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the server's certificate expired on {}: renew it there (or set this machine's clock right)",
            date(not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is valid from {} on: set this machine's clock right (or renew it there)",
            date(not_before)
        ),
        error => format!("the server's certificate cannot be used ({error}): renew it there"),
    }
}

/// `DnsName("localhost")`, as the library puts it, without its kind.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// The server does not accept the client.
pub(crate) fn about_client(endpoint: &Endpoint) -> String {
    match &endpoint.tls.certificate {
        None => format!("the server asks for a client certificate: {}", give_client(endpoint)),
        Some(path) => format!(
            "the server does not accept the client certificate in {}: use one whose authority it trusts",
            path.display()
        ),
    }
}

fn give_client(endpoint: &Endpoint) -> String {
    let [cert, key] = [ConnectionSetting::CertFile, ConnectionSetting::KeyFile].map(|of| endpoint.role.setting(of));
    format!("give {cert} and {key}")
}
