//! From Markdown to HTML that is safe to show.

use std::sync::LazyLock;

use ammonia::Builder;
use gateway_core::escape;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// Elements inside one another. No author writes deeper, and the sanitiser's HTML parser looks
/// through all open elements at each tag: a megabyte of `>` would keep it busy for minutes.
const DEEPEST: usize = 48;

/// Elements of one page, ten times those of a long article. The sanitiser holds all of them in
/// memory at once: a megabyte of `[[a]]` was 400 MiB, for each who looked at it.
const MOST_ELEMENTS: usize = 20_000;

/// Where a `[[link]]` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a page that is there, or one of the wiki's own.
    There(String),
    /// To a page that could be written.
    Missing(String),
    /// Nowhere: no page can have that name. The text says why.
    Nowhere(String),
}

/// The links of one text, before it is known where they lead.
#[derive(Debug)]
pub struct Parsed<'a> {
    events: Vec<Event<'a>>,
}

impl<'a> Parsed<'a> {
    /// Reads `text`: CommonMark with tables, strikethrough, task lists and `[[Page]]` or
    /// `[[Page|shown]]`. HTML in it is shown as the text it is.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_WIKILINKS;
        let mut limits = Limits {
            depth: 0,
            elements: 0,
            cut: 0,
        };
        let events = Parser::new_ext(text, options).filter_map(|event| limits.apply(event));
        Self {
            events: events.collect(),
        }
    }

    /// The pages that are linked to, in order, with repetitions.
    pub fn pages(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(page_of)
    }

    /// The HTML. `targets` answers [`pages`](Self::pages) in order; `root` leads from the URL
    /// where the HTML is shown to the top of the wiki, and is put in front of relative links.
    #[must_use]
    pub fn into_html(self, targets: Vec<Target>, root: &str) -> String {
        let mut targets = targets.into_iter();
        let mut closing: Option<&'static str> = None;
        let events = self.events.into_iter().map(|event| {
            if page_of(&event).is_some() {
                let (open, close) = match targets.next() {
                    Some(Target::There(url)) => (format!("<a href=\"{}\">", escape(&url)), "</a>"),
                    Some(Target::Missing(url)) => {
                        let title = "Nobody has written this page yet";
                        let url = escape(&url);
                        (
                            format!("<a href=\"{url}\" class=\"missing\" title=\"{title}\">"),
                            "</a>",
                        )
                    }
                    Some(Target::Nowhere(why)) => {
                        let title = escape(&why);
                        (
                            format!("<span class=\"missing\" title=\"{title}\">"),
                            "</span>",
                        )
                    }
                    None => ("<span>".to_owned(), "</span>"),
                };
                closing = Some(close);
                return Event::InlineHtml(open.into());
            }
            match event {
                Event::End(TagEnd::Link) => match closing.take() {
                    Some(close) => Event::InlineHtml(close.into()),
                    None => Event::End(TagEnd::Link),
                },
                Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => {
                    let (dest_url, title) = (from_root(short(dest_url), root), short(title));
                    Event::Start(Tag::Link {
                        link_type,
                        dest_url,
                        title,
                        id,
                    })
                }
                Event::Start(Tag::Image {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => {
                    let (dest_url, title) = (from_root(short(dest_url), root), short(title));
                    Event::Start(Tag::Image {
                        link_type,
                        dest_url,
                        title,
                        id,
                    })
                }
                Event::Text(text) => Event::Text(shielded(text)),
                Event::Code(code) => Event::Code(shielded(code)),
                Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
                // As it was typed, line by line.
                Event::Start(Tag::HtmlBlock) => {
                    Event::Start(Tag::CodeBlock(CodeBlockKind::Indented))
                }
                Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::CodeBlock),
                Event::Html(html) | Event::InlineHtml(html) => Event::Text(shielded(html)),
                other => other,
            }
        });
        let mut html = String::new();
        html::push_html(&mut html, events);
        let clean = SANITISER.clean(&html).to_string();
        clean
            .replace(AMPERSAND, "&amp;")
            .replace(NO_BREAK_SPACE, "&nbsp;")
    }
}

/// Lets no element be deeper than [`DEEPEST`], and no more than [`MOST_ELEMENTS`] be; the text of
/// what is cut stays.
struct Limits {
    depth: usize,
    elements: usize,
    /// Elements that were cut and have not ended.
    cut: usize,
}

