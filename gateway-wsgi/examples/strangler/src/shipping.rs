use gateway_core::{Environ, Reply};
use http::StatusCode;

/// Cents for the first 500 grams.
const ZONES: [(&str, u32); 4] = [("DE", 490), ("AT", 890), ("CH", 1490), ("FR", 1190)];

/// Cents for a parcel: a base for each country, and 60 for each started 500 grams after the first.
pub(crate) fn quote(environ: &mut Environ) -> Reply {
    // The last of several, as Django has it.
    let last = |name: &str| {
        let pairs = environ.query_pairs().filter(|(key, _)| key == name);
        pairs
            .last()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (country, grams) = (last("country"), last("grams"));
    let base = ZONES.iter().find(|(known, _)| *known == country);
    let number: Option<u32> = Some(&grams)
        .filter(|grams| grams.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|grams| grams.parse().ok())
        .filter(|grams| (1..=31_500).contains(grams));
    match (base, number) {
        (Some((_, base)), Some(grams)) => {
            let cents = base + 60 * ((grams - 1) / 500);
            Reply::json(format!(
                "{{\"country\": \"{country}\", \"grams\": {grams}, \"cents\": {cents}}}"
            ))
        }
        _ => Reply::json("{\"error\": \"country or grams\"}").with_status(StatusCode::BAD_REQUEST),
    }
}
