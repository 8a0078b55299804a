//! The last failures as text and as JSON.

use std::{
    fmt::{self, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use super::problem::Text;
use crate::{
    recent::kept::Failure,
    text::clean::{Indented, OneLine},
};

type Groups<'a> = [Vec<&'a Failure>];

pub(crate) fn text(groups: &Groups<'_>, now: SystemTime) -> String {
    let mut page = String::with_capacity(4096);
    // Writing to a string does not fail.
    _ = write_text(&mut page, groups, now);
    page
}

fn write_text(page: &mut String, groups: &Groups<'_>, now: SystemTime) -> fmt::Result {
    if groups.is_empty() {
        return writeln!(page, "No failures are kept.");
    }
    for group in groups {
        let Some(newest) = group.first() else {
            continue;
        };
        let place = newest.place.as_deref().unwrap_or("at an unknown place");
        writeln!(page, "{place} ({} kept)", group.len())?;
        for failure in group {
            let ago = now.duration_since(failure.at).unwrap_or_default().as_secs();
            let (id, status, request) = (&failure.id, failure.status, &failure.request);
            writeln!(page, "  {ago} s ago  {id}  {status}  {request}")?;
            let (heading, message) = (&failure.heading, OneLine(&failure.message));
            writeln!(page, "    {heading}: {message}")?;
        }
        writeln!(page, "\n  The newest:\n")?;
        let text = newest.text.trim_end();
        writeln!(page, "    {}\n", Indented(text, "    "))?;
    }
    Ok(())
}

pub(crate) fn json(groups: &Groups<'_>) -> String {
    let mut json = String::with_capacity(4096);
    _ = write_json(&mut json, groups);
    json
}

fn write_json(json: &mut String, groups: &Groups<'_>) -> fmt::Result {
    json.push_str("{\"groups\":[");
    for (n, group) in groups.iter().enumerate() {
        let place = group.first().and_then(|newest| newest.place.as_deref());
        json.push_str(if n == 0 { "" } else { "," });
        match place {
            Some(place) => write!(json, "{{\"place\":{}", Text(place))?,
            None => json.push_str("{\"place\":null"),
        }
        write!(json, ",\"count\":{},\"failures\":[", group.len())?;
        for (n, failure) in group.iter().enumerate() {
            json.push_str(if n == 0 { "" } else { "," });
            write!(
                json,
                "{{\"id\":{},\"at\":{},\"status\":{},\"request\":{},\"type\":{},\"message\":{},\"text\":{}}}",
                Text(&failure.id),
                failure
                    .at
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_secs(),
                failure.status,
                Text(&failure.request),
                Text(&failure.heading),
                Text(&failure.message),
                Text(&failure.text),
            )?;
        }
        json.push_str("]}");
    }
    json.push_str("]}\n");
    Ok(())
}
