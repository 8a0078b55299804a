//! Names for headings, so that links lead to them.

use std::collections::HashMap;

use pulldown_cmark::{Event, Tag, TagEnd};

/// Longest name, in characters.
const LONGEST: usize = 80;

/// What the page around the text uses itself.
const TAKEN: [&str; 1] = ["content"];

/// The name of each heading, in their order: its words in small letters with hyphens between them,
/// as GitHub does it, and a number behind it where there are several.
pub(super) fn names(events: &[Event<'_>]) -> Vec<String> {
    let mut used: HashMap<String, usize> = TAKEN.map(|name| (name.to_owned(), 0)).into();
    let mut names = Vec::new();
    let mut heading: Option<String> = None;
    for event in events {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let text = heading.take().unwrap_or_default();
                names.push(unused(slug(&text), &mut used));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(text);
                }
            }
            Event::SoftBreak | Event::HardBreak => heading.iter_mut().for_each(|h| h.push(' ')),
            _ => {}
        }
    }
    names
}

fn slug(text: &str) -> String {
    let kept = text.trim().chars().filter_map(|c| match c {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        c => c.is_alphanumeric().then_some(c),
    });
    let slug: String = kept.take(LONGEST).flat_map(char::to_lowercase).collect();
    match &*slug {
        "" => "section".to_owned(),
        // Those are the footnotes'.
        _ if slug.starts_with("fn") => format!("-{slug}"),
        _ => slug,
    }
}

/// Each number is tried once for a name, however many headings have it.
fn unused(name: String, used: &mut HashMap<String, usize>) -> String {
    let Some(mut count) = used.get(&name).copied() else {
        used.insert(name.clone(), 0);
        return name;
    };
    let free = loop {
        count += 1;
        let candidate = format!("{name}-{count}");
        if !used.contains_key(&candidate) {
            break candidate;
        }
    };
    used.insert(free.clone(), 0);
    used.insert(name, count);
    free
}
