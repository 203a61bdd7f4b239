//! A connection for one call, waited for.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use push_mux::wire::{BodyKind, HEADER_BYTES, Header, Headline};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::line::{Dial, Got, Line, Room};

/// Bytes of a read: replies are short.
const READ_BYTES: usize = 8 << 10;

/// The id of the one call.
const CALL_ID: i32 = 2;

/// A client that calls once.
pub(crate) struct Caller {
    line: Line,
    deadline: Instant,
}

impl Caller {
    /// Dials and shakes hands.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn dial(dial: &Dial, patience: Duration) -> anyhow::Result<Self> {
        Ok(Self { line: Line::dial(dial)?, deadline: Instant::now() + patience })
    }

    /// Calls `hello` and checks the reply.
    ///
    /// # Errors
    /// What came instead.
    pub(crate) fn call(&mut self) -> anyhow::Result<()> {
        let body = br#"{"name":["hello"],"args":["you"]}"#;
        let header = Header { stream: false, ..Header::data(CALL_ID, BodyKind::Json, body.len() as u32) };
        let mut out = [&header.encode()[..], body].concat();
        while !self.line.write(&mut out)? {
            self.wait(PollFlags::OUT)?;
        }
        let mut room = Room::of(READ_BYTES);
        let mut partial = Vec::new();
        loop {
            match self.line.read(&mut room, &mut partial)? {
                Got::Nothing => self.wait(PollFlags::IN)?,
                Got::End => bail!("the server closed the connection"),
                Got::Bytes(bytes, _) => {
                    if let Some(reply) = reply(bytes)? {
                        ensure!(
                            reply == br#""hello, you!""#,
                            "the reply is another: {}",
                            String::from_utf8_lossy(reply)
                        );
                        return Ok(());
                    }
                    partial.extend_from_slice(bytes);
                }
            }
        }
    }

    fn wait(&self, for_what: PollFlags) -> anyhow::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "no reply");
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::from_borrowed_fd(self.line.fd(), for_what)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The reply to the call among whole frames, if it has come.
fn reply(mut bytes: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    while let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() {
        let Headline::Frame(header) = Header::decode(head, 1 << 20)? else {
            bail!("the server said goodbye")
        };
        let Some((body, rest)) = rest.split_at_checked(header.body_bytes as usize) else { return Ok(None) };
        if header.id == -CALL_ID && !header.stream {
            return Ok(Some(body));
        }
        bytes = rest;
    }
    Ok(None)
}
