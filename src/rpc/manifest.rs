use super::Kind;
use serde_json::{Map, Value};

/// A tree of names and kinds: `{"blobs":{"get":"source"},"whoami":"sync"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest(Map<String, Value>);

impl Manifest {
    /// Adds a method by its dotted name. A name that is a method cannot be a group as well; the first one stays.
    pub(crate) fn insert(&mut self, name: &str, kind: Kind) {
        let mut map = &mut self.0;
        let mut parts = name.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                map.entry(part).or_insert_with(|| kind.as_str().into());
                return;
            }
            let entry = map.entry(part).or_insert_with(|| Map::new().into());
            let Value::Object(inner) = entry else { return };
            map = inner;
        }
    }

    /// Reads a manifest that a peer sent.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice(bytes).ok()? {
            Value::Object(map) => Some(Self(map)),
            _ => None,
        }
    }

    /// The kind of a method by its dotted name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<Kind> {
        let (groups, last) = match name.rsplit_once('.') {
            Some((groups, last)) => (Some(groups), last),
            None => (None, name),
        };
        let mut map = &self.0;
        for group in groups.into_iter().flat_map(|groups| groups.split('.')) {
            map = map.get(group)?.as_object()?;
        }
        Kind::from_name(map.get(last)?.as_str()?)
    }

    /// As JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}
