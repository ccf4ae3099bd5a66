//! The results: one row per fault.

use std::{collections::BTreeMap, fmt, time::Duration};

#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The number of times the fault struck.
    pub times: u64,
    pub requests: u64,
    /// Records whose write a client saw acknowledged.
    pub acknowledged: u64,
    pub lost: u64,
    pub duplicated: u64,
    /// Records that differ from what was sent, or whose pairing breaks the rules.
    pub wrong: u64,
    /// The longest time from the end of a fault to the first successful request.
    pub recovery: Option<Duration>,
    /// Attempts that this machine does not support.
    pub skipped: u64,
    /// Every other broken promise.
    pub failures: Vec<String>,
}

impl Row {
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.wrong == 0 && self.failures.is_empty()
    }

    pub fn add(&mut self, other: Self) {
        self.times += other.times;
        self.requests += other.requests;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.wrong += other.wrong;
        self.recovery = self.recovery.max(other.recovery);
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Row {
    /// One line of progress, and the failures.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { times, acknowledged, lost, duplicated, wrong, .. } = self;
        write!(f, "{times} times, {acknowledged} acknowledged, {lost} lost, {duplicated} duplicated, {wrong} wrong")?;
        self.failures.iter().try_for_each(|failure| write!(f, "\n          {failure}"))
    }
}

/// The rows by the number and name of the fault.
#[derive(Default)]
pub struct Table(BTreeMap<(usize, &'static str), Row>);

impl Table {
    pub fn add(&mut self, number: usize, fault: &'static str, mut row: Row) {
        for failure in &mut row.failures {
            *failure = format!("{fault}: {failure}");
        }
        self.0.entry((number, fault)).or_default().add(row);
    }

    pub fn total(&self) -> Row {
        let mut total = Row::default();
        for row in self.0.values() {
            total.add(row.clone());
        }
        total
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "{:<44} {:>6} {:>9} {:>12} {:>5} {:>10} {:>6} {:>10}",
            "fault", "times", "requests", "acknowledged", "lost", "duplicated", "wrong", "recovered"
        )?;
        let total = self.total();
        let rows = self.0.iter().map(|((_, fault), row)| (*fault, row));
        for (fault, row) in rows.chain([("total", &total)]) {
            let Row { times, requests, acknowledged, lost, duplicated, wrong, .. } = row;
            let recovered = row.recovery.map(|took| format!("{:.2} s", took.as_secs_f64())).unwrap_or_default();
            write!(f, "{fault:<44} {times:>6} {requests:>9} {acknowledged:>12} ")?;
            write!(f, "{lost:>5} {duplicated:>10} {wrong:>6} {recovered:>10}")?;
            writeln!(f, "{}", if row.skipped > 0 { "  SKIPPED" } else { "" })?;
        }
        total.failures.iter().try_for_each(|failure| writeln!(f, "{failure}"))
    }
}
