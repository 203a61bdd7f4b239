//! Two ways to write to a socket: waiting for room, and as far as there is room.

use std::io::{self, Write};
use std::net::TcpStream;

use rustix::net::{SendFlags, send};

/// Writes messages to a socket, each at once or when enough have been gathered, and waits for room.
pub(super) struct Outbox<'a> {
    socket: &'a TcpStream,
    buffer: Vec<u8>,
    gather: usize,
}

impl<'a> Outbox<'a> {
    /// Gathers so many bytes before it writes; none means to write each message.
    pub(super) fn new(socket: &'a TcpStream, gather: usize) -> Self {
        Self { socket, buffer: Vec::with_capacity(gather), gather }
    }

    /// Sends a message, now or later.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.gather == 0 {
            return self.socket.write_all(message);
        }
        if self.buffer.len() + message.len() > self.gather {
            self.flush()?;
        }
        self.buffer.extend_from_slice(message);
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.socket.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Writes messages as far as the socket has room, and keeps the rest.
///
/// An end that waits for room while the other end waits too, because nobody reads, would wait for ever.
pub(super) struct Backlog<'a> {
    socket: &'a TcpStream,
    buffer: Vec<u8>,
    at: usize,
    gather: usize,
    written: u64,
}

impl<'a> Backlog<'a> {
    /// Gathers so many bytes before it writes; none means to write each message.
    pub(super) fn new(socket: &'a TcpStream, gather: usize) -> Self {
        Self { socket, buffer: Vec::new(), at: 0, gather, written: 0 }
    }

    /// Sends a message, now or later.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let is_behind = self.buffer.len() - self.at > self.gather;
        self.buffer.extend_from_slice(message);
        if is_behind || self.buffer.len() - self.at <= self.gather { Ok(()) } else { self.flush() }
    }

    /// Writes what there is room for.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.at < self.buffer.len() {
            match send(self.socket, &self.buffer[self.at..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(written) => self.advance(written),
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.buffer.clear();
        self.at = 0;
        Ok(())
    }

    /// Writes so many of the bytes that were kept, or all there are, waiting for room.
    pub(super) fn press(&mut self, bytes: usize) -> io::Result<()> {
        let mut socket = self.socket;
        let bytes = bytes.min(self.buffer.len() - self.at);
        socket.write_all(&self.buffer[self.at..self.at + bytes])?;
        self.advance(bytes);
        Ok(())
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn advance(&mut self, written: usize) {
        self.at += written;
        self.written += written as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
        (near, listener.accept().expect("the same").0)
    }

    #[test]
    fn a_full_socket_keeps_the_rest_back_and_nothing_is_lost() {
        let (near, mut far) = pair();
        for gather in [0, 64 << 10] {
            let mut backlog = Backlog::new(&near, gather);
            for index in 0..1000u32 {
                backlog.send(&[index as u8; 50_000]).expect("sent or kept");
            }
            assert!(backlog.written() < 50_000_000, "a socket holds fifty megabytes");
            let mut message = vec![0; 50_000];
            for index in 0..1000u32 {
                backlog.flush().expect("sent or kept");
                if index == 999 {
                    backlog.press(usize::MAX).expect("sent");
                }
                far.read_exact(&mut message).expect("sent");
                assert!(message.iter().all(|&byte| byte == index as u8), "message {index}");
            }
            assert_eq!(backlog.written(), 50_000_000);
        }
    }

    #[test]
    fn messages_are_gathered_until_there_are_enough() {
        let (near, mut far) = pair();
        let mut backlog = Backlog::new(&near, 100);
        backlog.send(&[1; 60]).expect("kept");
        assert_eq!(backlog.written(), 0);
        backlog.send(&[2; 60]).expect("sent");
        assert_eq!(backlog.written(), 120);
        let mut outbox = Outbox::new(&near, 100);
        outbox.send(&[3; 60]).expect("kept");
        outbox.flush().expect("sent");
        let mut all = [0; 180];
        far.read_exact(&mut all).expect("sent");
        assert_eq!((all[59], all[60], all[179]), (1, 2, 3));
    }
}
