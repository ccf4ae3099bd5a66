//! Latencies as text: single values, and a histogram over the thresholds 1, 2, 5, 10, 20, … µs.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

const BAR_WIDTH: u64 = 40;

/// Formats microseconds with three digits and the unit that fits.
pub fn time(micros: u64) -> String {
    let digits = match micros.checked_ilog10() {
        Some(exponent @ 3..=8) => 2 - exponent as usize % 3,
        _ => 0,
    };
    format!("{:.digits$?}", Duration::from_micros(micros))
}

/// One line for each threshold from the lowest to the highest latency: how many latencies are at most that, and more
/// than the threshold before it.
pub fn histogram(latency: &Histogram<u64>) -> String {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for step in latency.iter_recorded() {
        let row = (0..u32::MAX).find(|row| step.value_iterated_to() <= threshold(*row));
        *counts.entry(row.unwrap_or(u32::MAX)).or_default() += step.count_since_last_iteration();
    }
    let (Some((&first, _)), Some((&last, _))) = (counts.first_key_value(), counts.last_key_value()) else {
        return String::new();
    };
    let most = counts.values().max().copied().unwrap_or(1);
    let line = |row| {
        let count = counts.get(&row).copied().unwrap_or(0);
        // Every row with a latency has a bar.
        #[allow(clippy::cast_possible_truncation, reason = "at most BAR_WIDTH")]
        let bar = "#".repeat((u128::from(count) * u128::from(BAR_WIDTH)).div_ceil(u128::from(most)) as usize);
        #[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
        let share = count as f64 * 100.0 / latency.len() as f64;
        let limit = format!("{:?}", Duration::from_micros(threshold(row)));
        format!("  to {limit:>6} {bar:<40} {share:>6.2} % {count:>9}\n")
    };
    (first..=last).map(line).collect()
}

/// In microseconds.
fn threshold(row: u32) -> u64 {
    [1, 2, 5][row as usize % 3] * 10_u64.saturating_pow(row / 3)
}

#[cfg(test)]
mod tests {
    use super::{Histogram, histogram, time};

    #[test]
    fn a_time_has_three_digits_and_the_unit_that_fits() {
        let shown = [0, 7, 999, 1_000, 12_345, 123_456, 1_500_000, 61_000_000, 1_000_000_000].map(time);
        assert_eq!(shown, ["0ns", "7µs", "999µs", "1.00ms", "12.3ms", "123ms", "1.50s", "61.0s", "1000s"]);
    }

    #[test]
    fn a_histogram_has_a_line_for_every_threshold_between_the_lowest_and_the_highest_latency() {
        let mut latency = Histogram::new(3).unwrap();
        latency.record_n(150, 80).unwrap();
        latency.record_n(200, 10).unwrap();
        latency.record(1_700).unwrap();
        let text = histogram(&latency);
        let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let bars = |count| "#".repeat(count);
        assert_eq!(lines[0], ["to", "200µs", &bars(40), "98.90", "%", "90"]);
        assert_eq!(lines[1], ["to", "500µs", "0.00", "%", "0"]);
        assert_eq!(lines[2], ["to", "1ms", "0.00", "%", "0"]);
        assert_eq!(lines[3], ["to", "2ms", "#", "1.10", "%", "1"]);
        assert_eq!(lines.len(), 4);
        assert_eq!(histogram(&Histogram::new(3).unwrap()), "");
    }
}
