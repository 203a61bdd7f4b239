/// The largest credit a JSON number carries exactly; more is read as this much, which no stream outlives.
pub const CREDIT_MAX: u64 = (1 << 53) - 1;

/// The sending side of one half: spend until the limit, one frame may overshoot it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    sent: u64,
    limit: u64,
}

impl Sender {
    /// Cost spent since the stream opened.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// The highest credit granted so far, 0 before the first grant.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether another frame may go. A frame is sent whole once anything is left, so any credit above `sent` is
    /// progress (push-mux 1.0.7 does the same).
    #[must_use]
    #[inline]
    pub const fn may_send(&self, overdraft: u64) -> bool {
        self.sent < self.limit.saturating_add(overdraft)
    }

    /// Counts a sent frame.
    #[inline]
    pub const fn spend(&mut self, cost: u64) {
        self.sent = self.sent.saturating_add(cost);
    }

    /// Takes a granted total; says whether it raised the limit. A lower one than before is ignored: JavaScript
    /// obeys it, which lets a confused peer stop a stream for ever.
    pub const fn raise(&mut self, credit: u64) -> bool {
        if credit <= self.limit {
            return false;
        }
        self.limit = credit;
        true
    }
}

/// A grant's total as a JSON number: floored, clamped to `0..=CREDIT_MAX`. `None` for what is no credit at all, as the
/// negative values that switch flow control off in push-mux 1.0.7.
#[must_use]
pub fn credit_from_number(number: f64) -> Option<u64> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    // A float-to-integer cast saturates, so the clamp is exact.
    Some((number as u64).min(CREDIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_may_overshoot_and_no_more() {
        let mut sender = Sender::default();
        assert!(!sender.may_send(0), "nothing goes without credit or overdraft");
        assert!(sender.raise(10));
        sender.spend(9);
        assert!(sender.may_send(0));
        sender.spend(1 << 20);
        assert!(!sender.may_send(0));
    }

    #[test]
    fn a_lower_credit_is_ignored() {
        let mut sender = Sender::default();
        assert!(sender.raise(100));
        assert!(!sender.raise(50));
        assert!(!sender.raise(100));
        assert_eq!(sender.limit(), 100);
    }

    #[test]
    fn numbers_that_are_no_credit_are_refused() {
        assert_eq!(credit_from_number(-1.0), None);
        assert_eq!(credit_from_number(f64::NAN), None);
        assert_eq!(credit_from_number(f64::INFINITY), None);
        assert_eq!(credit_from_number(1e308), Some(CREDIT_MAX));
        assert_eq!(credit_from_number(2.9), Some(2));
    }
}
