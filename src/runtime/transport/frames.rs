//! WebSocket frames (RFC 6455, 5), cut and put together without keeping payload.
//!
//! tungstenite codes the headers; its engine is not used, because it reserves the length that a header claims, keeps
//! buffers of the largest frame seen for as long as the connection lives, and copies each byte twice more.

use super::StageError;
use bytes::{BufMut, BytesMut};
use std::{array, io::Cursor, io::IoSlice, mem};
use tungstenite::protocol::{
    Role,
    frame::{
        FrameHeader,
        coding::{CloseCode, Control as ControlCode, Data, OpCode},
    },
};

/// Most payload of a message that we send. A power of two that is no burden to any peer; one box-stream packet is 4 KiB.
pub(super) const SENT_MESSAGE_MAX: usize = 64 << 10;
/// Most payload of a control frame (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: u64 = 125;
/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// What is not payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    Ping(Vec<u8>),
    Pong,
    /// With the payload to answer with: the code, or nothing.
    Close(Vec<u8>),
}

/// A frame whose header was read.
struct Frame {
    control: Option<ControlCode>,
    /// Turned so that its first byte is for the next byte of payload.
    mask: Option<[u8; 4]>,
    left: u64,
}

/// Reads frames from chunks cut anywhere.
pub(super) struct FrameReader {
    role: Role,
    message_max: u64,
    /// The first bytes of a header that straddles chunks, and how many there are.
    header: [u8; HEADER_BYTES_MAX],
    held: usize,
    frame: Option<Frame>,
    /// Payload so far of a message whose last fragment is to come.
    message: Option<u64>,
    /// Payload so far of the control frame being read.
    control: Vec<u8>,
}

impl FrameReader {
    pub(super) const fn new(role: Role, message_max: u64) -> Self {
        Self {
            role,
            message_max,
            header: [0; HEADER_BYTES_MAX],
            held: 0,
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Reads on, appending payload to `up`, to the end of `chunk` (`None`) or of a control frame.
    pub(super) fn read(
        &mut self,
        chunk: &mut &[u8],
        up: &mut BytesMut,
    ) -> Result<Option<Control>, StageError> {
        loop {
            if self.frame.is_none() {
                self.frame = self.read_header(chunk)?;
            }
            let Some(frame) = &mut self.frame else { return Ok(None) };
            let size = usize::try_from(frame.left).map_or(chunk.len(), |left| left.min(chunk.len()));
            let (part, rest) = chunk.split_at(size);
            *chunk = rest;
            if frame.control.is_some() {
                self.control.extend_from_slice(part);
                mask_last(&mut self.control, size, &mut frame.mask);
            } else {
                up.extend_from_slice(part);
                mask_last(up, size, &mut frame.mask);
            }
            frame.left = frame.left.saturating_sub(size as u64);
            if frame.left > 0 {
                return Ok(None);
            }
            if let Some(code) = self.frame.take().and_then(|frame| frame.control) {
                return control(code, mem::take(&mut self.control)).map(Some);
            }
        }
    }

    /// `None` when `chunk` ended first.
    fn read_header(&mut self, chunk: &mut &[u8]) -> Result<Option<Frame>, StageError> {
        let room = self.header.iter_mut().skip(self.held);
        let copied = room.zip(chunk.iter()).map(|(to, from)| *to = *from).count();
        let mut cursor = Cursor::new(self.header.get(..self.held + copied).unwrap_or_default());
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| StageError::Frame("no such opcode"))?;
        let Some((header, length)) = parsed else {
            self.held += copied;
            *chunk = chunk.get(copied..).unwrap_or_default();
            return Ok(None);
        };
        let used = usize::try_from(cursor.position()).map_or(copied, |end| end.saturating_sub(self.held));
        *chunk = chunk.get(used..).unwrap_or_default();
        self.held = 0;
        self.check(&header, length).map(Some)
    }

    fn check(&mut self, header: &FrameHeader, length: u64) -> Result<Frame, StageError> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(StageError::Frame("a reserved bit is set"));
        }
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(StageError::Frame("not masked, from a client")),
            (Role::Client, Some(_)) => return Err(StageError::Frame("masked, from a server")),
            _ => {}
        }
        let control = match header.opcode {
            OpCode::Control(_) if !header.is_final => {
                return Err(StageError::Frame("a control frame in fragments"));
            }
            OpCode::Control(_) if length > CONTROL_BYTES_MAX => {
                return Err(StageError::Frame("a control frame over 125 bytes"));
            }
            OpCode::Control(code) => Some(code),
            OpCode::Data(data) => {
                self.check_message(data, header.is_final, length)?;
                None
            }
        };
        Ok(Frame { control, mask: header.mask, left: length })
    }

    fn check_message(&mut self, data: Data, is_final: bool, length: u64) -> Result<(), StageError> {
        let before = match (data, self.message) {
            (Data::Continue, Some(before)) => before,
            (Data::Continue, None) => return Err(StageError::Frame("a continuation of nothing")),
            (_, Some(_)) => return Err(StageError::Frame("a message inside another")),
            (Data::Binary, None) => 0,
            (Data::Text, None) => return Err(StageError::Text),
            (Data::Reserved(_), None) => return Err(StageError::Frame("no such opcode")),
        };
        let total = before.saturating_add(length);
        if total > self.message_max {
            return Err(StageError::MessageSize { max: self.message_max });
        }
        self.message = (!is_final).then_some(total);
        Ok(())
    }
}

