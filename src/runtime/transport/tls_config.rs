use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or is not the PEM it should be.
    #[error("{}: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// Certificate and key do not belong together, or cannot be used.
    #[error("{}: {error}", path.display())]
    Certificate {
        /// The file with the certificate.
        path: PathBuf,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// The machine has no certificates to trust, and none were given.
    #[error("no root certificates on this machine: {0}")]
    NoRoots(String),
    /// The library refuses its own settings.
    #[error("{0}")]
    Library(rustls::Error),
}

/// What a server shows: the certificates of `cert_pem`, its own first, and the private key of `key_pem`. Clients need no
/// certificate.
///
/// # Errors
/// [`TlsError::Pem`], [`TlsError::Certificate`].
pub(crate) fn server_config(cert_pem: &Path, key_pem: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(cert_pem)?;
    let key = PrivateKeyDer::from_pem_file(key_pem).map_err(in_file(key_pem))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Certificate { path: cert_pem.to_owned(), error })?;
    Ok(Arc::new(config))
}

/// Whom a client trusts: the machine's roots, and the certificates of `extra_roots`. Reads the machine's roots each time:
/// call it once.
///
/// # Errors
/// [`TlsError::Pem`], [`TlsError::Certificate`], [`TlsError::NoRoots`].
pub(crate) fn client_config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let native = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A machine's store may hold what no library can read; the rest of it still counts.
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = extra_roots {
        for root in certificates(path)? {
            roots.add(root).map_err(|error| TlsError::Certificate { path: path.to_owned(), error })?;
        }
    }
    if roots.is_empty() {
        let errors: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(errors.join("; ")));
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Named here, so that no process-wide default matters.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(in_file(path))?;
    if found.is_empty() {
        return Err(in_file(path)(pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn in_file(path: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    move |error| TlsError::Pem { path: path.to_owned(), error }
}
