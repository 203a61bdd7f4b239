//! A simulation of two ends and the line between them, in virtual time. Everything is drawn from one seed, which is
//! printed when something fails; `PUSH_MUX_SIM_SEED` repeats one run, `PUSH_MUX_SIM_SECONDS` says how long to go on with
//! new ones.

mod app;
mod js;
mod js_runs;
mod line;
mod node;
mod plan;
mod random;
mod runs;

use std::time::Duration;

/// Runs `one` with seed after seed until the time is up; at least `least` of them.
fn for_seeds(name: &str, least: u64, one: impl Fn(u64)) {
    if let Some(seed) = number("PUSH_MUX_SIM_SEED") {
        return one(seed);
    }
    let limit = Duration::from_secs(number("PUSH_MUX_SIM_SECONDS").unwrap_or(2));
    // How long to go on is all the real clock decides; what happens is decided by the seed.
    #[expect(clippy::disallowed_methods, reason = "the simulation itself runs in virtual time")]
    let start = std::time::Instant::now();
    let mut seed = 1;
    while seed <= least || start.elapsed() < limit {
        // Shown only when the run fails.
        println!("{name}: PUSH_MUX_SIM_SEED={seed}");
        one(seed);
        seed += 1;
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}
