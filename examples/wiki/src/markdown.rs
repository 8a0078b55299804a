//! From Markdown to HTML that is safe to show.

mod bare_urls;
mod headings;
mod notes;

use std::sync::LazyLock;

use ammonia::Builder;
use gateway_core::escape;
use pulldown_cmark::{
    Alignment, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd,
    TextMergeStream, html,
};

use self::bare_urls::BareUrls;

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

/// Where a text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As a page, whose headings can be linked to.
    Page,
    /// Above a form, whose own names its headings might take.
    Preview,
}

/// The links of one text, before it is known where they lead.
#[derive(Debug)]
pub struct Parsed<'a> {
    events: Vec<Event<'a>>,
}

impl<'a> Parsed<'a> {
    /// Reads `text`: CommonMark with tables, strikethrough, task lists, footnotes, bare URLs and
    /// `[[Page]]` or `[[Page|shown]]`. HTML in it is shown as the text it is.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let mut limits = Limits {
            depth: 0,
            elements: 0,
            cut: 0,
        };
        let mut urls = BareUrls::default();
        let events = TextMergeStream::new(parser(text));
        let events = events.flat_map(|event| urls.apply(event));
        Self {
            events: notes::arranged(events.filter_map(|event| limits.apply(event))),
        }
    }

    /// The pages that are linked to, in order, with repetitions.
    pub fn pages(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(page_of)
    }

    /// The HTML. `targets` answers [`pages`](Self::pages) in order; `root` leads from the URL
    /// where the HTML is shown to the top of the wiki, and is put in front of relative links.
    #[must_use]
    pub fn into_html(self, targets: Vec<Target>, root: &str, shown: Shown) -> String {
        let mut headings = match shown {
            Shown::Page => headings::names(&self.events),
            Shown::Preview => Vec::new(),
        }
        .into_iter();
        let mut heading = None;
        let mut cells = Cells::default();
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
            match cells.aligned(event) {
                Event::Start(Tag::Heading { level, .. }) => {
                    heading = headings.next();
                    Event::Start(Tag::Heading {
                        level,
                        id: heading.clone().map(CowStr::from),
                        classes: Vec::new(),
                        attrs: Vec::new(),
                    })
                }
                Event::End(TagEnd::Heading(level)) => match heading.take() {
                    Some(name) => Event::Html(
                        format!(
                            " <a class=\"anchor\" href=\"#{name}\" \
                             aria-label=\"Link to this section\">#</a></{level}>\n"
                        )
                        .into(),
                    ),
                    None => Event::End(TagEnd::Heading(level)),
                },
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

/// What a text says, without the marks: for a line of it in a list.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for event in parser(text) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                plain.push_str(&text);
            }
            Event::End(
                TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link,
            )
            | Event::Start(_)
            | Event::FootnoteReference(_) => {}
            // Between lines, blocks and cells.
            _ => plain.push(' '),
        }
    }
    plain
}

