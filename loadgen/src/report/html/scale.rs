//! From numbers to places on an axis, and the numbers that an axis names.

/// How numbers are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Evenly, from 0.
    Linear,
    /// Every tenfold the same length.
    Log,
    /// Parts of all, so that 90 %, 99 % and 99.9 % are equally far apart, as HdrHistogram draws them.
    Percentile,
}

/// An axis that has its range and its place in the drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    /// Range in the units of [`Scale::position`].
    from: f64,
    to: f64,
    /// Where the range begins and ends in the drawing.
    pixels: (f64, f64),
}

/// How many times the smallest the largest must be before an axis is logarithmic.
const LOG_FROM: f64 = 30.0;

/// About so many intervals between the names of a linear axis.
const INTERVALS: f64 = 5.0;

/// Names on a logarithmic axis at most.
const LOG_TICKS_MAX: usize = 7;

/// No figure of a run is beyond these; what is all the same must not make an axis of thousands of tenfolds.
const LEAST: f64 = 1e-15;
const MOST: f64 = 1e21;

/// How far beyond the last percentile the largest value is drawn, as a part of the length up to there: room for its name.
const MAX_GAP: f64 = 0.16;

impl Kind {
    /// Logarithmic where figures are too far apart for one linear axis.
    pub(crate) fn for_figures(figures: impl IntoIterator<Item = f64>) -> Self {
        let Some((least, most)) = ends(figures.into_iter().filter(|&figure| figure > 0.0)) else {
            return Self::Linear;
        };
        if most / least > LOG_FROM { Self::Log } else { Self::Linear }
    }
}

impl Scale {
    /// An axis that has room for the figures. What is not finite is left out; 0 and less only where there is a place for it.
    pub(crate) fn new(kind: Kind, figures: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let finite = figures.into_iter().filter(|figure| figure.is_finite()).map(|figure| figure.min(MOST));
        let (from, to) = match kind {
            Kind::Linear => {
                let most = ends(finite).map_or(0.0, |(_, most)| most);
                let most = if most > 0.0 { most.max(LEAST) } else { 1.0 };
                let step = nice_step(most / INTERVALS);
                (0.0, (most / step - 1e-9).ceil().max(1.0) * step)
            }
            Kind::Log => {
                log_range(ends(finite.filter(|&figure| figure > 0.0).map(|figure| figure.max(LEAST))))
            }
            Kind::Percentile => {
                let most = ends(finite.filter(|&part| part < 1.0).map(rarity)).map_or(2.0, |(_, most)| most);
                (0.0, most.clamp(2.0, 9.0) * (1.0 + MAX_GAP))
            }
        };
        Self { kind, from, to, pixels }
    }

    /// A linear axis that ends where the figures end, for time.
    pub(crate) fn exact(figures: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let most =
            ends(figures.into_iter().filter(|figure| figure.is_finite())).map_or(0.0, |(_, most)| most);
        Self { kind: Kind::Linear, from: 0.0, to: if most > 0.0 { most.max(LEAST) } else { 1.0 }, pixels }
    }

    /// Where in the drawing a number is; at the nearest end when it is beyond the range.
    pub(crate) fn at(&self, number: f64) -> f64 {
        let part = ((self.position(number) - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        let part = if part.is_finite() { part } else { 0.0 };
        self.pixels.0 + part * (self.pixels.1 - self.pixels.0)
    }

    /// The number itself, its logarithm, or how rare it is.
    fn position(&self, number: f64) -> f64 {
        match self.kind {
            Kind::Linear => number,
            Kind::Log if number > 0.0 => number.log10(),
            Kind::Log => self.from,
            Kind::Percentile if number >= 1.0 => self.to,
            Kind::Percentile => rarity(number),
        }
    }

    /// The numbers that the axis names, from small to large.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        match self.kind {
            Kind::Linear => linear_ticks(self.to),
            Kind::Log => log_ticks(self.from, self.to),
            Kind::Percentile => percentile_ticks(self.to / (1.0 + MAX_GAP)),
        }
    }

    /// Where bars begin.
    pub(crate) const fn start(&self) -> f64 {
        self.pixels.0
    }
}

/// The smallest and the largest; nothing of none.
pub(crate) fn ends(figures: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = figures.into_iter().filter(|figure| figure.is_finite());
    finite.fold(None, |so_far, figure| match so_far {
        None => Some((figure, figure)),
        Some((least, most)) => Some((figure.min(least), figure.max(most))),
    })
}

/// How many tenfolds rarer than all: 0 for 0 %, 1 for 90 %, 2 for 99 %.
fn rarity(part: f64) -> f64 {
    -(1.0 - part.clamp(0.0, 1.0 - 1e-12)).log10()
}

