//! How fast something grows in the course of a run.

use crate::report::row::Moment;
use crate::report::spread::median;

/// Growth in a second, between the middle of the second quarter and of the last: the first is still filling up.
pub(crate) fn slope(timeline: &[Moment], pick: fn(&Moment) -> f64) -> Option<f64> {
    let quarter = Some(timeline.len() / 4).filter(|quarter| *quarter > 0)?;
    let (early, late) = (timeline.get(quarter..2 * quarter)?, timeline.get(3 * quarter..)?);
    let middle = |part: &[Moment], pick: fn(&Moment) -> f64| median(part.iter().map(pick));
    let seconds = middle(late, |moment| moment.at) - middle(early, |moment| moment.at);
    (seconds > 0.0).then(|| (middle(late, pick) - middle(early, pick)) / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_growth_is_told_in_bytes_a_second() {
        let moment = |at: u32| Moment {
            at: f64::from(at),
            rss_bytes: crate::report::row::Ends { server: 1000 + 5 * u64::from(at), client: 7 },
            ..Moment::default()
        };
        let timeline: Vec<Moment> = (0..40).map(moment).collect();
        assert_eq!(slope(&timeline, |moment| moment.rss_bytes.server as f64), Some(5.0));
        assert_eq!(slope(&timeline, |moment| moment.rss_bytes.client as f64), Some(0.0));
        assert_eq!(slope(&timeline[..2], |moment| moment.at), None);
    }
}