fn parser(text: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_WIKILINKS;
    Parser::new_ext(text, options)
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
        // One event is up to three elements.
        let full = self.elements + 3 > MOST_ELEMENTS;
        match event {
            // As it was typed: what is HTML from here on is our own.
            Event::Html(html) | Event::InlineHtml(html) => return Some(Event::Text(html)),
            Event::Start(_) if full || self.depth >= DEEPEST => {
                self.cut += 1;
                return None;
            }
            Event::Start(ref tag) => {
                self.depth += 1;
                self.elements += match tag {
                    Tag::Heading { .. }
                    | Tag::FootnoteDefinition(_)
                    | Tag::Table(_)
                    | Tag::TableHead => 2,
                    _ => 1,
                };
            }
            Event::FootnoteReference(name) if full => return Some(Event::Text(name)),
            Event::FootnoteReference(_) => self.elements += 2,
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

/// How the columns of the present table are aligned. pulldown-cmark would say so by `style`, which
/// the Content-Security-Policy has browsers ignore.
#[derive(Default)]
struct Cells {
    columns: Vec<Alignment>,
    column: usize,
    in_head: bool,
}

impl Cells {
    fn aligned<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        match event {
            Event::Start(Tag::Table(columns)) => {
                self.columns = columns;
                return Event::Start(Tag::Table(Vec::new()));
            }
            Event::Start(Tag::TableHead | Tag::TableRow) => {
                self.column = 0;
                self.in_head = matches!(event, Event::Start(Tag::TableHead));
            }
            Event::Start(Tag::TableCell) => {
                let side = match self.columns.get(self.column) {
                    Some(Alignment::Left) => "left",
                    Some(Alignment::Center) => "center",
                    Some(Alignment::Right) => "right",
                    Some(Alignment::None) | None => "",
                };
                self.column += 1;
                if !side.is_empty() {
                    let cell = if self.in_head { "th" } else { "td" };
                    return Event::InlineHtml(format!("<{cell} align=\"{side}\">").into());
                }
            }
            _ => {}
        }
        event
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
        .add_allowed_classes("a", &["anchor", "missing"])
        .add_allowed_classes("div", &["footnotes"])
        .add_tag_attributes("a", ["aria-label"])
        .add_tag_attributes("li", ["id"])
        .add_tag_attributes("sup", ["id"])
        .add_allowed_classes("span", &["missing"])
        .add_tag_attributes("span", &["title"])
        .link_rel(Some("nofollow ugc noopener"));
    for heading in ["h1", "h2", "h3", "h4", "h5", "h6"] {
        builder.add_tag_attributes(heading, ["id"]);
    }
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
        parsed.into_html(targets, "../", Shown::Page)
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
    fn a_url_is_a_link_without_anything_around_it() {
        let link = |url: &str| {
            let shown = url.replace('&', "&amp;");
            let href = shown.replace('ä', "%C3%A4");
            format!("<a href=\"{href}\" rel=\"nofollow ugc noopener\">{shown}</a>")
        };
        for (text, shown) in [
            (
                "see https://example.org/a_b_c.",
                format!("see {}.", link("https://example.org/a_b_c")),
            ),
            (
                "(HTTP://example.org/x?a=1&b=2)",
                format!("({})", link("HTTP://example.org/x?a=1&b=2")),
            ),
            (
                "https://de.wikipedia.org/wiki/Tee_(Getränk), or",
                format!(
                    "{}, or",
                    link("https://de.wikipedia.org/wiki/Tee_(Getränk)")
                ),
            ),
            (
                "**https://example.org/**",
                format!("<strong>{}</strong>", link("https://example.org/")),
            ),
            (
                "ftp://example.org javascript://x",
                "ftp://example.org javascript://x".to_owned(),
            ),
            (
                "`https://example.org`",
                "<code>https://example.org</code>".to_owned(),
            ),
            (
                "<b>https://example.org</b>",
                format!("&lt;b&gt;{}&lt;/b&gt;", link("https://example.org")),
            ),
        ] {
            assert_eq!(html(text), format!("<p>{shown}</p>\n"));
        }
        assert_eq!(
            html("[https://a.org](https://b.org)")
                .matches("<a ")
                .count(),
            1
        );
        assert_eq!(html("[[Here|https://a.org]]").matches("<a ").count(), 1);
        assert_eq!(html("![https://a.org](b.png)").matches("<a ").count(), 0);
        assert_eq!(html("```\nhttps://a.org\n```").matches("<a ").count(), 0);
    }

    #[test]
    fn footnotes_stand_at_the_end_in_the_order_of_the_text() {
        let html = html(
            "B[^b], a[^a] and b[^b].\n\n[^a]: Note *a*.\n\n[^b]: Note b[^c].\n\n\
             Text.\n\n[^c]: [[Here]]\n[^d]: Nobody asks.\n\nNo note[^x].",
        );
        let link = "rel=\"nofollow ugc noopener\"";
        let reference =
            |n: u32| format!("<sup id=\"fnref-{n}\"><a href=\"#fn-{n}\" {link}>{n}</a></sup>");
        let back =
            |n: u32| format!("<a href=\"#fnref-{n}\" aria-label=\"Back to the text\" {link}>↩</a>");
        let again = format!("<sup><a href=\"#fn-1\" {link}>1</a></sup>");
        let here = format!("<a href=\"../Here\" {link}>Here</a>");
        let expected = [
            format!(
                "<p>B{}, a{} and b{again}.</p>\n<p>Text.</p>\n<p>No note[^x].</p>\n",
                reference(1),
                reference(2)
            ),
            format!(
                "<div class=\"footnotes\"><ol><li id=\"fn-1\">\n<p>Note b{}.</p>\n{}</li>",
                reference(3),
                back(1)
            ),
            format!(
                "<li id=\"fn-2\">\n<p>Note <em>a</em>.</p>\n{}</li>",
                back(2)
            ),
            format!("<li id=\"fn-3\">\n<p>{here}</p>\n{}</li>", back(3)),
            "<li id=\"fn-4\">\n<p>Nobody asks.</p>\n</li></ol></div>".to_owned(),
        ];
        assert_eq!(html.replace("\n", ""), expected.concat().replace("\n", ""));
    }

    #[test]
    fn a_heading_can_be_linked_to() {
        let names = |text: &str| {
            let html = html(text);
            let names = html.split(" id=\"").skip(1);
            let names: Vec<_> = names
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect();
            for name in &names {
                assert!(html.contains(&format!("href=\"#{name}\"")), "{html}");
            }
            names
        };
        for (text, expected) in [
            ("# Of *it*, & `code`!", &["of-it--code"][..]),
            ("# Größe 日本\n## A_b-c", &["größe-日本", "a_b-c"]),
            ("# A\n# a\n# A-1\n# a", &["a", "a-1", "a-1-1", "a-2"]),
            ("# Content\n# ?\n# fn-1", &["content-1", "section", "-fn-1"]),
            ("# \" onclick=x <b id=x>", &["-onclickx-b-idx"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
        let long = names(&format!("# {}", "é ".repeat(5000)));
        assert_eq!(long[0].chars().count(), 80);
        let parsed = Parsed::new("# Of *it*");
        let preview = parsed.into_html(Vec::new(), "", Shown::Preview);
        assert_eq!(preview, "<h1>Of <em>it</em></h1>\n");
    }

    #[test]
    fn a_text_is_said_without_its_marks() {
        let text = "# Of *it*\n\nIt is **m**ilk[^1]: [[Tea|green tea]], `x`.\n\n|a|b|\n|-|-:|\n|1|2|\n\n\
                    - [x] <b>one</b>\n- ![two](x.png)\n\n[^1]: A note.";
        let plain = plain(text);
        let words: Vec<_> = plain.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "Of it It is milk: green tea, x. a b 1 2 <b>one</b> two A note."
        );
    }

    #[test]
    fn columns_are_aligned_as_they_were_written() {
        let table = html("|a|b|c|d|\n|-|:-|:-:|-:|\n|1|2|3|4|\n|5|6|\n");
        for cell in [
            "<th>a</th>",
            "<th align=\"left\">b</th>",
            "<th align=\"center\">c</th>",
            "<th align=\"right\">d</th>",
            "<td>1</td>",
            "<td align=\"center\">3</td>",
            "<td align=\"right\">4</td>",
            "<td>5</td>",
            "<td align=\"left\">6</td>",
            "<td align=\"right\"></td>",
        ] {
            assert!(table.contains(cell), "{cell}: {table}");
        }
        assert!(!table.contains("style"), "{table}");
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
            "https://x\"onmouseover=\"alert(1)",
            "https://x/<script>alert(1)</script>",
            "[^1]\n\n[^1]: <script>alert(1)</script>",
            "[^\"onclick=\"x]\n\n[^\"onclick=\"x]: a",
            "# <script>alert(1)</script> \" onclick=\"x",
            "|a|\n|:-:|\n|<img src=x onerror=alert(1)>|",
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
                let harmless = [
                    "p", "a", "em", "code", "pre", "img", "span", "sup", "div", "ol", "li", "h1",
                    "table", "thead", "tbody", "tr", "th", "td",
                ];
                let harmless = harmless.contains(&name);
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
            "http://a ",
            "[^1] ",
            "|a|\n|-|\n\n",
        ] {
            let part = part.replace("[^1]", "a[^1]");
            let text = part.repeat(30_000) + "\n\nThe end.\n\n[^1]: Note.";
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
            "http://".repeat(most / 7),
            "http://a ".repeat(most / 9),
            "1://".repeat(most / 4),
            "a".repeat(most - 4) + "://x",
            "http://a(".repeat(most / 9),
            format!("http://a{}", "(".repeat(most)),
            format!("http://a{}", ".,".repeat(most / 2)),
            "[^a]".repeat(most / 4) + "\n\n[^a]: x",
            "[^a]: x\n\n".repeat(most / 9),
            "[^a]: ".repeat(most / 6),
            "# a\n".repeat(most / 4),
            "# a-1\n# a\n".repeat(most / 10),
            "#".repeat(most),
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