fn control(code: ControlCode, payload: Vec<u8>) -> Result<Control, StageError> {
    match code {
        ControlCode::Ping => Ok(Control::Ping(payload)),
        ControlCode::Pong => Ok(Control::Pong),
        ControlCode::Close => close_answer(&payload).map(Control::Close),
        ControlCode::Reserved(_) => Err(StageError::Frame("no such opcode")),
    }
}

/// A close frame is answered with its own code (RFC 6455, 5.5.1).
fn close_answer(payload: &[u8]) -> Result<Vec<u8>, StageError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(Vec::new()) } else { Err(StageError::Frame("half a close code")) };
    };
    if !CloseCode::from(u16::from_be_bytes(*code)).is_allowed() {
        return Err(StageError::Frame("no such close code"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(StageError::Frame("a close reason that is not UTF-8"));
    }
    Ok(code.to_vec())
}

/// Writes frames; a client masks them.
pub(super) struct FrameWriter(Option<Box<Masks>>);

impl FrameWriter {
    pub(super) fn new(role: Role) -> Self {
        Self((role == Role::Client).then(Box::default))
    }

    /// Appends `slices` as binary messages.
    pub(super) fn write_binary(
        &mut self,
        slices: &[IoSlice<'_>],
        down: &mut BytesMut,
    ) -> Result<(), StageError> {
        let mut left: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut parts = slices.iter().map(|slice| &**slice);
        let mut part: &[u8] = &[];
        while left > 0 {
            let size = left.min(SENT_MESSAGE_MAX);
            left -= size;
            let mut mask = self.write_header(OpCode::Data(Data::Binary), size, down)?;
            let mut missing = size;
            while missing > 0 {
                if part.is_empty() {
                    let Some(next) = parts.next() else { break };
                    part = next;
                }
                let (now, later) = part.split_at(part.len().min(missing));
                down.extend_from_slice(now);
                missing -= now.len();
                part = later;
            }
            mask_last(down, size, &mut mask);
        }
        Ok(())
    }

    pub(super) fn write_pong(&mut self, payload: &[u8], down: &mut BytesMut) -> Result<(), StageError> {
        self.write_control(ControlCode::Pong, payload, down)
    }

    pub(super) fn write_close(&mut self, payload: &[u8], down: &mut BytesMut) -> Result<(), StageError> {
        self.write_control(ControlCode::Close, payload, down)
    }

    fn write_control(
        &mut self,
        code: ControlCode,
        payload: &[u8],
        down: &mut BytesMut,
    ) -> Result<(), StageError> {
        let mut mask = self.write_header(OpCode::Control(code), payload.len(), down)?;
        down.extend_from_slice(payload);
        mask_last(down, payload.len(), &mut mask);
        Ok(())
    }

    fn write_header(
        &mut self,
        opcode: OpCode,
        length: usize,
        down: &mut BytesMut,
    ) -> Result<Option<[u8; 4]>, StageError> {
        let mask = self.0.as_mut().map(|masks| masks.draw()).transpose()?;
        down.reserve(HEADER_BYTES_MAX + length);
        let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
        // Writing to memory does not fail.
        header
            .format(length as u64, &mut down.writer())
            .map_err(|_| StageError::Frame("the header cannot be written"))?;
        Ok(mask)
    }
}

/// Mask keys out of the operating system's randomness, as RFC 6455 (5.3) asks for, 32 to a call.
#[derive(Default)]
struct Masks {
    keys: [[u8; 4]; 32],
    left: usize,
}

impl Masks {
    fn draw(&mut self) -> Result<[u8; 4], StageError> {
        if self.left == 0 {
            getrandom::fill(self.keys.as_flattened_mut())
                .map_err(|error| StageError::Random(error.to_string()))?;
            self.left = self.keys.len();
        }
        self.left -= 1;
        Ok(self.keys.get(self.left).copied().unwrap_or_default())
    }
}

/// Masks or unmasks the last `size` bytes, and turns the mask for those that follow.
fn mask_last(bytes: &mut [u8], size: usize, mask: &mut Option<[u8; 4]>) {
    let Some(mask) = mask else { return };
    let start = bytes.len().saturating_sub(size);
    // Whole blocks against a pattern of their size: the compiler makes wide instructions of it.
    let pattern: [u8; 32] = array::from_fn(|at| mask[at % 4]);
    let (blocks, rest) = bytes.get_mut(start..).unwrap_or_default().as_chunks_mut::<32>();
    for block in blocks {
        block.iter_mut().zip(&pattern).for_each(|(byte, key)| *byte ^= key);
    }
    rest.iter_mut().zip(&pattern).for_each(|(byte, key)| *byte ^= key);
    mask.rotate_left(size % 4);
}
