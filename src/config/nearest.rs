//! Suggests a known name for a mistyped one.

/// The most similar of the known names, and how many characters must change.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    known.map(|known| (distance(name, known), known)).min_by_key(|(changes, _)| *changes)
}

/// The Levenshtein distance.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, old) in from.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], index + 1);
        for (column, new) in to.bytes().enumerate() {
            let replaced = before + usize::from(old != new);
            before = row[column + 1];
            row[column + 1] = replaced.min(before + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_inserted_deleted_and_replaced_characters() {
        for (from, to, changes) in [("", "abc", 3), ("abc", "", 3), ("lisen", "listen", 1), ("kitten", "sitting", 3)] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }
}
