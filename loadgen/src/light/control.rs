//! The control stream: whether there is credit, what the server granted, what we grant.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use push_mux::CreditMode;
use push_mux::mux::{CONTROL_ID, Credit};
use push_mux::wire::{BodyKind, Header};
use serde_json::Value;

use super::conn::Conn;

/// Pairs of a grant frame, as many as every peer takes.
const PAIRS_MAX: usize = 1024;

/// How the two ends talk about credit.
#[derive(Debug, Default)]
pub(super) struct Control {
    ours_open: bool,
    theirs_open: bool,
    refused: bool,
    /// The server grants ahead of reading and needs no overdraft.
    is_exact: bool,
    hello_sent: bool,
    /// The call that asks whether the server knows about credit at all.
    pub(super) asking: Option<i32>,
}

impl Control {
    /// Whether we may send only what was granted.
    pub(super) const fn limits(&self) -> bool {
        self.theirs_open && !self.refused
    }

    /// Whether our grants have somewhere to go.
    pub(super) const fn can_grant(&self) -> bool {
        self.ours_open && self.theirs_open && !self.refused
    }

    /// What may be sent beyond credit: half of our own window, as push-mux has it, toward a peer that counts on it.
    pub(super) const fn overdraft(&self, credit: Credit) -> u64 {
        match credit {
            _ if self.is_exact => 0,
            Credit::Fixed(window) => window / 2,
            Credit::Auto => 32 << 10,
        }
    }

    /// Whether it is known if there is credit.
    pub(super) const fn is_settled(&self, mode: CreditMode) -> bool {
        match mode {
            CreditMode::Off | CreditMode::Respond => true,
            CreditMode::Offer | CreditMode::Auto => {
                self.asking.is_none() && (!self.ours_open || self.theirs_open || self.refused)
            }
        }
    }
}

impl Conn {
    /// Offers credit, or asks whether the server would know what that is.
    pub(super) fn begin_control(&mut self) {
        match self.params.mode {
            CreditMode::Off | CreditMode::Respond => {}
            CreditMode::Auto if !self.params.is_ours => {
                let id = self.take_id();
                self.control.asking = Some(id);
                let body = br#"{"name":["manifest"],"args":[]}"#;
                let header = Header { stream: false, ..Header::data(id, BodyKind::Json, body.len() as u32) };
                self.frame_out(&header, body);
            }
            CreditMode::Offer | CreditMode::Auto => self.open_control(),
        }
    }

    fn open_control(&mut self) {
        self.control.ours_open = true;
        self.frame_out(&Header::data(CONTROL_ID, BodyKind::Text, 7), b"control");
    }

    /// The manifest came, or an error in its place.
    pub(super) fn asked(&mut self, manifest: &[u8]) {
        self.control.asking = None;
        let lists_control = serde_json::from_slice::<Value>(manifest)
            .is_ok_and(|manifest| manifest.get("control").is_some_and(Value::is_string));
        if lists_control {
            self.open_control();
        }
    }

    /// A frame of the server's control stream.
    pub(super) fn control_frame(&mut self, header: &Header, body: &[u8]) -> anyhow::Result<()> {
        if header.end {
            // It grants no more; what it granted stands.
            return Ok(());
        }
        if !self.control.theirs_open {
            if body != b"control" {
                bail!(
                    "its stream 1 is no control stream: {}",
                    String::from_utf8_lossy(&body[..body.len().min(60)])
                );
            }
            if self.params.mode == CreditMode::Off {
                let header = Header { end: true, ..Header::data(-CONTROL_ID, BodyKind::Json, 4) };
                self.frame_out(&header, b"true");
                return Ok(());
            }
            self.control.theirs_open = true;
            if !self.control.ours_open {
                self.open_control();
            }
            self.mark_all_dirty();
        } else if body.starts_with(b"{") {
            self.control.is_exact = true;
        } else {
            self.granted(body)?;
        }
        if self.control.ours_open && !std::mem::replace(&mut self.control.hello_sent, true) {
            let hello = br#"{"push-mux":2,"overdraft":0}"#;
            self.frame_out(&Header::data(CONTROL_ID, BodyKind::Json, hello.len() as u32), hello);
        }
        Ok(())
    }

    /// The server answered our own control stream: an error says that it has none.
    pub(super) fn control_refused(&mut self, header: &Header) {
        if header.end && !std::mem::replace(&mut self.control.refused, true) {
            let header = Header { end: true, ..Header::data(CONTROL_ID, BodyKind::Json, 4) };
            self.frame_out(&header, b"true");
        }
    }

    fn granted(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let pairs: Vec<i64> = serde_json::from_slice(body).context("a grant that is no array of integers")?;
        for pair in pairs.chunks_exact(2) {
            // The granter counts what we opened as negative.
            let Some(id) = pair[0].checked_neg().and_then(|id| i32::try_from(id).ok()) else { continue };
            let Some(slot) = self.ids.get(id) else { continue };
            let Some(stream) = self.streams.get_mut(slot as usize).filter(|stream| stream.id == id) else {
                continue;
            };
            let total = u64::try_from(pair[1]).unwrap_or_default();
            stream.outbound.limit = stream.outbound.limit.max(total);
        }
        self.unblock();
        Ok(())
    }

    fn mark_all_dirty(&mut self) {
        let slots: Vec<u32> = self.streams.iter().filter_map(|(slot, _)| u32::try_from(slot).ok()).collect();
        slots.into_iter().for_each(|slot| self.mark(slot));
    }

    /// Puts a stream on the list of those to grant to.
    #[inline]
    pub(super) fn mark(&mut self, slot: u32) {
        // Where grants have nowhere to go, nobody empties the list; it is filled when they have.
        if self.control.can_grant()
            && let Some(stream) = self.streams.get_mut(slot as usize)
            && !std::mem::replace(&mut stream.is_dirty, true)
        {
            self.dirty.push(slot);
        }
    }

    /// Writes all grants that are due, as many to a frame as it holds.
    pub(super) fn grant(&mut self, now: u64) {
        if !self.control.can_grant() || self.dirty.is_empty() {
            return;
        }
        let mut text = String::new();
        let mut pairs = 0;
        for slot in std::mem::take(&mut self.dirty) {
            let room = self.params.budget.saturating_sub(self.window_sum);
            let Some(stream) = self.streams.get_mut(slot as usize) else { continue };
            stream.is_dirty = false;
            let (before, window) = (stream.inbound.advertised, stream.inbound.window);
            let total = stream.inbound.grant(now, room);
            self.window_sum += stream.inbound.window - window;
            self.credit_out += total - before;
            let lead = if pairs == 0 { '[' } else { ',' };
            // Writing to a string cannot fail.
            let _ = write!(text, "{lead}{},{total}", stream.id);
            pairs += 1;
            self.grants_out += 1;
            if pairs == PAIRS_MAX {
                self.grant_frame(&mut text);
                pairs = 0;
            }
        }
        if pairs > 0 {
            self.grant_frame(&mut text);
        }
    }

    fn grant_frame(&mut self, text: &mut String) {
        text.push(']');
        self.grant_frames_out += 1;
        let header = Header::data(CONTROL_ID, BodyKind::Json, text.len() as u32);
        self.frame_out(&header, text.as_bytes());
        text.clear();
    }
}
