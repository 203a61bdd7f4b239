use super::{Incoming, Stage, StageError};
use bytes::{BufMut, Bytes, BytesMut};
use rustls::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, pki_types::ServerName,
};
use std::{
    io::{self, BufRead, IoSlice, Read, Write},
    sync::Arc,
};

/// Most bytes that rustls holds on their way out. More only costs memory: they are taken after each write.
const BUFFER_MAX: usize = 64 << 10;

/// TLS 1.3 or 1.2.
///
/// The end of the line below without [`Incoming::Closed`] is a truncation, which only the caller sees.
pub(crate) struct TlsStage {
    connection: Connection,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Our close_notify is out.
    Closing,
    /// The peer's close_notify came, or something failed.
    Over,
}

impl TlsStage {
    /// The side with the certificate.
    ///
    /// # Errors
    /// [`StageError::Tls`] when the configuration does not hold together.
    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Self, StageError> {
        ServerConnection::new(config).map(|connection| Self::new(connection.into())).map_err(StageError::Tls)
    }

    /// The side that checks that the certificate is `host`'s, a name or an IP address.
    ///
    /// # Errors
    /// [`StageError::Address`] when `host` is neither, [`StageError::Tls`] when the configuration does not hold together.
    pub(crate) fn client(config: Arc<ClientConfig>, host: &str) -> Result<Self, StageError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| StageError::Address(format!("{host}: {error}")))?;
        ClientConnection::new(config, name)
            .map(|connection| Self::new(connection.into()))
            .map_err(StageError::Tls)
    }

    fn new(mut connection: Connection) -> Self {
        connection.set_buffer_limit(Some(BUFFER_MAX));
        Self { connection, state: State::Open }
    }

    /// Takes what rustls has for the line below.
    fn flush(&mut self, down: &mut BytesMut) {
        // Writing to memory neither fails nor falls short.
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut down.writer()).is_err() {
                break;
            }
        }
    }

    fn read(&mut self, mut chunk: &[u8], up: &mut BytesMut) -> Result<Incoming, StageError> {
        while !chunk.is_empty() {
            self.connection.read_tls(&mut chunk).map_err(failed)?;
            let has_closed =
                self.connection.process_new_packets().map_err(StageError::Tls)?.peer_has_closed();
            let mut reader = self.connection.reader();
            // `WouldBlock` when all is read.
            while let Ok(plain) = reader.fill_buf() {
                let size = plain.len();
                if size == 0 {
                    break;
                }
                up.extend_from_slice(plain);
                reader.consume(size);
            }
            if has_closed {
                return Ok(Incoming::Closed);
            }
        }
        Ok(Incoming::Open)
    }
}

fn failed(error: io::Error) -> StageError {
    StageError::Tls(rustls::Error::General(error.to_string()))
}

/// A line below that is open and silent.
struct NothingYet;

impl Read for NothingYet {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Stage for TlsStage {
    fn receive(
        &mut self,
        chunk: Bytes,
        up: &mut BytesMut,
        down: &mut BytesMut,
    ) -> Result<Incoming, StageError> {
        if self.state == State::Over {
            return Ok(Incoming::Closed);
        }
        let result = self.read(&chunk, up);
        if result == Ok(Incoming::Closed) && self.state == State::Open {
            self.connection.send_close_notify();
        }
        if result != Ok(Incoming::Open) {
            self.state = State::Over;
        }
        // After an error: the alert.
        self.flush(down);
        result
    }

    fn send(&mut self, slices: &[IoSlice<'_>], down: &mut BytesMut) -> Result<(), StageError> {
        if self.state != State::Open {
            return Err(StageError::Over);
        }
        if self.connection.is_handshaking() {
            return Err(StageError::NotReady);
        }
        for slice in slices {
            let mut left: &[u8] = slice;
            while !left.is_empty() {
                let taken = self.connection.writer().write(left).map_err(failed)?;
                if taken == 0 {
                    return Err(failed(io::ErrorKind::WriteZero.into()));
                }
                left = left.get(taken..).unwrap_or_default();
                self.flush(down);
            }
        }
        Ok(())
    }

    fn close(&mut self, down: &mut BytesMut) {
        if self.state == State::Open {
            self.state = State::Closing;
            self.connection.send_close_notify();
            self.flush(down);
        }
    }

    fn is_ready(&self) -> bool {
        self.state == State::Open && !self.connection.is_handshaking()
    }

    fn start(&mut self, down: &mut BytesMut) {
        self.flush(down);
    }

    fn settle(&mut self) {
        // rustls shrinks its receive buffer, from up to 32 KiB to 4, only when it is asked to read more. To do so after
        // each chunk would cost 40 % of the throughput of full records.
        let _ = self.connection.read_tls(&mut NothingYet);
    }
}
