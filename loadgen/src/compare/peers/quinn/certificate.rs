//! One self-signed certificate, made anew and alike by both ends, which so need not pass it on.

use std::sync::Arc;

use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::{ClientConfig, ServerConfig, TransportConfig};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};

/// Whom the certificate is for.
pub(super) const NAME: &str = "localhost";

/// Of the key pair. Ed25519 signs without chance, so that a key has but one certificate.
const SEED: [u8; 32] = *b"the server of a throughput run..";

/// What stands before the seed of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A server that presents the certificate.
pub(super) fn server(transport: Arc<TransportConfig>) -> anyhow::Result<ServerConfig> {
    let (certificate, key) = made()?;
    let mut config = ServerConfig::with_single_cert(vec![certificate], key.into())?;
    config.transport_config(transport);
    Ok(config)
}

/// A client that trusts the certificate and no other.
pub(super) fn client(transport: Arc<TransportConfig>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(made()?.0)?;
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    config.transport_config(transport);
    Ok(config)
}

fn made() -> anyhow::Result<(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>)> {
    let key = PrivatePkcs8KeyDer::from([PKCS8.as_slice(), &SEED].concat());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519)?;
    let certificate = CertificateParams::new([NAME.to_owned()])?.self_signed(&pair)?;
    Ok((certificate.der().clone(), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_make_the_same_certificate() {
        assert_eq!(made().expect("a certificate").0, made().expect("a certificate").0);
    }
}
