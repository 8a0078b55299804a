//! URLs that stand in the text without anything around them.

use linkify::{LinkFinder, LinkKind};
use pulldown_cmark::{CowStr, Event, LinkType, Tag, TagEnd};

use super::LONGEST_ATTRIBUTE;

/// Makes links of `http` and `https` URLs in texts; but not within links, pictures and code.
#[derive(Default)]
pub(super) struct BareUrls {
    /// Elements around the present place in which there are no such links.
    within: usize,
}

impl BareUrls {
    pub(super) fn apply<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match &event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_)) => {
                self.within += 1;
            }
            Event::End(TagEnd::Link | TagEnd::Image | TagEnd::CodeBlock) => {
                self.within = self.within.saturating_sub(1);
            }
            Event::Text(text) if self.within == 0 && text.contains("://") => return linked(text),
            _ => {}
        }
        vec![event]
    }
}

fn linked<'a>(text: &str) -> Vec<Event<'a>> {
    let owned = |text: &str| CowStr::from(text.to_owned());
    let mut events = Vec::new();
    let mut finder = LinkFinder::new();
    for span in finder.kinds(&[LinkKind::Url]).spans(text) {
        let shown = span.as_str();
        let scheme = shown.split(':').next().unwrap_or_default();
        let of_the_web = ["http", "https"]
            .iter()
            .any(|web| scheme.eq_ignore_ascii_case(web));
        if span.kind().is_none() || !of_the_web || shown.len() > LONGEST_ATTRIBUTE {
            events.push(Event::Text(owned(shown)));
            continue;
        }
        events.push(Event::Start(Tag::Link {
            link_type: LinkType::Autolink,
            dest_url: owned(shown),
            title: "".into(),
            id: "".into(),
        }));
        events.extend([Event::Text(owned(shown)), Event::End(TagEnd::Link)]);
    }
    events
}
