use clap::Args;
use push_mux::{
    Address, Keypair,
    runtime::{Credentials, TlsAcceptor, TlsConnector, identity_file},
    secret::{Auth, NetworkKey},
};
use std::{path::PathBuf, sync::Arc};

/// Who we are to peers that shake hands.
#[derive(Args, Clone)]
pub(crate) struct IdentityArgs {
    /// The file with our key pair; ~/.ssb/secret if not said. A server makes it when there is none.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Option<PathBuf>,
    /// The network to talk to, base64 of 32 bytes; the main network if not said.
    #[arg(long, value_name = "BASE64", value_parser = network)]
    network_key: Option<NetworkKey>,
}

fn network(text: &str) -> Result<NetworkKey, String> {
    NetworkKey::from_base64(text).ok_or_else(|| "a network key is base64 of 32 bytes".to_owned())
}

pub(crate) fn shakes_hands(address: &Address) -> bool {
    address.endpoints().iter().any(|endpoint| matches!(endpoint.auth, Auth::Shs { .. }))
}

impl IdentityArgs {
    fn path(&self) -> Result<PathBuf, String> {
        let path = self.secret.clone().map_or_else(identity_file::default_path, Ok);
        path.map_err(|error| error.to_string())
    }

    fn credentials(&self, identity: Keypair) -> Credentials {
        let network = self.network_key.clone().unwrap_or_default();
        Credentials { identity: Arc::new(identity), network }
    }

    /// A server's: the file is made when there is none.
    pub(crate) fn of_server(&self) -> Result<Credentials, String> {
        let identity = identity_file::load_or_create(&self.path()?, identity_file::draw_seed)
            .map_err(|error| error.to_string())?;
        Ok(self.credentials(identity))
    }

    /// A client's: the file that was named, else the usual one if it is there, else somebody new.
    pub(crate) fn of_client(&self) -> Result<Credentials, String> {
        let path = self.path().ok().filter(|path| self.secret.is_some() || path.exists());
        match path {
            Some(path) => {
                identity_file::load(&path).map(|own| self.credentials(own)).map_err(|error| error.to_string())
            }
            None => {
                let mut own = Credentials::anonymous().map_err(|error| error.to_string())?;
                own.network = self.network_key.clone().unwrap_or_default();
                Ok(own)
            }
        }
    }
}

/// The certificate of `wss` listeners.
#[derive(Args, Clone)]
pub(crate) struct TlsArgs {
    /// The certificates of wss listeners, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The private key that belongs to the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    pub(crate) fn acceptor(&self) -> Result<Option<TlsAcceptor>, String> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else { return Ok(None) };
        TlsAcceptor::from_pem(certificate, key).map(Some).map_err(|error| error.to_string())
    }
}

/// How a client reaches peers.
#[derive(Args, Clone)]
pub(crate) struct DialArgs {
    /// The SOCKS5 proxy for onion: addresses; Tor's 127.0.0.1:9050 if not said.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) socks5: Option<String>,
    /// Certificates to trust besides the system's, PEM; for wss addresses.
    #[arg(long, value_name = "FILE")]
    tls_roots: Option<PathBuf>,
}

impl DialArgs {
    pub(crate) fn connector(&self) -> Result<Option<TlsConnector>, String> {
        let Some(roots) = &self.tls_roots else { return Ok(None) };
        TlsConnector::with_roots(roots).map(Some).map_err(|error| error.to_string())
    }
}
