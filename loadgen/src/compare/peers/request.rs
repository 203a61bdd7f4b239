//! What a client asks for, where a peer has no methods: four numbers before everything else.

use crate::compare::work::{Shape, Work};

/// Length of a request.
pub(super) const REQUEST: usize = 16;

/// The shapes by their number on the wire.
const SHAPES: [Shape; 4] = [Shape::Source, Shape::Sink, Shape::PingPong, Shape::Async];

/// What a server needs to know to do its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Which way messages go.
    pub(super) shape: Shape,
    /// Over how many streams.
    pub(super) streams: u32,
    /// How many on each.
    pub(super) each: u32,
    /// Size of every body.
    pub(super) body: usize,
}

impl Request {
    /// The client's words.
    pub(super) fn pack(work: &Work) -> anyhow::Result<[u8; REQUEST]> {
        let shape = SHAPES.iter().position(|&shape| shape == work.shape).unwrap_or_default();
        let mut request = [0; REQUEST];
        let numbers = [u32::try_from(shape)?, work.streams, work.each, u32::try_from(work.body)?];
        for (place, number) in request.as_chunks_mut().0.iter_mut().zip(numbers) {
            *place = number.to_be_bytes();
        }
        Ok(request)
    }

    /// The server's understanding of them.
    pub(super) fn unpack(request: &[u8; REQUEST]) -> anyhow::Result<Self> {
        let mut numbers = [0; 4];
        for (number, place) in numbers.iter_mut().zip(request.as_chunks().0) {
            *number = u32::from_be_bytes(*place);
        }
        let [shape, streams, each, body] = numbers;
        let shape = SHAPES.get(shape as usize).copied();
        let shape = shape.ok_or_else(|| anyhow::anyhow!("a request is of no known shape"))?;
        Ok(Self { shape, streams, each, body: body as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::work::sample;

    #[test]
    fn every_shape_is_asked_for_and_understood() {
        for shape in SHAPES {
            let request = Request::unpack(&Request::pack(&sample(shape)).expect("small numbers"));
            let wanted = Request { shape, streams: 3, each: 10, body: 64 };
            assert_eq!(request.expect("as it was written"), wanted);
        }
        assert!(Request::unpack(&[9; REQUEST]).is_err());
    }
}
