//! The role of the side that is dialled and learns by whom.

use super::{
    ACCEPT_BYTES, AUTH_BYTES, HELLO_BYTES, Outcome,
    transcript::{Agreement, Hello, open, seal, stream_to},
};
use crate::secret::{
    HandshakeError, KEY_BYTES, Keypair, NetworkKey, PublicKey,
    curve::{Ephemeral, Secret, agree, identity, is_low_order},
};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer, VerifyingKey};
use zeroize::Zeroizing;

/// Message 1 is awaited. Nothing has been computed, so that a connection without a hello costs nothing.
#[cfg_attr(test, derive(Clone))]
pub(super) struct AwaitHello {
    network: NetworkKey,
    identity: Keypair,
    seed: Secret,
}

/// Message 2 is made, message 3 is awaited.
#[cfg_attr(test, derive(Clone))]
pub(super) struct AwaitAuth {
    network: NetworkKey,
    identity: Keypair,
    ephemeral: Ephemeral,
    hello: Hello,
    client_hello: Hello,
}

/// The client has proved who it is and waits to be accepted.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Authenticated {
    identity: Keypair,
    ephemeral: Ephemeral,
    agreement: Agreement,
    client: VerifyingKey,
    client_signature: [u8; SIGNATURE_LENGTH],
    hello: Hello,
    client_hello: Hello,
}

impl AwaitHello {
    pub(super) fn new(network: &NetworkKey, identity: &Keypair, seed: &[u8; KEY_BYTES]) -> Self {
        Self { network: network.clone(), identity: identity.clone(), seed: Zeroizing::new(*seed) }
    }

    pub(super) fn receive(
        &self,
        message: [u8; HELLO_BYTES],
    ) -> Result<(AwaitAuth, [u8; HELLO_BYTES]), HandshakeError> {
        let (network, identity) = (self.network.clone(), self.identity.clone());
        let client_hello = Hello(message);
        if !client_hello.is_of(&network) {
            return Err(HandshakeError::ClientHelloNetwork);
        }
        if is_low_order(client_hello.public()) {
            return Err(HandshakeError::ClientHelloKey);
        }
        let ephemeral = Ephemeral::from_seed(&self.seed);
        let hello = Hello::new(&network, &ephemeral.public);
        Ok((AwaitAuth { network, identity, ephemeral, hello, client_hello }, hello.0))
    }
}

impl AwaitAuth {
    pub(super) fn receive(&self, message: &[u8; AUTH_BYTES]) -> Result<Authenticated, HandshakeError> {
        let Self { network, identity: ours, ephemeral, hello, client_hello } = self;
        let ab = ephemeral.agree(client_hello.public()).ok_or(HandshakeError::SharedSecret)?;
        let scalar = Zeroizing::new(ours.signing().to_scalar_bytes());
        let a_server = agree(&scalar, client_hello.public()).ok_or(HandshakeError::SharedSecret)?;
        let agreement = Agreement { network: network.clone(), ab, a_server };
        let plain: Zeroizing<[u8; SIGNATURE_LENGTH + KEY_BYTES]> =
            open(&agreement.auth_key(), message).ok_or(HandshakeError::ClientAuthBox)?;
        let (Some(signature), Some(key)) =
            (plain.first_chunk::<SIGNATURE_LENGTH>(), plain.last_chunk::<KEY_BYTES>())
        else {
            return Err(HandshakeError::ClientAuthBox);
        };
        let client = identity(&PublicKey(*key)).ok_or(HandshakeError::ClientAuthKey)?;
        client
            .verify_strict(&agreement.client_proof(&ours.public()), &Signature::from_bytes(signature))
            .map_err(|_| HandshakeError::ClientAuthSignature)?;
        Ok(Authenticated {
            identity: ours.clone(),
            ephemeral: ephemeral.clone(),
            agreement,
            client,
            client_signature: *signature,
            hello: *hello,
            client_hello: *client_hello,
        })
    }
}

impl Authenticated {
    pub(super) fn client(&self) -> PublicKey {
        PublicKey(self.client.to_bytes())
    }

    pub(super) fn accept(&self) -> Result<([u8; ACCEPT_BYTES], Outcome), HandshakeError> {
        let client_b =
            self.ephemeral.agree_with_identity(&self.client).ok_or(HandshakeError::SharedSecret)?;
        let key = self.agreement.accept_key(&client_b);
        let peer = self.client();
        let proof = self.agreement.server_proof(&self.client_signature, &peer);
        let message = seal(&key, self.identity.signing().sign(&proof).to_bytes());
        let seal = stream_to(&peer, &self.client_hello, &key);
        let open = stream_to(&self.identity.public(), &self.hello, &key);
        Ok((message, Outcome::new(peer, seal, open)))
    }
}
