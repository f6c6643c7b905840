//! Medians and percentiles.

use std::time::Duration;

/// The middle of the values; of an even number, the greater of the two in the middle. 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The value that `percent` of the durations do not exceed, in milliseconds. 0 of none.
pub(crate) fn percentile_ms(durations: &mut [Duration], percent: usize) -> f64 {
    durations.sort_unstable();
    let rank = (durations.len() * percent).div_ceil(100).max(1);
    durations
        .get(rank - 1)
        .map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 3.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut durations: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&mut durations, 50), 100.0);
        assert_eq!(percentile_ms(&mut durations, 99), 198.0);
        assert_eq!(percentile_ms(&mut durations, 100), 200.0);
        assert_eq!(percentile_ms(&mut [], 50), 0.0);
    }
}
