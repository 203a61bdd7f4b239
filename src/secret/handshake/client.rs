//! The role of the side that dials and knows whom.

use super::{
    ACCEPT_BYTES, AUTH_BYTES, HELLO_BYTES, Outcome,
    transcript::{Agreement, Hello, joined, open, seal, stream_to},
};
use crate::secret::{
    HandshakeError, KEY_BYTES, Keypair, NetworkKey, PublicKey,
    curve::{Ephemeral, agree, identity, is_low_order},
};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer, VerifyingKey};
use zeroize::Zeroizing;

/// Message 1 is made, message 2 is awaited.
#[cfg_attr(test, derive(Clone))]
pub(super) struct AwaitHello {
    network: NetworkKey,
    identity: Keypair,
    server: VerifyingKey,
    ephemeral: Ephemeral,
    hello: Hello,
}

/// Message 3 is made, message 4 is awaited.
#[cfg_attr(test, derive(Clone))]
pub(super) struct AwaitAccept {
    identity: Keypair,
    server: VerifyingKey,
    agreement: Agreement,
    signature: [u8; SIGNATURE_LENGTH],
    hello: Hello,
    server_hello: Hello,
}

impl AwaitHello {
    pub(super) fn new(
        network: &NetworkKey,
        identity_pair: &Keypair,
        server: &PublicKey,
        seed: &[u8; KEY_BYTES],
    ) -> Result<(Self, [u8; HELLO_BYTES]), HandshakeError> {
        let server = identity(server).ok_or(HandshakeError::ServerKey)?;
        let ephemeral = Ephemeral::from_seed(seed);
        let hello = Hello::new(network, &ephemeral.public);
        let client =
            Self { network: network.clone(), identity: identity_pair.clone(), server, ephemeral, hello };
        Ok((client, hello.0))
    }

    pub(super) fn receive(
        &self,
        message: [u8; HELLO_BYTES],
    ) -> Result<(AwaitAccept, [u8; AUTH_BYTES]), HandshakeError> {
        let Self { network, identity, server, ephemeral, hello } = self;
        let (network, server, hello) = (network.clone(), *server, *hello);
        let server_hello = Hello(message);
        if !server_hello.is_of(&network) {
            return Err(HandshakeError::ServerHelloNetwork);
        }
        if server_hello.public() == hello.public() {
            return Err(HandshakeError::ServerHelloReflected);
        }
        if is_low_order(server_hello.public()) {
            return Err(HandshakeError::ServerHelloKey);
        }
        let ab = ephemeral.agree(server_hello.public()).ok_or(HandshakeError::SharedSecret)?;
        let a_server = ephemeral.agree_with_identity(&server).ok_or(HandshakeError::SharedSecret)?;
        let agreement = Agreement { network, ab, a_server };
        let proof = agreement.client_proof(&PublicKey(server.to_bytes()));
        let signature = identity.signing().sign(&proof).to_bytes();
        let plain: [u8; SIGNATURE_LENGTH + KEY_BYTES] = joined(&[&signature, &identity.public().0]);
        let sealed = seal(&agreement.auth_key(), plain);
        let identity = identity.clone();
        Ok((AwaitAccept { identity, server, agreement, signature, hello, server_hello }, sealed))
    }
}

impl AwaitAccept {
    pub(super) fn receive(&self, message: &[u8; ACCEPT_BYTES]) -> Result<Outcome, HandshakeError> {
        let scalar = Zeroizing::new(self.identity.signing().to_scalar_bytes());
        let client_b = agree(&scalar, self.server_hello.public()).ok_or(HandshakeError::SharedSecret)?;
        let key = self.agreement.accept_key(&client_b);
        let signature: Zeroizing<[u8; SIGNATURE_LENGTH]> =
            open(&key, message).ok_or(HandshakeError::ServerAcceptBox)?;
        let ours = self.identity.public();
        let proof = self.agreement.server_proof(&self.signature, &ours);
        self.server
            .verify_strict(&proof, &Signature::from_bytes(&signature))
            .map_err(|_| HandshakeError::ServerAcceptSignature)?;
        let peer = PublicKey(self.server.to_bytes());
        let seal = stream_to(&peer, &self.server_hello, &key);
        let open = stream_to(&ours, &self.hello, &key);
        Ok(Outcome::new(peer, seal, open))
    }
}
