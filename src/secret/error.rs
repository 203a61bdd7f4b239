/// Why a handshake failed. Each is final, and the peer is told nothing: its bytes just stop.
///
/// The messages are called as the protocol guide calls them: client hello (1), server hello (2), client authenticate
/// (3) and server accept (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Before message 1: the key to dial is no point of the curve, of low order, or not encoded canonically.
    #[error("the server's public key is none that anybody could prove to own")]
    ServerKey,
    /// Message 1: its MAC is wrong, so the client knows another network key or speaks another protocol.
    #[error("the client hello is of another network")]
    ClientHelloNetwork,
    /// Message 1: the ephemeral key is of low order.
    #[error("the client hello has an ephemeral key of low order")]
    ClientHelloKey,
    /// Message 2: its MAC is wrong, so the server knows another network key or speaks another protocol.
    #[error("the server hello is of another network")]
    ServerHelloNetwork,
    /// Message 2: the ephemeral key is of low order.
    #[error("the server hello has an ephemeral key of low order")]
    ServerHelloKey,
    /// Message 2 is our own message 1.
    #[error("the server hello is our own hello, sent back")]
    ServerHelloReflected,
    /// A shared secret came out as zeros, which no honest key leads to.
    #[error("a shared secret is all zeros")]
    SharedSecret,
    /// Message 3: the box does not open: the client dialled another server key, or the bytes were changed or replayed.
    #[error("the client authenticate message is forged or meant for another server key")]
    ClientAuthBox,
    /// Message 3: the client's long-term key is no point of the curve, of low order, or not encoded canonically.
    #[error("the client's public key is none that anybody could prove to own")]
    ClientAuthKey,
    /// Message 3: the signature is not of the key beside it.
    #[error("the client did not prove to own its public key")]
    ClientAuthSignature,
    /// Message 4: the box does not open: the server lacks the secret key, or the bytes were changed or replayed.
    #[error("the server accept message is forged")]
    ServerAcceptBox,
    /// Message 4: the signature is not the server's.
    #[error("the server did not prove to own its public key")]
    ServerAcceptSignature,
    /// The bytes ended midway. Only the caller can see that, so only the caller makes this.
    #[error("the peer hung up during the handshake")]
    Truncated,
    /// More bytes were handed to a handshake that is over. The caller's mistake.
    #[error("the handshake is over")]
    Over,
}

impl HandshakeError {
    /// A short name that stays the same, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ServerKey => "handshake_server_key",
            Self::ClientHelloNetwork => "handshake_client_hello_network",
            Self::ClientHelloKey => "handshake_client_hello_key",
            Self::ServerHelloNetwork => "handshake_server_hello_network",
            Self::ServerHelloKey => "handshake_server_hello_key",
            Self::ServerHelloReflected => "handshake_server_hello_reflected",
            Self::SharedSecret => "handshake_shared_secret",
            Self::ClientAuthBox => "handshake_client_auth_box",
            Self::ClientAuthKey => "handshake_client_auth_key",
            Self::ClientAuthSignature => "handshake_client_auth_signature",
            Self::ServerAcceptBox => "handshake_server_accept_box",
            Self::ServerAcceptSignature => "handshake_server_accept_signature",
            Self::Truncated => "handshake_truncated",
            Self::Over => "handshake_over",
        }
    }
}

/// Why a box-stream ended without a goodbye. Each is final: the nonces of the two ends no longer agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BoxStreamError {
    /// A header does not open.
    #[error("a segment's header is forged")]
    HeaderForged,
    /// A body does not match the MAC in its header.
    #[error("a segment's body is forged")]
    BodyForged,
    /// A header that opens announces a body over 4096 bytes.
    #[error("a segment of {0} bytes is over the limit of 4096")]
    SegmentTooLong(u16),
    /// A header that opens announces a body of no bytes and is no goodbye.
    #[error("a segment is empty")]
    SegmentEmpty,
    /// The bytes ended without a goodbye.
    #[error("the stream was cut off")]
    Truncated,
}

impl BoxStreamError {
    /// A short name that stays the same, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HeaderForged => "box_stream_header_forged",
            Self::BodyForged => "box_stream_body_forged",
            Self::SegmentTooLong(_) => "box_stream_segment_too_long",
            Self::SegmentEmpty => "box_stream_segment_empty",
            Self::Truncated => "box_stream_truncated",
        }
    }
}
