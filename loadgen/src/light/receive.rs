//! Frames that arrive, and what they mean to the streams and calls that they are of.

use anyhow::{bail, ensure};
use push_mux::mux::CONTROL_ID;
use push_mux::wire::{BodyKind, HEADER_BYTES, Header, Headline};

use super::conn::Conn;
use super::ids::Ids;
use super::produce::{Performer, write_digits};
use super::stream::Role;
use super::tape::Tape;

/// The longest body that a header may announce.
const BODY_MAX: u32 = 1 << 20;

impl Conn {
    /// Takes whole frames; how many bytes they were.
    pub(super) fn frames(&mut self, bytes: &[u8], now: u64, tape: &mut Tape) -> anyhow::Result<usize> {
        let mut used = 0;
        while let Some(head) = bytes[used..].first_chunk::<HEADER_BYTES>() {
            let Headline::Frame(header) = Header::decode(head, BODY_MAX)? else {
                bail!("the server said goodbye")
            };
            let start = used + HEADER_BYTES;
            let Some(body) = bytes[start..].get(..header.body_bytes as usize) else { break };
            used = start + body.len();
            self.frame(&header, body, now, tape)?;
        }
        Ok(used)
    }

    #[inline]
    fn frame(&mut self, header: &Header, body: &[u8], now: u64, tape: &mut Tape) -> anyhow::Result<()> {
        if header.id < 0 && header.stream {
            if header.id == -CONTROL_ID {
                self.control_refused(header);
                return Ok(());
            }
            let Some(slot) = self.ids.get(-header.id) else {
                // What was on its way when we ended a stream.
                return Ok(());
            };
            return if header.end {
                self.ended(slot, body, now, tape)
            } else {
                self.data(slot, header, body, now, tape)
            };
        }
        match (header.id, header.stream) {
            (CONTROL_ID, true) => self.control_frame(header, body),
            (id, false) if id < 0 => self.reply(-id, header, body, now, tape),
            (id, is_stream) => {
                // A sign of life or a call the other way: nothing is served here, and that is answered once.
                if !header.end {
                    let error = br#"{"message":"nothing is served here","name":"Error","stack":""}"#;
                    let answer = Header {
                        stream: is_stream,
                        end: true,
                        ..Header::data(-id, BodyKind::Json, error.len() as u32)
                    };
                    self.frame_out(&answer, error);
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn data(
        &mut self,
        slot: u32,
        header: &Header,
        body: &[u8],
        now: u64,
        tape: &mut Tape,
    ) -> anyhow::Result<()> {
        let Some(stream) = self.streams.get_mut(slot as usize) else { return Ok(()) };
        let cost = header.cost();
        stream.inbound.arrive(cost, now);
        self.credit_out = self.credit_out.saturating_sub(cost);
        match &mut stream.role {
            Role::Source { check, .. } => {
                if let Some(check) = check {
                    check.message(body);
                }
                tape.message(body.len(), now);
            }
            Role::Ping { received, starts, sent } => {
                let is_right = body.len() == self.template.len()
                    && body.first_chunk() == Some(&u32::to_be_bytes(*received))
                    && body[4..] == self.template[4..];
                tape.wrong(u64::from(!is_right), || "a message came back changed".to_owned());
                *received = received.wrapping_add(1);
                let is_last = self.each_max.is_some_and(|max| *received >= max && *sent >= max);
                let Some(start) = starts.pop_front() else { bail!("more came back than was sent") };
                tape.done(start, body.len(), now);
                if is_last {
                    self.end_out(slot);
                } else if self.each_max.is_none_or(|max| self.pings_left(slot, max)) {
                    self.ready.push_back(Performer::Ping(slot));
                }
            }
            Role::Once { received, .. } => {
                let is_right = *received == 0 && body.len() == self.params.body;
                tape.wrong(u64::from(!is_right), || "a stream of one message brought another".to_owned());
                *received += 1;
            }
            Role::Sink { .. } => bail!("a sink was sent something"),
        }
        let Some(stream) = self.streams.get_mut(slot as usize) else { return Ok(()) };
        if !stream.is_paused && stream.inbound.consume() {
            self.mark(slot);
        }
        Ok(())
    }

    fn pings_left(&self, slot: u32, max: u32) -> bool {
        matches!(self.streams.get(slot as usize).map(|stream| &stream.role), Some(Role::Ping { sent, .. }) if *sent < max)
    }

    /// The server ended its half: the stream is over, as a source or sink has no other half that matters.
    fn ended(&mut self, slot: u32, body: &[u8], now: u64, tape: &mut Tape) -> anyhow::Result<()> {
        let ended_before = self.streams.get(slot as usize).is_some_and(|stream| stream.end_sent);
        self.end_out(slot);
        let Some(stream) = self.streams.get_mut(slot as usize) else { return Ok(()) };
        let id = stream.id;
        let text = || String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        if body != b"true" && !self.is_over {
            tape.wrong(1, || format!("the server ended a stream with {}", text()));
        }
        let is_expected = match &stream.role {
            Role::Source { check: Some(_), due, .. } => due.is_some(),
            Role::Source { check: None, .. } | Role::Once { .. } => true,
            // Those end after us.
            Role::Ping { .. } | Role::Sink { .. } => ended_before,
        };
        match &stream.role {
            Role::Once { start, received } => {
                tape.wrong(u64::from(*received != 1), || "a stream of one message brought none".to_owned());
                tape.done(*start, self.params.body, now);
                self.ready.push_back(Performer::Once);
            }
            Role::Source { check: None, opened, .. } => {
                tape.time(*opened, now);
                self.followed += 1;
                self.ready.push_back(Performer::Follow);
            }
            Role::Source { check: Some(check), due, .. } => {
                let tally = check.tally();
                tape.wrong(tally.errors, || "a message is not the one that was due".to_owned());
                let missing = due.map_or(0, |due| u64::from(due).abs_diff(tally.messages));
                tape.wrong(missing, || format!("a stream ended after {} messages", tally.messages));
            }
            // All that was sent has arrived.
            Role::Sink { .. } => tape.touch(now),
            Role::Ping { .. } => {}
        }
        if !is_expected && !self.is_over {
            tape.wrong(1, || "the server ended a stream too early".to_owned());
        }
        self.remove(slot, id);
        Ok(())
    }

    pub(super) fn remove(&mut self, slot: u32, id: i32) {
        if let Some(stream) = self.streams.try_remove(slot as usize) {
            let inbound = &stream.inbound;
            self.credit_out =
                self.credit_out.saturating_sub(inbound.advertised.saturating_sub(inbound.arrived));
            self.window_sum = self.window_sum.saturating_sub(inbound.window);
        }
        self.ids.remove(id);
    }

    fn reply(
        &mut self,
        id: i32,
        header: &Header,
        body: &[u8],
        now: u64,
        tape: &mut Tape,
    ) -> anyhow::Result<()> {
        if self.control.asking == Some(id) {
            self.asked(if header.end { b"" } else { body });
            return Ok(());
        }
        if self.stats_call == Some(id) {
            ensure!(!header.end, "the server does not count: {}", String::from_utf8_lossy(body));
            self.stats = Some(serde_json::from_slice(body)?);
            return Ok(());
        }
        let Some(slot) = self.ids.get(id) else {
            // The reply to a call of a flood, which nobody keeps books of.
            return Ok(());
        };
        let Some(pending) = Ids::of_call(slot).and_then(|slot| self.calls.try_remove(slot)) else {
            bail!("a stream was answered as if it were a call")
        };
        self.ids.remove(id);
        if self.call.digits > 0 {
            let is_right = !header.end && is_same(body, self.call.digits, pending.index);
            tape.wrong(u64::from(!is_right), || {
                format!(
                    "call {} was answered with {}",
                    pending.index,
                    String::from_utf8_lossy(&body[..body.len().min(200)])
                )
            });
        } else if header.end {
            tape.wrong(1, || {
                format!("a call was refused: {}", String::from_utf8_lossy(&body[..body.len().min(200)]))
            });
        }
        tape.done(pending.start, body.len(), now);
        self.ready.push_back(Performer::Call);
        Ok(())
    }
}

/// Whether a reply is the text that was sent.
fn is_same(body: &[u8], digits: usize, index: u32) -> bool {
    let Some(inner) = body.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return false;
    };
    if inner.len() != digits {
        return false;
    }
    // Ten digits hold every index; what is before them is zeros.
    let (zeros, number) = inner.split_at(digits.saturating_sub(10));
    let mut wanted = [b'0'; 10];
    let wanted = &mut wanted[..number.len()];
    write_digits(wanted, index);
    number == wanted && zeros.iter().all(|&byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_the_same_text_or_wrong() {
        assert!(is_same(br#""0000000000000042""#, 16, 42));
        assert!(is_same(br#""42""#, 2, 142));
        for wrong in [&br#""0000000000000043""#[..], br#""000000000000042""#, b"42", br#""1000000000000042""#]
        {
            assert!(!is_same(wrong, 16, 42), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
