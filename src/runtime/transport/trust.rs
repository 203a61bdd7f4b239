use super::tls_config::{TlsError, client_config, server_config};
use rustls::{ClientConfig, ServerConfig};
use std::{fmt, path::Path, sync::Arc};

/// What a `wss` listener shows. Clones share it.
#[derive(Clone)]
pub struct TlsAcceptor(Arc<ServerConfig>);

impl TlsAcceptor {
    /// Reads the certificates, the server's own first, and the private key of PEM files.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be read, or the two do not belong together.
    pub fn from_pem(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        server_config(certificates, key).map(Self)
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

/// Whom a client of `wss` addresses trusts. Clones share it.
#[derive(Clone)]
pub struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    /// Trusts whom the system trusts. Reads the system's certificates: make one and keep it.
    ///
    /// # Errors
    /// [`TlsError`] when the system has no certificates.
    pub fn system() -> Result<Self, TlsError> {
        client_config(None).map(Self)
    }

    /// Trusts the certificates of a PEM file besides those of the system.
    ///
    /// # Errors
    /// [`TlsError`] when the file cannot be read.
    pub fn with_roots(roots: &Path) -> Result<Self, TlsError> {
        client_config(Some(roots)).map(Self)
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}