impl Limits {
    fn apply<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        let full = self.elements >= MOST_ELEMENTS;
        match event {
            Event::Start(_) if full || self.depth >= DEEPEST => {
                self.cut += 1;
                return None;
            }
            Event::Start(_) => {
                self.depth += 1;
                self.elements += 1;
            }
            Event::End(_) if self.cut > 0 => {
                self.cut -= 1;
                return None;
            }
            Event::End(_) => self.depth -= 1,
            Event::Code(text) if full => return Some(Event::Text(text)),
            Event::HardBreak if full => return Some(Event::SoftBreak),
            Event::Rule if full => return None,
            Event::Code(_) | Event::HardBreak | Event::Rule => self.elements += 1,
            _ => {}
        }
        Some(event)
    }
}

fn page_of<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    match event {
        Event::Start(Tag::Link {
            link_type: LinkType::WikiLink { .. },
            dest_url,
            ..
        }) => {
            // In a table the bar is written `\|`, and pulldown-cmark leaves the backslash here.
            let name = dest_url.strip_suffix('\\').unwrap_or(dest_url);
            Some(name.trim())
        }
        _ => None,
    }
}

/// Stands for `&` while the sanitiser works: html5ever 0.40 looks for the next `<` again at each
/// `&` that it writes, so that a megabyte of `&` would take it minutes. Not a character, by
/// Unicode's definition, so no text needs it.
const AMPERSAND: char = '\u{FDD0}';

/// The same for U+00A0, which it writes as `&nbsp;`.
const NO_BREAK_SPACE: char = '\u{FDD1}';

fn shielded(text: CowStr<'_>) -> CowStr<'_> {
    if !text.contains(['&', '\u{A0}', AMPERSAND, NO_BREAK_SPACE]) {
        return text;
    }
    let shielded = text.chars().filter_map(|character| match character {
        '&' => Some(AMPERSAND),
        '\u{A0}' => Some(NO_BREAK_SPACE),
        AMPERSAND | NO_BREAK_SPACE => None,
        other => Some(other),
    });
    shielded.collect::<String>().into()
}

/// No author needs longer URLs and titles; see also [`AMPERSAND`].
const LONGEST_ATTRIBUTE: usize = 4096;

fn short(text: CowStr<'_>) -> CowStr<'_> {
    if text.len() > LONGEST_ATTRIBUTE {
        "".into()
    } else {
        text
    }
}

/// `[recent](recent)` means the same on every page, in a preview one level deeper as well.
fn from_root<'a>(url: CowStr<'a>, root: &str) -> CowStr<'a> {
    let absolute = url.starts_with(['/', '#', '?']) || url.is_empty();
    let before_path = url.split(['/', '?', '#']).next().unwrap_or_default();
    if absolute || before_path.contains(':') {
        return url;
    }
    format!("{root}{}", url.strip_prefix("./").unwrap_or(&url)).into()
}

