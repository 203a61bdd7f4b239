//! Two sessions with a pipe of bounded bytes each way, in virtual time.

use bytes::{Bytes, BytesMut};
use push_mux::{
    mux::{Config, Output, Session, Time},
    wire::Decoder,
};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) session: Session,
    pub(crate) decoder: Decoder,
    pub(crate) output: Output,
    /// Bytes on their way to this side.
    pub(crate) inbox: BytesMut,
}

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) sides: [Side; 2],
    pub(crate) pipe_bytes: usize,
    pub(crate) now: Time,
}

impl Pair {
    pub(crate) fn new(configs: [Config; 2], pipe_bytes: usize) -> Self {
        let now = Time::from_micros(1_000_000);
        let sides = configs.map(|config| Side {
            decoder: Decoder::new(config.limits.body_bytes_max),
            session: Session::new(config, now),
            output: Output::default(),
            inbox: BytesMut::new(),
        });
        Self { sides, pipe_bytes, now }
    }

    pub(crate) fn session(&mut self, side: usize) -> &mut Session {
        &mut self.sides[side].session
    }

    /// Moves what fits of a side's output into the pipe; says how many bytes.
    pub(crate) fn write(&mut self, side: usize, bytes_max: usize) -> usize {
        let room = self.pipe_bytes.saturating_sub(self.sides[1 - side].inbox.len()).min(bytes_max);
        let from = &mut self.sides[side];
        if from.output.is_empty() && from.session.wants_transmit() {
            from.session.poll_transmit(self.now, &mut from.output, 64 << 10);
        }
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        let count = from.output.slices(&mut slices);
        let mut moved = BytesMut::new();
        for slice in &slices[..count] {
            let fits = slice.len().min(room - moved.len());
            moved.extend_from_slice(&slice[..fits]);
        }
        from.output.advance(moved.len());
        self.sides[1 - side].inbox.extend_from_slice(&moved);
        moved.len()
    }

    /// Feeds what has arrived, unless the session wants none; says how many bytes.
    pub(crate) fn read(&mut self, side: usize, bytes_max: usize) -> usize {
        let now = self.now;
        let to = &mut self.sides[side];
        if to.session.is_paused() || to.session.error().is_some() {
            return 0;
        }
        let bytes = to.inbox.len().min(bytes_max);
        to.decoder.push(Bytes::copy_from_slice(&to.inbox.split_to(bytes)));
        loop {
            match to.decoder.next_item() {
                Ok(Some(item)) => {
                    if to.session.handle_item(now, item).is_err() {
                        return bytes;
                    }
                }
                Ok(None) => return bytes,
                Err(error) => {
                    to.session.handle_closed(error.into());
                    return bytes;
                }
            }
        }
    }

    /// Moves bytes both ways until nothing moves.
    #[allow(dead_code, reason = "the fuzz targets include this file and use part of it")]
    pub(crate) fn pump(&mut self) -> usize {
        let mut bytes = 0;
        for _ in 0..100_000 {
            let mut moved = 0;
            for side in 0..2 {
                moved += self.write(side, usize::MAX) + self.read(side, usize::MAX);
            }
            if moved == 0 {
                return bytes;
            }
            bytes += moved;
        }
        panic!("two sessions talk for ever");
    }

    pub(crate) fn tick(&mut self, duration: Duration) {
        self.now = self.now + duration;
        for side in &mut self.sides {
            let _ = side.session.handle_timeout(self.now);
        }
    }
}
