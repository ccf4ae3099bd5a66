//! Content negotiation by `Accept`.

use hyper::{HeaderMap, header};

/// The index of the media type in `offers` with the highest weight, the first among equals. `None` if none is
/// acceptable.
pub fn preferred(headers: &HeaderMap, offers: &[&str]) -> Option<usize> {
    let ranges: Vec<Range> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    if ranges.is_empty() {
        return Some(0);
    }
    let weight_of = |offer: &str| {
        let weights = ranges.iter().filter_map(|range| range.specificity(offer).map(|s| (s, range.weight)));
        weights.max_by_key(|(specificity, _)| *specificity).map_or(0, |(_, weight)| weight)
    };
    let weights = offers.iter().enumerate().map(|(index, offer)| (weight_of(offer), index));
    weights
        .filter(|(weight, _)| *weight > 0)
        .max_by_key(|(weight, index)| (*weight, usize::MAX - index))
        .map(|(_, i)| i)
}

struct Range {
    essence: String,
    /// Thousandths.
    weight: u16,
}

impl Range {
    fn parse(range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next()?.to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality: f32 = quality.map_or(Some(1.0), |quality| quality.parse().ok())?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let weight = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
        essence.contains('/').then_some(Self { essence, weight })
    }

    fn specificity(&self, offer: &str) -> Option<u8> {
        match self.essence.as_str() {
            essence if essence == offer => Some(2),
            "*/*" => Some(0),
            essence => essence.strip_suffix('*').is_some_and(|family| offer.starts_with(family)).then_some(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header};

    use super::preferred;

    #[test]
    fn the_most_specific_range_gives_the_weight_and_the_highest_weight_wins() {
        let offers = ["application/json", "text/csv", "application/x-ndjson"];
        for (accept, place) in [
            ("*/*", Some(0)),
            ("text/csv", Some(1)),
            ("text/*", Some(1)),
            ("TEXT/CSV; charset=utf-8", Some(1)),
            ("application/json;q=0.5, text/csv", Some(1)),
            ("application/*;q=0.1, application/x-ndjson", Some(2)),
            ("application/json;q=0, */*", Some(1)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(0)),
            ("text/html", None),
            ("*/*;q=0", None),
            ("nonsense", Some(0)),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(preferred(&headers, &offers), place, "{accept}");
        }
        assert_eq!(preferred(&HeaderMap::new(), &offers), Some(0));
    }
}
