//! What came of the faults, a line each.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Of one fault.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// How often it struck.
    pub times: u64,
    pub requests: u64,
    /// Records that a sender was told are there.
    pub acknowledged: u64,
    pub lost: u64,
    pub doubled: u64,
    /// Not as they were sent, or with a duration that the rules of measuring do not give.
    pub wrong: u64,
    /// The longest from the fault's end to the first request that succeeded.
    pub recovery: Option<Duration>,
    /// How often it could not be tried here.
    pub skipped: u64,
    /// What else was not as promised.
    pub complaints: Vec<String>,
}

impl Row {
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.wrong == 0 && self.complaints.is_empty()
    }

    pub fn add(&mut self, other: Self) {
        self.times += other.times;
        self.requests += other.requests;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
        self.recovery = self.recovery.max(other.recovery);
        self.skipped += other.skipped;
        self.complaints.extend(other.complaints);
    }
}

impl fmt::Display for Row {
    /// For those who wait.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { times, acknowledged, lost, doubled, wrong, .. } = self;
        write!(f, "{times} times, {acknowledged} acknowledged, {lost} lost, {doubled} doubled, {wrong} wrong")?;
        self.complaints.iter().try_for_each(|complaint| write!(f, "\n          {complaint}"))
    }
}

/// The faults in the order of their numbers.
#[derive(Default)]
pub struct Table(BTreeMap<(usize, &'static str), Row>);

impl Table {
    pub fn add(&mut self, number: usize, fault: &'static str, mut row: Row) {
        for complaint in &mut row.complaints {
            *complaint = format!("{fault}: {complaint}");
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
            "{:<44} {:>6} {:>9} {:>12} {:>5} {:>8} {:>6} {:>10}",
            "fault", "times", "requests", "acknowledged", "lost", "doubled", "wrong", "recovered"
        )?;
        let total = self.total();
        let rows = self.0.iter().map(|((_, fault), row)| (*fault, row));
        for (fault, row) in rows.chain([("in all", &total)]) {
            let Row { times, requests, acknowledged, lost, doubled, wrong, .. } = row;
            let recovered = row.recovery.map(|took| format!("{:.2} s", took.as_secs_f64())).unwrap_or_default();
            write!(
                f,
                "{fault:<44} {times:>6} {requests:>9} {acknowledged:>12} {lost:>5} {doubled:>8} {wrong:>6} {recovered:>10}"
            )?;
            writeln!(f, "{}", if row.skipped > 0 { "  SKIPPED" } else { "" })?;
        }
        total.complaints.iter().try_for_each(|complaint| writeln!(f, "{complaint}"))
    }
}
