//! Which blob, and how much of it.

use crate::{Call, CallError, ssb::BlobId};
use serde_json::Value;

/// A blob's id, by itself or as a member of an object, under one of the names that peers use.
pub(super) fn id(value: &Value) -> Option<BlobId> {
    let member = || ["id", "key", "hash"].iter().find_map(|name| value.get(name)?.as_str());
    value.as_str().or_else(member)?.parse().ok()
}

/// Blobs that one call may ask about. Stops a caller from having the disk looked at without end by one frame.
const IDS_MAX: usize = 10_000;

/// An id or an array of them, and whether it is an array.
pub(super) fn ids(value: &Value, refusal: &str) -> Result<(Vec<BlobId>, bool), CallError> {
    let parse = |value: &Value| id(value).ok_or_else(|| CallError::new(format!("{refusal}{}", short(value))));
    match value {
        Value::Array(values) if values.len() > IDS_MAX => {
            Err(CallError::new(format!("no more than {IDS_MAX} blobs are asked about at once")))
        }
        Value::Array(values) => Ok((values.iter().map(parse).collect::<Result<_, _>>()?, true)),
        one => Ok((vec![parse(one)?], false)),
    }
}

/// The blob that an added one is said to be. Command lines send their options as an object, which need not name one.
pub(super) fn expected(value: &Value) -> Result<Option<BlobId>, CallError> {
    match value {
        Value::Null => Ok(None),
        Value::Object(members) if !members.contains_key("id") => Ok(None),
        other => {
            let blob = id(other).ok_or_else(|| CallError::new(format!("not a valid hash: {}", short(other))));
            blob.map(Some)
        }
    }
}

/// What is said of a first argument that is no id.
pub(super) fn refused(words: &str, call: &Call) -> CallError {
    CallError::new(format!("{words}{}", short(&call.arg(0).unwrap_or_default())))
}

/// Enough of a value to know it by, as JavaScript would write it.
fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(100).collect()
}

/// The argument of `blobs.get`: an id, or an object that says more.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) id: BlobId,
    /// Only if it has just so many bytes.
    size: Option<f64>,
    /// Only if it has no more.
    max: Option<f64>,
}

impl Wanted {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let number = |name| value.get(name).and_then(Value::as_f64);
        Some(Self { id: id(value)?, size: number("size"), max: number("max") })
    }

    /// Whether a blob of so many bytes is what is wanted.
    pub(super) fn check(&self, bytes: u64) -> Result<(), CallError> {
        #[expect(clippy::cast_precision_loss, reason = "JavaScript knows no other numbers")]
        let found = bytes as f64;
        let is_other = self.size.is_some_and(|size| size.to_bits() != found.to_bits());
        if is_other || self.max.is_some_and(|max| max < found) {
            let requested = self.size.or(self.max).unwrap_or_default();
            return Err(CallError::new(format!(
                "incorrect file length, requested:{requested} file was:{bytes} for file:{}",
                self.id
            )));
        }
        Ok(())
    }
}

/// `start` and `end` of a slice, of which the latter is outside.
pub(super) fn bounds(value: &Value) -> Result<(u64, u64), CallError> {
    let bound = |name: &str| {
        let number = value.get(name).and_then(Value::as_f64).filter(|number| *number >= 0.0);
        let refusal = || CallError::new(format!("multiblob.getSlice: {{{name}}} must be a number"));
        number.map(|number| crate::ssb::calls::args::limit(Some(number))).ok_or_else(refusal)
    };
    let (start, end) = (bound("start")?, bound("end")?);
    if end < start {
        return Err(CallError::new("multiblob.getSlice: {end} must not be before {start}"));
    }
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256";

    #[test]
    fn an_id_comes_under_every_name() {
        for value in [json!(ID), json!({ "id": ID }), json!({ "key": ID }), json!({ "hash": ID, "x": 1 })] {
            assert_eq!(id(&value), Some(BlobId::EMPTY), "{value}");
        }
        for value in [json!(null), json!(1), json!([ID]), json!({}), json!({ "id": 1 }), json!("&a.sha256")] {
            assert_eq!(id(&value), None, "{value}");
        }
    }

    #[test]
    fn several_are_asked_for_at_once() {
        assert_eq!(ids(&json!([ID, { "key": ID }]), "").unwrap(), (vec![BlobId::EMPTY; 2], true));
        assert_eq!(ids(&json!(ID), "").unwrap(), (vec![BlobId::EMPTY], false));
        assert_eq!(ids(&json!([ID, "no"]), "invalid id:").unwrap_err().to_string(), "invalid id:no");
        let long = "x".repeat(5_000);
        assert!(ids(&json!(long), "").unwrap_err().to_string().len() <= 100);
    }

    #[test]
    fn a_blob_of_another_size_is_not_what_is_wanted() {
        let wanted = |value: Value| Wanted::read(&value).unwrap();
        assert!(wanted(json!(ID)).check(1 << 40).is_ok());
        assert!(wanted(json!({ "id": ID, "size": 5, "max": 5 })).check(5).is_ok());
        assert!(wanted(json!({ "id": ID, "size": 5 })).check(6).is_err());
        let error = wanted(json!({ "id": ID, "max": 5 })).check(6).unwrap_err().to_string();
        assert_eq!(error, format!("incorrect file length, requested:5 file was:6 for file:{ID}"));
    }

    #[test]
    fn bounds_are_numbers() {
        assert_eq!(bounds(&json!({ "start": 3, "end": 1e300 })).unwrap(), (3, u64::MAX));
        let error = |value| bounds(&value).unwrap_err().to_string();
        assert_eq!(error(json!({ "end": 3 })), "multiblob.getSlice: {start} must be a number");
        assert_eq!(error(json!({ "start": 0, "end": "3" })), "multiblob.getSlice: {end} must be a number");
        assert_eq!(error(json!({ "start": -1, "end": 3 })), "multiblob.getSlice: {start} must be a number");
    }

    #[test]
    fn an_expected_id_may_be_missing_and_not_wrong() {
        assert_eq!(expected(&json!(null)).unwrap(), None);
        assert_eq!(expected(&json!({ "verbose": true })).unwrap(), None);
        assert_eq!(expected(&json!(ID)).unwrap(), Some(BlobId::EMPTY));
        assert!(expected(&json!("no")).is_err() && expected(&json!({ "id": "no" })).is_err());
    }
}
