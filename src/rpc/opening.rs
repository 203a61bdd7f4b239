use crate::wire::{Body, BodyKind};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// A call's kind, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Answered once.
    Async,
    /// The same on the wire: the word tells JavaScript that the answer is at hand.
    Sync,
    /// Sends to the caller.
    Source,
    /// Listens to the caller.
    Sink,
    /// Both at once.
    Duplex,
}

impl Kind {
    /// The word in manifests and openings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Sync => "sync",
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Duplex => "duplex",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Async, Self::Sync, Self::Source, Self::Sink, Self::Duplex]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// A dotted name, from an array of its parts or from one string: `manifest` is asked for by the latter, by JavaScript and
/// Go alike. Read by hand, since serde's untagged enums keep and re-read what they look at.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
        Ok(Name(name.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Name, A::Error> {
        let mut name = String::new();
        while let Some(part) = parts.next_element::<Cow<'de, str>>()? {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&part);
        }
        Ok(Name(name))
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    name: Name,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
}

/// The first body of a call, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Dotted.
    pub(crate) name: String,
    /// The JSON array of arguments, still as bytes of the opening.
    pub(crate) args: Bytes,
    pub(crate) kind: Option<String>,
}

impl Opening {
    /// Reads the body of a request or of a stream's first frame.
    ///
    /// # Errors
    /// A sentence for the caller.
    pub(crate) fn read(body: &Body) -> Result<Self, String> {
        if body.kind != BodyKind::Json {
            return Err("invalid request: a call must be a JSON object".to_owned());
        }
        let fields: Fields<'_> = serde_json::from_slice(&body.bytes).map_err(|_| {
            "invalid request: a call must be an object with name (a string or an array of strings) and args".to_owned()
        })?;
        let Name(name) = fields.name;
        let args = match fields.args {
            Some(args) if args.get().starts_with('[') => body.bytes.slice_ref(args.get().as_bytes()),
            other => {
                let was = other.map_or("undefined", RawValue::get);
                let was: String = was.chars().take(64).collect();
                return Err(format!("invalid request, args should be array, was: {was}"));
            }
        };
        Ok(Self { name, args, kind: fields.kind.map(Cow::into_owned) })
    }

    /// Writes an opening. Async calls go without a kind, as JavaScript's do; go-muxrpc ends the session over `sync`.
    pub(crate) fn write(name: &str, args: &str, kind: Kind) -> String {
        let mut json = String::with_capacity(32 + name.len() + args.len());
        json.push_str(r#"{"name":["#);
        for (place, part) in name.split('.').enumerate() {
            if place > 0 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(part).to_string());
        }
        json.push_str(r#"],"args":"#);
        json.push_str(args);
        if !matches!(kind, Kind::Async | Kind::Sync) {
            json.push_str(r#","type":""#);
            json.push_str(kind.as_str());
            json.push('"');
        }
        json.push('}');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &'static str) -> Result<Opening, String> {
        Opening::read(&Body::json(json))
    }

    #[test]
    fn names_are_arrays_or_strings() {
        let opening =
            read(r#"{"name":["blobs","get"],"args":["x", 1],"type":"source"}"#).expect("it is whole");
        assert_eq!(opening.name, "blobs.get");
        assert_eq!(opening.args, r#"["x", 1]"#);
        assert_eq!(opening.kind.as_deref(), Some("source"));
        let opening = read("{\"name\":\"manifest\",\"args\":[]}\n").expect("it is whole");
        assert_eq!((opening.name.as_str(), opening.kind), ("manifest", None));
    }

    #[test]
    fn a_call_without_args_is_told_what_javascript_tells_it() {
        let error = read(r#"{"name":["a"]}"#).expect_err("there are no args");
        assert_eq!(error, "invalid request, args should be array, was: undefined");
        assert!(read(r#"{"name":["a"],"args":{}}"#).is_err());
        assert!(read(r#"{"name":7,"args":[]}"#).is_err());
        assert!(read("[1]").is_err());
        assert!(Opening::read(&Body::text("control")).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let json = Opening::write("a.b\"c", "[1]", Kind::Duplex);
        let opening = Opening::read(&Body::json(json)).expect("it is whole");
        assert_eq!((opening.name.as_str(), opening.kind.as_deref()), ("a.b\"c", Some("duplex")));
    }
}
