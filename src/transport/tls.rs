//! TLS by rustls with ring: HTTP/2 or HTTP/1.1 by ALPN, and certificates that are reloaded when their files change.
//!
//! New connections use a renewed certificate without a restart. Files that cannot be used are logged, and the certificate
//! in use stays in use.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::TlsAcceptor;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

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
    #[error("the certificate in {file} expired at {ended}", file = file.display())]
    Expired { file: PathBuf, ended: Timestamp },
    #[error("the certificate in {file} is not valid before {begins}", file = file.display())]
    NotYetValid { file: PathBuf, begins: Timestamp },
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

struct LoadedCertificate {
    key: Arc<CertifiedKey>,
    /// `None` if the certificate cannot be parsed.
    validity: Option<Range<Timestamp>>,
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

    /// The validity of the certificate in use; `None` if it cannot be parsed.
    pub fn validity(&self) -> Option<Range<Timestamp>> {
        self.current.0.load().validity.clone()
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    fn versions(&self) -> [Option<FileVersion>; 2] {
        [&self.files.certificate, &self.files.key].map(|file| FileVersion::from_path(file).ok())
    }
}

/// Reads both files and compares them.
fn read(files: &TlsConfig) -> Result<LoadedCertificate, TlsError> {
    pair(files, read_chain(files)?, &read_key(files)?)
}

fn read_chain(files: &TlsConfig) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|source| TlsError::Pem { file: files.certificate.clone(), source })?;
    if chain.is_empty() { Err(TlsError::NoCertificate(files.certificate.clone())) } else { Ok(chain) }
}

fn read_key(files: &TlsConfig) -> Result<Arc<dyn SigningKey>, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|source| TlsError::Pem { file: files.key.clone(), source })?;
    ring::sign::any_supported_type(&key).map_err(|source| TlsError::Key { file: files.key.clone(), source })
}

fn pair(
    files: &TlsConfig,
    chain: Vec<CertificateDer<'static>>,
    key: &Arc<dyn SigningKey>,
) -> Result<LoadedCertificate, TlsError> {
    let validity = validity(&chain[0]);
    let certified = CertifiedKey::new(chain, key.clone());
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

/// When a certificate begins and ceases to be valid. `None` when it cannot be parsed: whether it is otherwise as RFC 5280 wants it is for
/// browsers to decide.
fn validity(leaf: &CertificateDer<'_>) -> Option<Range<Timestamp>> {
    let parsed = CertificateInner::<Raw>::from_der(leaf).ok()?;
    let validity = parsed.tbs_certificate().validity();
    let time = |since_1970: Duration| Timestamp::UNIX_EPOCH.checked_add(since_1970).ok();
    Some(time(validity.not_before.to_unix_duration())?..time(validity.not_after.to_unix_duration())?)
}

/// The result of checking a certificate's file and its key's file.
#[derive(Debug, Default)]
pub struct TlsFindings {
    /// What keeps browsers from connecting, with whether it is about the key's file.
    pub errors: Vec<(bool, TlsError)>,
    /// When the certificate ceases to be valid.
    pub expires: Option<Timestamp>,
}

/// Checks both files: whether they can be read, belong together and are valid `now`. Returns everything that is wrong.
pub fn check(files: &TlsConfig, now: Timestamp) -> TlsFindings {
    let mut findings = TlsFindings::default();
    let (chain, key) = (read_chain(files), read_key(files));
    let valid = chain.as_ref().ok().and_then(|chain| validity(&chain[0]));
    match (chain, key) {
        (Ok(chain), Ok(key)) => {
            findings.errors.extend(pair(files, chain, &key).err().map(|error| (true, error)))
        }
        (chain, key) => {
            findings.errors.extend(chain.err().map(|error| (false, error)));
            findings.errors.extend(key.err().map(|error| (true, error)));
        }
    }
    if let Some(valid) = valid {
        let file = files.certificate.clone();
        if now < valid.start {
            findings.errors.push((false, TlsError::NotYetValid { file, begins: valid.start }));
        } else if now >= valid.end {
            findings.errors.push((false, TlsError::Expired { file, ended: valid.end }));
        }
        findings.expires = Some(valid.end);
    }
    findings
}
