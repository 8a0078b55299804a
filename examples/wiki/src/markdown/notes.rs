//! Footnotes: numbered in the order in which the text refers to them, and put at its end.

use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, Tag, TagEnd};

/// The events with every reference a link, and every note behind the text.
pub(super) fn arranged<'a>(events: impl Iterator<Item = Event<'a>>) -> Vec<Event<'a>> {
    let mut body = Vec::new();
    let mut notes = Notes::default();
    let mut open = Vec::new();
    for event in events {
        match event {
            Event::Start(Tag::FootnoteDefinition(name)) => open.push((name, Vec::new())),
            Event::End(TagEnd::FootnoteDefinition) => {
                if let Some((name, events)) = open.pop() {
                    notes.order.push(name.clone());
                    notes.texts.entry(name).or_insert(events);
                }
            }
            event => open
                .last_mut()
                .map_or(&mut body, |(_, note)| note)
                .push(event),
        }
    }
    if notes.order.is_empty() {
        return body;
    }
    let mut body: Vec<_> = body.into_iter().map(|event| notes.number(event)).collect();
    body.push(html("<div class=\"footnotes\"><ol>"));
    let mut number = 0;
    while let Some((name, is_referred_to)) = notes.next(number) {
        number += 1;
        body.push(html(&format!("<li id=\"fn-{number}\">")));
        let text = notes.texts.get_mut(&name).map(std::mem::take);
        let text = text.unwrap_or_default().into_iter();
        body.extend(text.map(|event| notes.number(event)).collect::<Vec<_>>());
        if is_referred_to {
            body.push(html(&format!(
                "<a href=\"#fnref-{number}\" aria-label=\"Back to the text\">↩</a>"
            )));
        }
        body.push(html("</li>"));
    }
    body.push(html("</ol></div>"));
    body
}

#[derive(Default)]
struct Notes<'a> {
    texts: HashMap<CowStr<'a>, Vec<Event<'a>>>,
    /// The names as their notes come in the text.
    order: Vec<CowStr<'a>>,
    numbers: HashMap<CowStr<'a>, usize>,
    /// The names by their numbers.
    numbered: Vec<CowStr<'a>>,
}

impl<'a> Notes<'a> {
    /// A reference as a link to its note; any other event as it is.
    fn number(&mut self, event: Event<'a>) -> Event<'a> {
        let Event::FootnoteReference(name) = event else {
            return event;
        };
        if !self.texts.contains_key(&name) {
            // There were too many elements for its note.
            return Event::Text(format!("[^{name}]").into());
        }
        if let Some(number) = self.numbers.get(&name) {
            return html(&format!("<sup><a href=\"#fn-{number}\">{number}</a></sup>"));
        }
        self.numbered.push(name.clone());
        let number = self.numbered.len();
        self.numbers.insert(name, number);
        html(&format!(
            "<sup id=\"fnref-{number}\"><a href=\"#fn-{number}\">{number}</a></sup>"
        ))
    }

    /// The name of the note behind that of `number`, and whether anything refers to it: those that
    /// nothing refers to come last.
    fn next(&mut self, number: usize) -> Option<(CowStr<'a>, bool)> {
        if let Some(name) = self.numbered.get(number) {
            return Some((name.clone(), self.numbers.contains_key(name)));
        }
        while let Some(name) = self.order.pop() {
            let text = self.texts.get(&name);
            if !self.numbers.contains_key(&name) && text.is_some_and(|text| !text.is_empty()) {
                self.numbered.push(name.clone());
                return Some((name, false));
            }
        }
        None
    }
}

fn html<'a>(html: &str) -> Event<'a> {
    Event::InlineHtml(html.to_owned().into())
}