/// The second lock on the door: the parser's output has no scripts, and if it had, or has a
/// `javascript:` link, they end here.
static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .url_schemes(["http", "https", "mailto"].into())
        .add_allowed_classes("a", &["missing"])
        .add_allowed_classes("span", &["missing"])
        .add_tag_attributes("span", &["title"])
        .link_rel(Some("nofollow ugc noopener"));
    builder
});

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn html(text: &str) -> String {
        let parsed = Parsed::new(text);
        let target = |name: &str| match name {
            "Here" => Target::There("../Here".into()),
            "a/b" => Target::Nowhere("a name has no slash".into()),
            _ => Target::Missing(format!("../{name}")),
        };
        let targets = parsed.pages().map(target).collect();
        parsed.into_html(targets, "../")
    }

    #[test]
    fn a_wiki_link_leads_to_its_page() {
        assert_eq!(
            html("[[Here]]"),
            "<p><a href=\"../Here\" rel=\"nofollow ugc noopener\">Here</a></p>\n"
        );
        assert_eq!(
            html("[[Here|*there*]]"),
            "<p><a href=\"../Here\" rel=\"nofollow ugc noopener\"><em>there</em></a></p>\n"
        );
    }

    #[test]
    fn a_wiki_link_in_a_table_has_its_bar_escaped() {
        let table = html("| a |\n|---|\n| [[Here\\|there]] |\n");
        assert!(table.contains("<td><a href=\"../Here\""), "{table}");
        assert!(table.contains(">there</a></td>"), "{table}");
    }

    #[test]
    fn a_link_to_no_page_yet_is_red() {
        assert!(
            html("[[Gone]]").contains("href=\"../Gone\" class=\"missing\""),
            "{}",
            html("[[Gone]]")
        );
        assert_eq!(
            html("[[a/b]]"),
            "<p><span class=\"missing\" title=\"a name has no slash\">a/b</span></p>\n"
        );
    }

    #[test]
    fn relative_links_begin_at_the_top_of_the_wiki() {
        for (written, led) in [
            ("recent", "../recent"),
            ("./recent", "../recent"),
            ("static/logo.svg", "../static/logo.svg"),
            ("/elsewhere", "/elsewhere"),
            ("#below", "#below"),
            ("https://example.org/x", "https://example.org/x"),
            ("mailto:a@example.org", "mailto:a@example.org"),
        ] {
            let html = html(&format!("[x]({written})"));
            assert!(
                html.contains(&format!("href=\"{led}\"")),
                "{written}: {html}"
            );
        }
    }

    #[test]
    fn html_is_shown_line_by_line_as_it_was_typed() {
        assert_eq!(
            html("<div>\n  <b>x</b>\n</div>\n\nText."),
            "<pre><code>&lt;div&gt;\n  &lt;b&gt;x&lt;/b&gt;\n&lt;/div&gt;\n</code></pre>\n<p>Text.</p>\n"
        );
        assert_eq!(html("<b>x</b>"), "<p>&lt;b&gt;x&lt;/b&gt;</p>\n");
    }

    #[test]
    fn nothing_of_a_text_runs() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick='alert(1)'>x</div>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "<javascript:alert(1)>",
            "![x](javascript:alert(1))",
            "[[x\" onmouseover=\"alert(1)]]",
            "[[x|<script>alert(1)</script>]]",
            "`<script>`",
            "\u{FDD0}lt;script>",
            "```\" onload=\"x\n<script>\n```",
            "[x](y \"z\\\" onclick=alert(1)\")",
            "<svg><style><img src=x onerror=alert(1)></style></svg>",
        ] {
            let html = html(text);
            let shown = html
                .replace("&lt;", "")
                .replace("&gt;", "")
                .replace("&quot;", "");
            for tag in shown.split('<').skip(1) {
                let tag = tag.split('>').next().unwrap_or_default().to_lowercase();
                let name = tag
                    .split([' ', '/'])
                    .find(|part| !part.is_empty())
                    .unwrap_or_default();
                let harmless = ["p", "a", "em", "code", "pre", "img", "span"].contains(&name);
                assert!(harmless, "{text}: {html}");
                let attributes = tag.split_once(' ').map_or("", |(_, rest)| rest);
                let outside: String = attributes.split('"').step_by(2).collect();
                assert!(!outside.contains("on"), "{text}: {html}");
                assert!(!attributes.contains("href=\"javascript"), "{text}: {html}");
                assert!(!attributes.contains("=\"data:"), "{text}: {html}");
            }
        }
    }

    #[test]
    fn a_page_has_an_end_to_its_elements_and_none_to_its_text() {
        for part in [
            "[[a]] ",
            "`a` ",
            "*a*\n\n",
            "# a\n",
            "- a\n",
            "a\\\na\n",
            "---\n",
            "![a](b)\n",
        ] {
            let text = part.repeat(30_000) + "\n\nThe end.";
            let html = html(&text);
            let elements = html.matches('<').count() - html.matches("</").count();
            assert!(elements <= MOST_ELEMENTS, "{part:?}: {elements}");
            assert!(html.contains("The end."), "{part:?}");
        }
    }

    #[test]
    fn what_is_written_to_hurt_takes_no_longer_than_other_texts() {
        let most = 128 * 1024;
        let rows = "|".repeat(2000) + "\n" + &"|-".repeat(2000) + "|\n" + &"a\n".repeat(most / 4);
        for text in [
            ">".repeat(most),
            "> ".repeat(most / 2),
            "- ".repeat(most / 2),
            "*a _b ".repeat(most / 6),
            "**".repeat(most / 2),
            "[".repeat(most),
            "[[".repeat(most / 2),
            "[a](".repeat(most / 4),
            "`".repeat(most),
            "<a ".repeat(most / 3),
            "<div>".repeat(most / 5),
            "&".repeat(most),
            "&lt;".repeat(most / 4),
            "\u{A0}".repeat(most / 2),
            format!("[x](a{})", "&".repeat(most)),
            format!("[x](a '{}')", "&".repeat(most)),
            format!("![{}](a)", "&".repeat(most)),
            "[x](a&b)".repeat(most / 8),
            "![[x]]".repeat(most / 6),
            rows,
        ] {
            let start = Instant::now();
            let html = html(&text);
            let took = start.elapsed();
            let shown: String = text.chars().take(8).collect();
            // A debug build on a busy machine; a quadratic one takes minutes.
            assert!(took < Duration::from_secs(60), "{shown} took {took:?}");
            assert!(
                html.len() < 64 * most,
                "{shown} became {} bytes",
                html.len()
            );
        }
    }
}
