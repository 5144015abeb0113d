//! Which seeds a test runs.

use std::ops::Range;

/// The seeds to run: the first `share`, unless the environment says otherwise. `SIM_SEED=n` replays one, `SIM_SEEDS=n`
/// runs the first n, `SIM_SEEDS=a..b` that range.
///
/// # Panics
/// When one of them is set and no number.
pub fn seeds(share: u64) -> Range<u64> {
    let variable = |name| std::env::var(name).ok();
    choose(share, variable("SIM_SEED").as_deref(), variable("SIM_SEEDS").as_deref())
}

fn choose(share: u64, seed: Option<&str>, seeds: Option<&str>) -> Range<u64> {
    let number = |text: &str| text.trim().parse().expect("SIM_SEED and SIM_SEEDS hold numbers");
    match (seed, seeds) {
        (Some(seed), _) => number(seed)..number(seed) + 1,
        (None, Some(seeds)) => match seeds.split_once("..") {
            Some((from, until)) => number(from)..number(until),
            None => 0..number(seeds),
        },
        (None, None) => 0..share,
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_environment_has_the_last_word() {
        assert_eq!(choose(9, None, None), 0..9);
        assert_eq!(choose(9, Some("7"), Some("5")), 7..8);
        assert_eq!(choose(9, None, Some("5")), 0..5);
        assert_eq!(choose(9, None, Some("5..8")), 5..8);
    }
}