/// 1, 2 or 5 times a power of ten, at least `about`.
fn nice_step(about: f64) -> f64 {
    let power = 10f64.powf(about.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|&times| times * power >= about * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

/// From a 1, 2 or 5 below the least to one above the most, in logarithms; at least a tenfold.
fn log_range(ends: Option<(f64, f64)>) -> (f64, f64) {
    let (least, most) = ends.unwrap_or((1.0, 10.0));
    let (from, to) = (nice_below(least).log10(), nice_step(most).log10());
    if to - from >= 1.0 {
        (from, to)
    } else {
        (nice_below(least / 2.0).log10(), nice_step(most * 2.0).log10())
    }
}

/// 1, 2 or 5 times a power of ten, less than `number`.
fn nice_below(number: f64) -> f64 {
    let power = 10f64.powf(number.log10().floor());
    let times = [5.0, 2.0, 1.0].into_iter().find(|&times| times * power < number * (1.0 - 1e-9));
    times.map_or(power / 2.0, |times| times * power)
}

/// From 0 to the end of the range.
fn linear_ticks(to: f64) -> Vec<f64> {
    let step = nice_step(to / INTERVALS);
    // A handful by construction; the bound is for ranges at the edge of what a number can hold.
    (0..12).map(|count| f64::from(count) * step).take_while(|&tick| tick <= to * (1.0 + 1e-9)).collect()
}

/// Powers of ten; where these are few, 2 and 5 times them too; where many, only some.
fn log_ticks(from: f64, to: f64) -> Vec<f64> {
    let powers: Vec<i32> = ((from - 1e-9).floor() as i32..=(to + 1e-9).ceil() as i32).collect();
    let within = |&tick: &f64| (from - 1e-9..=to + 1e-9).contains(&tick.log10());
    let times: &[f64] = match to - from {
        tenfolds if tenfolds < 1.8 => &[1.0, 2.0, 5.0],
        tenfolds if tenfolds < 3.2 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let all = powers.iter().flat_map(|&power| times.iter().map(move |times| times * 10f64.powi(power)));
    let ticks: Vec<f64> = all.filter(within).collect();
    let every = ticks.len().div_ceil(LOG_TICKS_MAX).max(1);
    ticks.into_iter().step_by(every).collect()
}

/// 50 %, 90 %, 99 % and so on, and the largest.
fn percentile_ticks(to: f64) -> Vec<f64> {
    let nines =
        (1..=9).take_while(|&nines| f64::from(nines) <= to + 1e-9).map(|nines| 1.0 - 10f64.powi(-nines));
    [0.5].into_iter().chain(nines).chain([1.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXELS: (f64, f64) = (0.0, 100.0);

    #[test]
    fn linear_ticks_are_round_and_reach_the_largest() {
        for (most, ticks) in [
            (10.0, vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
            (1.0, vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (10_440_000.0, vec![0.0, 5e6, 1e7, 1.5e7]),
            (0.7, vec![0.0, 0.2, 0.4, 0.6, 0.8]),
        ] {
            let got = Scale::new(Kind::Linear, [most], PIXELS).ticks();
            assert_eq!(got.len(), ticks.len(), "{got:?}");
            assert!(got.iter().zip(&ticks).all(|(got, want)| (got - want).abs() < 1e-9), "{got:?}");
        }
    }

    #[test]
    fn log_ticks_are_powers_of_ten_where_there_are_many() {
        let scale = Scale::new(Kind::Log, [55_000.0, 30e6], PIXELS);
        assert_eq!(scale.ticks().len(), 6, "{:?}", scale.ticks());
        let wide = Scale::new(Kind::Log, [1.0, 1e12], PIXELS).ticks();
        assert!(wide.len() <= LOG_TICKS_MAX && wide.len() > 3, "{wide:?}");
        let narrow = Scale::new(Kind::Log, [3.0, 9.0], PIXELS).ticks();
        assert!(narrow.len() >= 3, "{narrow:?}");
    }

    #[test]
    fn a_log_axis_has_room_below_the_least() {
        let scale = Scale::new(Kind::Log, [0.005, 3.0], PIXELS);
        assert!(scale.at(0.005) > 0.0 && scale.at(3.0) < 100.0);
        assert_eq!(scale.at(0.0), 0.0);
    }

    #[test]
    fn nines_are_equally_far_apart() {
        let scale = Scale::new(Kind::Percentile, [0.5, 0.99999, 1.0], PIXELS);
        let places: Vec<f64> = [0.9, 0.99, 0.999, 0.9999].into_iter().map(|part| scale.at(part)).collect();
        let gaps: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (gap - gaps[0]).abs() < 1e-6), "{gaps:?}");
        assert_eq!(scale.at(1.0), 100.0);
        assert_eq!(scale.ticks().len(), 7, "50, five nines, max");
    }

    #[test]
    fn odd_numbers_have_a_place() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, f64::MAX, f64::MIN_POSITIVE];
        for kind in [Kind::Linear, Kind::Log, Kind::Percentile] {
            for scale in [Scale::new(kind, odd, PIXELS), Scale::new(kind, [], PIXELS)] {
                assert!(
                    !scale.ticks().is_empty() && scale.ticks().len() < 20,
                    "{kind:?} {:?}",
                    scale.ticks()
                );
                for number in odd {
                    assert!((0.0..=100.0).contains(&scale.at(number)), "{kind:?} {number}");
                }
            }
        }
        assert_eq!(Scale::exact(odd.into_iter().take(3), PIXELS).at(0.5), 50.0);
    }

    #[test]
    fn an_axis_is_logarithmic_from_thirtyfold() {
        assert_eq!(Kind::for_figures([1.0, 29.0, 0.0]), Kind::Linear);
        assert_eq!(Kind::for_figures([1.0, 31.0, f64::NAN]), Kind::Log);
        assert_eq!(Kind::for_figures([]), Kind::Linear);
    }
}
