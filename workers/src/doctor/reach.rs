//! Getting as far as a handshake: name → connection → TLS, and nothing after it.
//!
//! *Guarantee*: not one byte of a request is sent. The certificate's end is known also where the
//! certificate is refused: it is noted before it is verified.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use reqwest::Url;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Where a URL leads, without the names, passwords and questions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_encrypted: bool,
}

/// A connection that stands.
pub(super) struct Reached {
    pub(super) stream: Box<dyn Stream>,
    pub(super) tls: Option<Tls>,
}

/// What the handshake told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tls {
    /// The protocol.
    pub(super) version: &'static str,
    /// When the certificate ends.
    pub(super) ends: Option<Timestamp>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreached {
    /// The name has no address.
    Name,
    /// No connection: refused, no route.
    Connect(io::ErrorKind),
    /// This machine has no certificate roots.
    NoRoots,
    /// The handshake failed, with the library's word for it.
    Handshake {
        why: String,
        /// When the certificate ends, where one came.
        ends: Option<Timestamp>,
    },
}

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Target {
    /// The target of a URL; `None` where it is none.
    pub(super) fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let (is_encrypted, default) = match url.scheme() {
            "https" => (true, 443),
            "http" => (false, 80),
            "amqps" => (true, 5671),
            "amqp" => (false, 5672),
            _ => return None,
        };
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port: url.port().unwrap_or(default), is_encrypted })
    }

    /// Whether it is this machine.
    pub(super) fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Connects, and shakes hands where the URL says so.
    pub(super) async fn reach(&self) -> Result<Reached, Unreached> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|_| Unreached::Name)?.collect();
        let tcp = TcpStream::connect(addresses.as_slice()).await;
        let tcp = tcp.map_err(|error| Unreached::Connect(error.kind()))?;
        if self.is_encrypted {
            return self.shake_hands(tcp).await;
        }
        Ok(Reached { stream: Box::new(tcp), tls: None })
    }

    async fn shake_hands(&self, tcp: TcpStream) -> Result<Reached, Unreached> {
        let name = ServerName::try_from(self.host.clone()).map_err(|_| Unreached::Name)?;
        adapters::transport::http::install_tls();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let verifier = WebPkiServerVerifier::builder(Arc::new(roots)).build();
        let inner = verifier.map_err(|_| Unreached::NoRoots)?;
        let noting = Arc::new(Noting { inner, ends: Mutex::new(None) });
        let config = ClientConfig::builder()
            .dangerous() // it verifies all the same: see `Noting`
            .with_custom_certificate_verifier(noting.clone())
            .with_no_client_auth();
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        let ends = *noting.ends.lock().unwrap_or_else(PoisonError::into_inner);
        match shaken {
            Ok(stream) => {
                let version = match stream.get_ref().1.protocol_version() {
                    Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
                    Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
                    Some(_) | None => "TLS",
                };
                Ok(Reached { stream: Box::new(stream), tls: Some(Tls { version, ends }) })
            }
            Err(error) => Err(Unreached::Handshake { why: refusal(&error), ends }),
        }
    }
}

/// The word for a failed handshake: the library's, as far as it says nothing that they sent.
fn refusal(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => {
            let text = format!("{why:?}");
            let word = text.split([' ', '(', '{']).next().unwrap_or_default();
            format!("certificate refused: {}", words(word))
        }
        Some(rustls::Error::AlertReceived(alert)) => format!("they ended it: {alert:?}"),
        Some(_) => "what they speak is not TLS 1.2 or 1.3".to_owned(),
        None => format!("{}", error.kind()),
    }
}

/// `NotValidForName` as words.
fn words(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// Notes when a certificate ends, then verifies it as every client of the hub does.
#[derive(Debug)]
struct Noting {
    inner: Arc<WebPkiServerVerifier>,
    ends: Mutex<Option<Timestamp>>,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = end_of(end_entity);
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn end_of(certificate: &[u8]) -> Option<Timestamp> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Timestamp::from_second(read.validity().not_after.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_keeps_nothing_secret_of_its_url() {
        for (url, host, port, is_encrypted) in [
            ("https://user:secret@gateway.example/gbdfl/?token=1", "gateway.example", 443, true),
            ("http://gateway.example:8080/x", "gateway.example", 8080, false),
            ("amqps://hub:secret@broker/%2f", "broker", 5671, true),
            ("amqp://broker:5673", "broker", 5673, false),
            ("http://[::1]:9/", "::1", 9, false),
        ] {
            let target = Target::of(url).unwrap();
            assert_eq!(target, Target { host: host.to_owned(), port, is_encrypted }, "{url}");
        }
        for url in ["", "nonsense", "ftp://host/", "postgres://database/portal"] {
            assert_eq!(Target::of(url), None, "{url}");
        }
    }

    #[test]
    fn the_librarys_names_become_words() {
        assert_eq!(words("NotValidForName"), "not valid for name");
        assert_eq!(words("Expired"), "expired");
    }
}
