use crate::ssb::store::Stored;
use bytes::Bytes;

/// Which parts of a message a stream sends, as npm `ssb-db` understands `keys` and `values`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{key, value, timestamp}`.
    Both,
    /// The bare value, as replication has it.
    Value,
    /// The id alone.
    Key,
}

impl Shape {
    pub(super) const fn new(keys: bool, values: bool) -> Self {
        match (keys, values) {
            (true, true) => Self::Both,
            (true, false) => Self::Key,
            (false, _) => Self::Value,
        }
    }

    /// The JSON that is sent. `room` is lent for it.
    pub(super) fn write<'a>(self, message: &'a Stored, room: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Value => &message.value,
            Self::Key => {
                room.clear();
                room.extend_from_slice(format!("\"{}\"", message.id).as_bytes());
                room
            }
            Self::Both => {
                room.clear();
                write_kvt(message, room);
                room
            }
        }
    }
}

fn write_kvt(message: &Stored, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"key\":\"{}\",\"value\":", message.id).as_bytes());
    out.extend_from_slice(&message.value);
    out.extend_from_slice(b",\"timestamp\":");
    out.extend_from_slice(ryu_js::Buffer::new().format(message.received_ms).as_bytes());
    out.push(b'}');
}

/// A message as `{key, value, timestamp}`.
pub(super) fn kvt(message: &Stored) -> Bytes {
    let mut out = Vec::with_capacity(message.value.len() + 128);
    write_kvt(message, &mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKey, ssb::MessageId};

    #[test]
    fn a_message_is_written_as_javascript_peers_write_it() {
        let message = Stored {
            id: MessageId([0; 32]),
            author: PublicKey([0; 32]),
            sequence: 1,
            received_ms: 1_500_000_000_000.5,
            value: Bytes::from_static(b"{}"),
        };
        let id = "%AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.sha256";
        let mut room = Vec::new();
        let mut write = |keys, values| {
            String::from_utf8(Shape::new(keys, values).write(&message, &mut room).to_vec()).unwrap()
        };
        assert_eq!(
            write(true, true),
            format!("{{\"key\":\"{id}\",\"value\":{{}},\"timestamp\":1500000000000.5}}")
        );
        assert_eq!(write(true, false), format!("\"{id}\""));
        assert_eq!(write(false, true), "{}");
    }
}
