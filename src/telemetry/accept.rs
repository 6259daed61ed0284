//! Which form of metrics a client wants.
//!
//! In goes an `Accept` header, out comes the form with the highest weight; OpenMetrics where it does not matter.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-accept>

use crate::metrics::openmetrics::TextFormat;

/// The form that a client wants; without a word about it, OpenMetrics.
pub fn format(accept: Option<&str>) -> TextFormat {
    let Some(accept) = accept else { return TextFormat::OpenMetrics };
    let weight = |own: &str, family: &str| {
        let ranges = accept.split(',').filter_map(|range| weighed(range, own, family));
        // What names a form says more than what names all of them.
        ranges.max_by_key(|(precision, weight)| (*precision, *weight)).map_or(0, |(_, weight)| weight)
    };
    let openmetrics = weight("application/openmetrics-text", "application/*");
    let plain = weight("text/plain", "text/*");
    if plain > openmetrics { TextFormat::Prometheus } else { TextFormat::OpenMetrics }
}

/// range = type "/" subtype *( ";" name "=" value ) ; how precisely it names a form, and its weight in thousandths
fn weighed(range: &str, own: &str, family: &str) -> Option<(u8, u32)> {
    let mut parts = range.split(';').map(str::trim);
    let precision = match parts.next()?.to_ascii_lowercase() {
        name if name == own => 2,
        name if name == family => 1,
        name if name == "*/*" => 0,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
    Some((precision, (weight.clamp(0.0, 1.0) * 1000.0) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_with_the_highest_weight_is_taken() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        for (accept, expected) in [
            (None, TextFormat::OpenMetrics),
            (Some("*/*"), TextFormat::OpenMetrics),
            (Some(""), TextFormat::OpenMetrics),
            (Some(prometheus), TextFormat::OpenMetrics),
            (Some("text/plain"), TextFormat::Prometheus),
            (Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), TextFormat::Prometheus),
            (Some("Text/Plain, application/openmetrics-text;q=0.2"), TextFormat::Prometheus),
            (Some("text/*"), TextFormat::Prometheus),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), TextFormat::OpenMetrics),
            (Some("text/plain;q=nonsense"), TextFormat::Prometheus),
        ] {
            assert_eq!(format(accept), expected, "{accept:?}");
        }
    }
}
