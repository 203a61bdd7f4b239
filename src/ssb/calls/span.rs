use super::kvt::Shape;
use crate::{CallError, ssb::store::StoreError};
use serde::Deserialize;

/// What part of a stream is wanted, as npm `pull-level` and `ssb-db` understand the options.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Span {
    gt: Option<f64>,
    gte: Option<f64>,
    lt: Option<f64>,
    lte: Option<f64>,
    limit: Option<f64>,
    pub(super) reverse: bool,
    pub(super) live: bool,
    pub(super) old: bool,
    keys: bool,
    values: bool,
}

impl Default for Span {
    fn default() -> Self {
        Self {
            gt: None,
            gte: None,
            lt: None,
            lte: None,
            limit: None,
            reverse: false,
            live: false,
            old: true,
            keys: true,
            values: true,
        }
    }
}

impl Span {
    pub(super) const fn shape(&self) -> Shape {
        Shape::new(self.keys, self.values)
    }

    pub(super) fn limit(&self) -> u64 {
        super::args::limit(self.limit)
    }

    pub(super) fn holds(&self, at: f64) -> bool {
        self.gt.is_none_or(|gt| at > gt) && self.gte.is_none_or(|gte| at >= gte) && !self.is_beyond(at)
    }

    /// Whether nothing from here on is wanted.
    pub(super) fn is_beyond(&self, at: f64) -> bool {
        self.lt.is_some_and(|lt| at >= lt) || self.lte.is_some_and(|lte| at > lte)
    }

    /// Where to begin to look.
    pub(super) fn first(&self) -> Option<f64> {
        self.gt.or(self.gte)
    }
}

pub(super) fn store_error(error: StoreError) -> CallError {
    CallError::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_what_their_names_say() {
        let span: Span = serde_json::from_str(r#"{"gt":2,"lte":4}"#).unwrap();
        let held: Vec<_> = (1..=6).filter(|at| span.holds(f64::from(*at))).collect();
        assert_eq!(held, [3, 4]);
        let span: Span = serde_json::from_str(r#"{"gte":2,"lt":4,"limit":-1}"#).unwrap();
        let held: Vec<_> = (1..=6).filter(|at| span.holds(f64::from(*at))).collect();
        assert_eq!(held, [2, 3]);
        assert_eq!(span.limit(), u64::MAX);
        assert!(span.old && !span.live && !span.reverse);
    }
}
