//! What both ends know: what is to be sent on which stream. The opening body names the plan, so that the far end can
//! check what it gets without being told otherwise.

use crate::random::Random;
use push_mux::{mux::Halves, wire::Body};

/// One direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) frames: u32,
    pub(crate) bytes_max: usize,
    /// All bodies are as long as they may be.
    pub(crate) is_even: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// What the opener sends, if anything, and what it gets.
    pub(crate) out: Option<Flow>,
    pub(crate) back: Option<Flow>,
}

impl Plan {
    /// The plan that a number stands for.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut flow = || Flow {
            frames: u32::try_from(random.spread(1, 160) - 1).expect("few"),
            bytes_max: usize::try_from(random.spread(1, 10_000)).expect("small"),
            is_even: random.one_in(2),
        };
        let (out, back) = (flow(), flow());
        let (out, back) = match seed % 3 {
            0 => (Some(out), None),
            1 => (None, Some(back)),
            _ => (Some(out), Some(back)),
        };
        Self { seed, out, back }
    }

    pub(crate) const fn halves(&self) -> Halves {
        Halves { send: self.out.is_some(), recv: self.back.is_some() }
    }

    pub(crate) fn opening(&self) -> Body {
        Body::json(format!("{{\"plan\":{}}}", self.seed))
    }

    pub(crate) fn read(body: &Body) -> Self {
        let text = std::str::from_utf8(&body.bytes).expect("JSON is text");
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        Self::new(digits.parse().expect("a seed"))
    }

    /// The nth body of one direction.
    pub(crate) fn body(&self, is_back: bool, number: u32) -> Body {
        let flow = if is_back { self.back } else { self.out }.expect("it is planned");
        let mut random = Random::new(self.seed ^ (u64::from(number) << 20) ^ u64::from(is_back) << 63);
        let bytes = if flow.is_even { flow.bytes_max } else { random.size(flow.bytes_max) + 1 };
        let first = random.next().to_le_bytes();
        let mut body: Vec<u8> = first.iter().copied().cycle().take(bytes).collect();
        if let Some(last) = body.last_mut() {
            *last = u8::try_from(number % 251).expect("below 251");
        }
        Body::binary(body)
    }
}
