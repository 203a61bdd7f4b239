//! From the rows of several rounds to one line a peer: the median, and how far apart the rounds were.

use serde::Serialize;

use crate::row::Row;

/// The middle and the ends of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of the figures; nothing when there are none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { median, min, max })
    }
}

/// One peer in one scenario; what `compare --json` prints: the fields of a row and three more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// The row of the round in the middle, with the errors of all rounds.
    #[serde(flatten)]
    pub(crate) row: Row,
    /// Rounds that came to an end.
    pub(crate) runs: usize,
    /// Messages a second over the rounds.
    pub(crate) rate: Spread,
    /// Messages a second as a multiple of the base peer's in the same round.
    pub(crate) ratio: Option<Spread>,
}

impl Summary {
    /// Sums up the rounds of one peer; `None` stands for a round without a result, on either side.
    pub(crate) fn of(rounds: &[Option<Row>], base: &[Option<Row>]) -> Option<Self> {
        let mut rows: Vec<&Row> = rounds.iter().flatten().collect();
        rows.sort_by(|a, b| a.messages_per_second.total_cmp(&b.messages_per_second));
        let rate = Spread::of(rows.iter().map(|row| row.messages_per_second))?;
        let mut row = (*rows.get((rows.len() - 1) / 2)?).clone();
        row.errors = rows.iter().map(|row| row.errors).sum();
        let ratio = Spread::of(rounds.iter().zip(base).filter_map(|(row, base)| {
            let (row, base) = (row.as_ref()?, base.as_ref()?);
            Some(row.messages_per_second / base.messages_per_second)
        }));
        Some(Self { row, runs: rows.len(), rate, ratio })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::sample;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let base = [100.0, 200.0, 400.0].map(|rate| Some(sample("push-mux", rate)));
        let peer = [50.0, 100.0, 800.0].map(|rate| Some(sample("h2", rate)));
        let summary = Summary::of(&peer, &base).expect("three rounds");
        assert_eq!(summary.ratio, Some(Spread { median: 0.5, min: 0.5, max: 2.0 }));
        assert_eq!(summary.rate, Spread { median: 100.0, min: 50.0, max: 800.0 });
        assert_eq!((summary.row.messages_per_second, summary.runs), (100.0, 3));
    }

    #[test]
    fn a_round_that_failed_is_left_out_on_both_sides() {
        let base = [None, Some(sample("push-mux", 10.0))];
        let peer = [Some(sample("h2", 30.0)), Some(sample("h2", 5.0))];
        let summary = Summary::of(&peer, &base).expect("two rounds");
        assert_eq!(summary.ratio.map(|ratio| ratio.median), Some(0.5));
        assert_eq!(Summary::of(&[None, None], &peer), None);
    }

    #[test]
    fn errors_of_every_round_count() {
        let wrong = |errors| Some(Row { errors, ..sample("h2", 1.0) });
        let summary = Summary::of(&[wrong(1), wrong(0), wrong(2)], &[]).expect("three rounds");
        assert_eq!((summary.row.errors, summary.ratio), (3, None));
    }

    #[test]
    fn the_object_is_a_row_with_three_more_fields() {
        let rows = [Some(sample("tcp", 10.0))];
        let json = serde_json::to_value(Summary::of(&rows, &rows)).expect("plain data");
        assert_eq!(json["peer"], "tcp");
        assert_eq!(json["ratio"]["median"], 1.0);
        assert_eq!((json["runs"].as_u64(), json["rate"]["max"].as_f64()), (Some(1), Some(10.0)));
    }
}
