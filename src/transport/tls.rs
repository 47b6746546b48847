//! TLS by rustls with ring: HTTP/2 or HTTP/1.1 by ALPN, and certificates that are reloaded when their files change.
//!
//! New connections use a renewed certificate without a restart. Files that cannot be used are logged, and the certificate
//! in use stays in use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;
use x509_cert::time::Time;

use crate::config::TlsConfig;
use crate::error_chain::error_chain;
use crate::secret::file_version::FileVersion;

/// How often the files are checked for changes.
pub const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file} cannot be read as PEM", file = file.display())]
    Pem { file: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{file} holds no certificate (a PEM section `CERTIFICATE`)", file = .0.display())]
    NoCertificate(PathBuf),
    /// ring does not support the type of key.
    #[error("the key in {file} cannot be used", file = file.display())]
    Key { file: PathBuf, source: rustls::Error },
    #[error("the key in {key} does not belong to the certificate in {certificate}",
        key = key.display(), certificate = certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

pub struct Certificates {
    files: TlsConfig,
    current: Arc<CurrentCertificate>,
    acceptor: TlsAcceptor,
}

/// The certificate that rustls uses for the next handshake.
struct CurrentCertificate(ArcSwap<LoadedCertificate>);

/// When a certificate is valid, Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateValidity {
    pub not_before: u64,
    pub not_after: u64,
}

struct LoadedCertificate {
    key: Arc<CertifiedKey>,
    /// `None` when the certificate does not tell.
    validity: Option<CertificateValidity>,
}

impl fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentCertificate([redacted])")
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().key.clone())
    }
}

impl Certificates {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not belong together.
    pub fn load(files: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let current = Arc::new(CurrentCertificate(ArcSwap::from_pointee(read(files)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets save a returning browser a round trip, and the server a table of sessions.
        config.ticketer = ring::Ticketer::new()?;
        Ok(Arc::new(Self { files: files.clone(), current, acceptor: TlsAcceptor::from(Arc::new(config)) }))
    }

    /// # Errors
    /// As for [`Certificates::load`]; then the certificate in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read(&self.files);
        if read.is_err() {
            metrics::counter!("footfall_tls_reload_failures_total").increment(1);
        }
        self.current.0.store(Arc::new(read?));
        Ok(())
    }

    /// Checks the files each `interval`, and reads them again when they have changed. Never returns.
    pub async fn follow(&self, interval: Duration) {
        let mut seen = self.versions();
        loop {
            tokio::time::sleep(interval).await;
            let found = self.versions();
            if found == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    seen = found;
                    tracing::info!(certificate = %self.files.certificate.display(), "certificate reloaded");
                }
                // The two files are seldom replaced at the same time: the next check may find a pair.
                Err(error) => tracing::warn!(
                    error = %error_chain(&error),
                    "reloading the certificate failed; the one in use stays in use"
                ),
            }
        }
    }

    /// Of the certificate in use; `None` when it does not tell.
    pub fn validity(&self) -> Option<CertificateValidity> {
        self.current.0.load().validity
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    fn versions(&self) -> [Option<FileVersion>; 2] {
        [&self.files.certificate, &self.files.key].map(|file| FileVersion::from_path(file).ok())
    }
}

fn read(files: &TlsConfig) -> Result<LoadedCertificate, TlsError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::Pem { file, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(pem(&files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(pem(&files.key))?;
    let key = ring::sign::any_supported_type(&key)
        .map_err(|source| TlsError::Key { file: files.key.clone(), source })?;
    let validity = validity(&chain[0]);
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Some types of keys cannot be compared; the first handshake shows whether they match.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(LoadedCertificate { key: Arc::new(certified), validity })
        }
        Err(source) => {
            Err(TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone(), source })
        }
    }
}

/// Whether the certificate is otherwise as RFC 5280 wants it is for browsers to decide.
fn validity(certificate: &CertificateDer<'_>) -> Option<CertificateValidity> {
    let parsed = CertificateInner::<Raw>::from_der(certificate)
        .inspect_err(
            |error| tracing::warn!(%error, "the certificate's validity cannot be read, so no metric tells of it"),
        )
        .ok()?;
    let validity = parsed.tbs_certificate().validity();
    let seconds = |time: &Time| time.to_unix_duration().as_secs();
    Some(CertificateValidity {
        not_before: seconds(&validity.not_before),
        not_after: seconds(&validity.not_after),
    })
}
