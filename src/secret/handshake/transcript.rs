//! The formulas that both roles share; `N`, `a`, `b`, `A`, `B` are named as in the protocol guide: network key, the
//! client's and the server's ephemeral keys, the client's and the server's long-term keys.

use super::Outcome;
use crate::secret::{KEY_BYTES, NetworkKey, PublicKey, boxstream::BoxKey, curve::Secret};
use dryoc::classic::{
    crypto_auth::{crypto_auth, crypto_auth_verify},
    crypto_box::{crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace},
};
use ed25519_dalek::SIGNATURE_LENGTH;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const MAC_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;

/// Messages 1 and 2: the MAC of an ephemeral public key, and the key.
#[derive(Clone, Copy)]
pub(super) struct Hello(pub(super) [u8; super::HELLO_BYTES]);

impl Hello {
    pub(super) fn new(network: &NetworkKey, public: &[u8; KEY_BYTES]) -> Self {
        let mut bytes = [0; super::HELLO_BYTES];
        let (mac, key) = bytes.split_at_mut(KEY_BYTES);
        key.copy_from_slice(public);
        let mut computed = [0; KEY_BYTES];
        crypto_auth(&mut computed, public, network.as_bytes());
        mac.copy_from_slice(&computed);
        Self(bytes)
    }

    /// Whether its sender knows the network key; compares in constant time.
    pub(super) fn is_of(&self, network: &NetworkKey) -> bool {
        let (mac, key) = self.halves();
        crypto_auth_verify(mac, key, network.as_bytes()).is_ok()
    }

    pub(super) fn public(&self) -> &[u8; KEY_BYTES] {
        self.halves().1
    }

    /// The first nonce of the box-stream toward the sender of this hello.
    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&self.0[..NONCE_BYTES]);
        nonce
    }

    fn halves(&self) -> (&[u8; KEY_BYTES], &[u8; KEY_BYTES]) {
        let (halves, _) = self.0.as_chunks::<KEY_BYTES>();
        (&halves[0], &halves[1])
    }
}

fn sha256(parts: &[&[u8]]) -> Secret {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().into())
}

/// What the keys agreed on so far, and what each side signs.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Agreement {
    pub(super) network: NetworkKey,
    /// `a·b`.
    pub(super) ab: Secret,
    /// `a·B`.
    pub(super) a_server: Secret,
}

impl Agreement {
    /// What the client signs: `N ‖ B ‖ sha256(a·b)`.
    pub(super) fn client_proof(&self, server: &PublicKey) -> [u8; 3 * KEY_BYTES] {
        joined(&[self.network.as_bytes(), &server.0, &*sha256(&[&*self.ab])])
    }

    /// What the server signs: `N ‖ signature of A ‖ A ‖ sha256(a·b)`.
    pub(super) fn server_proof(
        &self,
        client_signature: &[u8; SIGNATURE_LENGTH],
        client: &PublicKey,
    ) -> [u8; SIGNATURE_LENGTH + 3 * KEY_BYTES] {
        joined(&[self.network.as_bytes(), client_signature, &client.0, &*sha256(&[&*self.ab])])
    }

    /// The key of message 3: `sha256(N ‖ a·b ‖ a·B)`.
    pub(super) fn auth_key(&self) -> Secret {
        sha256(&[self.network.as_bytes(), &*self.ab, &*self.a_server])
    }

    /// The key of message 4: `sha256(N ‖ a·b ‖ a·B ‖ A·b)`.
    pub(super) fn accept_key(&self, client_b: &Secret) -> Secret {
        sha256(&[self.network.as_bytes(), &*self.ab, &*self.a_server, &**client_b])
    }
}

/// The key and first nonce of the stream to `receiver`, who said `hello`.
pub(super) fn stream_to(receiver: &PublicKey, hello: &Hello, accept_key: &Secret) -> BoxKey {
    let secret = sha256(&[&**accept_key]);
    BoxKey { key: *sha256(&[&*secret, &receiver.0]), nonce: hello.nonce() }
}

impl Outcome {
    pub(super) fn new(peer: PublicKey, seal: BoxKey, open: BoxKey) -> Self {
        Self { peer, seal, open }
    }
}

/// Puts parts behind each other. Their lengths add up to `N`, which the types of the callers fix.
pub(super) fn joined<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut rest = &mut bytes[..];
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    debug_assert!(rest.is_empty());
    bytes
}

/// A secretbox with nonce 0, MAC first; each key seals one message. `SEALED` is 16 more than `PLAIN`.
pub(super) fn seal<const PLAIN: usize, const SEALED: usize>(
    key: &Secret,
    mut plain: [u8; PLAIN],
) -> [u8; SEALED] {
    const { assert!(SEALED == PLAIN + MAC_BYTES) }
    let mut mac = [0; MAC_BYTES];
    crypto_box_detached_afternm_inplace(&mut plain, &mut mac, &[0; NONCE_BYTES], key);
    joined(&[&mac, &plain])
}

/// The opposite of [`seal`].
pub(super) fn open<const SEALED: usize, const PLAIN: usize>(
    key: &Secret,
    sealed: &[u8; SEALED],
) -> Option<Zeroizing<[u8; PLAIN]>> {
    const { assert!(SEALED == PLAIN + MAC_BYTES) }
    let (mac, cipher) = sealed.split_first_chunk::<MAC_BYTES>()?;
    let mut plain = Zeroizing::new(joined(&[cipher]));
    crypto_box_open_detached_afternm_inplace(&mut *plain, mac, &[0; NONCE_BYTES], key).ok()?;
    Some(plain)
}
