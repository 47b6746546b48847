//! TLS on the listener: rustls with ring, HTTP/2 or HTTP/1.1 by ALPN, and certificates that are read again when their
//! files change.
//!
//! A renewed certificate is used for new connections from the next look at the files on, without a restart. Files that
//! cannot be used leave the certificate before them in place, and say so.

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

use crate::config::TlsConfig;
use crate::error_chain::error_chain;
use crate::secret::file_version::FileVersion;

/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is no PEM.
    #[error("{file} cannot be read as PEM", file = file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in it.
    #[error("{file} holds no certificate (a PEM section `CERTIFICATE`)", file = .0.display())]
    NoCertificate(PathBuf),
    /// The key is of a kind that ring cannot use.
    #[error("the key in {file} cannot be used", file = file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// They are not a pair.
    #[error("the key in {key} does not belong to the certificate in {certificate}",
        key = key.display(), certificate = certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What rustls makes of it.
        source: rustls::Error,
    },
    /// rustls refuses the settings as a whole.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// The certificate in use, and where it comes from.
pub struct Certificates {
    files: TlsConfig,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// What rustls asks for each handshake.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current([redacted])")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When they hold no certificate with its key.
    pub fn load(files: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let current = Arc::new(Current(ArcSwap::from_pointee(read(files)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets spare the returning browser a round trip, and us a table of sessions.
        config.ticketer = ring::Ticketer::new()?;
        Ok(Arc::new(Self { files: files.clone(), current, acceptor: TlsAcceptor::from(Arc::new(config)) }))
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As for [`Certificates::load`]; what was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.0.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    /// Looks at the files every `look`, for ever, and reads them again when they have changed.
    pub async fn follow(&self, look: Duration) {
        let mut seen = self.versions();
        loop {
            tokio::time::sleep(look).await;
            let found = self.versions();
            if found == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    seen = found;
                    tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
                }
                // The two files are rarely replaced at once: the next look may find a pair.
                Err(error) => {
                    tracing::warn!(error = %error_chain(&error), "the certificate in use stays in use")
                }
            }
        }
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    fn versions(&self) -> [Option<FileVersion>; 2] {
        [&self.files.certificate, &self.files.key].map(|file| FileVersion::from_path(file).ok())
    }
}

fn read(files: &TlsConfig) -> Result<CertifiedKey, TlsError> {
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
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Some keys cannot be compared; a handshake will tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(source) => {
            Err(TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone(), source })
        }
    }
}
