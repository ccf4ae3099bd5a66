//! Latencies as text.

use hdrhistogram::Histogram;

const WIDTH: u64 = 40;

/// Microseconds in the unit that fits, with three digits.
#[must_use]
pub fn time(micros: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
    let number = micros as f64;
    let (number, unit) = match micros {
        0..1_000 => return format!("{micros} µs"),
        1_000..1_000_000 => (number / 1e3, "ms"),
        _ => (number / 1e6, "s"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}

/// One line for each of the steps 1, 2, 5, 10, … between the least and the most: how many took at most that, and more
/// than the line above.
#[must_use]
pub fn histogram(latency: &Histogram<u64>) -> String {
    let mut rows: Vec<(u64, u64)> = Vec::new();
    for step in latency.iter_recorded() {
        let bound = bound(step.value_iterated_to());
        while let Some(next) = rows.last().map(|(last, _)| after(*last)).filter(|next| *next < bound) {
            rows.push((next, 0));
        }
        match rows.last_mut().filter(|(last, _)| *last == bound) {
            Some((_, count)) => *count += step.count_since_last_iteration(),
            None => rows.push((bound, step.count_since_last_iteration())),
        }
    }
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let all = latency.len().max(1);
    let line = |(bound, count): &(u64, u64)| {
        // The least count has a bar, too.
        #[allow(clippy::cast_possible_truncation, reason = "at most WIDTH")]
        let bar = "#".repeat((u128::from(*count) * u128::from(WIDTH)).div_ceil(u128::from(most)) as usize);
        #[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
        let share = *count as f64 * 100.0 / all as f64;
        format!("  to {:>7} {bar:<40} {share:>6.2} % {count:>9}\n", bound_text(*bound))
    };
    rows.iter().map(line).collect()
}

/// The least of 1, 2, 5, 10, … that is not below.
fn bound(value: u64) -> u64 {
    let mut bound = 1;
    while bound < value {
        bound = after(bound);
    }
    bound
}

fn after(bound: u64) -> u64 {
    let is_two = bound.to_string().starts_with('2');
    if is_two { (bound / 2).saturating_mul(5) } else { bound.saturating_mul(2) }
}

fn bound_text(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, histogram, time};

    #[test]
    fn a_time_has_three_digits_and_the_unit_that_fits() {
        let shown = [7, 999, 1_000, 12_345, 123_456, 1_500_000, 61_000_000].map(time);
        assert_eq!(shown, ["7 µs", "999 µs", "1.00 ms", "12.3 ms", "123 ms", "1.50 s", "61.0 s"]);
    }

    #[test]
    fn a_histogram_has_a_line_for_every_step_between_its_ends() {
        let mut latency = Histogram::new(3).unwrap();
        latency.record_n(150, 80).unwrap();
        latency.record_n(200, 10).unwrap();
        latency.record(1_700).unwrap();
        let text = histogram(&latency);
        let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let bars = |count| "#".repeat(count);
        assert_eq!(lines[0], ["to", "200", "µs", &bars(40), "98.90", "%", "90"]);
        assert_eq!(lines[1], ["to", "500", "µs", "0.00", "%", "0"]);
        assert_eq!(lines[2], ["to", "1", "ms", "0.00", "%", "0"]);
        assert_eq!(lines[3], ["to", "2", "ms", "#", "1.10", "%", "1"]);
        assert_eq!(lines.len(), 4);
        assert_eq!(histogram(&Histogram::new(3).unwrap()), "");
    }
}
