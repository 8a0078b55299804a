//! One page for a browser: no asset from elsewhere, a policy of its own, everything escaped.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use gateway_core::escape;

use super::{curl, text};
use crate::{
    failure::id::ErrorId,
    frames::{Traceback, folded::Folded, frame::Frame, names::Origin, source::Excerpt},
    report::Report,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page, and the policy it wants to be sent with.
pub(crate) struct Html {
    pub(crate) page: String,
    pub(crate) policy: String,
}

pub(crate) fn page(report: &Report, editor: Option<&str>) -> Html {
    // As unguessable as an id, and twice as long.
    let nonce = format!("{}{}", ErrorId::new(), ErrorId::new());
    let mut page = String::with_capacity(16 * 1024);
    // Writing to a string does not fail.
    _ = Page {
        out: &mut page,
        report,
        editor,
        nonce: &nonce,
    }
    .write();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Html { page, policy }
}

struct Page<'a> {
    out: &'a mut String,
    report: &'a Report,
    editor: Option<&'a str>,
    nonce: &'a str,
}

impl Page<'_> {
    fn write(&mut self) -> fmt::Result {
        let report = self.report;
        let heading = text::heading(report);
        let heading = escape(&heading);
        let nonce = self.nonce;
        let title: String = report
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(80)
            .collect();
        write!(
            self.out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n\
             <title>{heading}: {}</title>\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
            escape(&title),
        )?;
        self.header()?;
        self.traceback()?;
        self.causes()?;
        self.tasks()?;
        self.spans()?;
        self.request()?;
        self.copies()?;
        write!(
            self.out,
            "</main>\n<script nonce=\"{nonce}\">\n{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }

    fn header(&mut self) -> fmt::Result {
        let report = self.report;
        write!(
            self.out,
            "<header>\n<p class=\"kind\">{}</p>\n<h1{}>{}</h1>\n",
            escape(&text::heading(report)),
            if is_long(report.message()) {
                " tabindex=\"0\""
            } else {
                ""
            },
            escape(report.message()),
        )?;
        if let Some(hint) = report.hint() {
            writeln!(self.out, "<p class=\"hint\">{}</p>", with_code(hint))?;
        }
        self.out.push_str("<dl class=\"facts\">\n");
        if let Some(place) = report.location() {
            let place = place.to_string();
            write!(
                self.out,
                "<dt>Raised at</dt><dd><code>{}</code>",
                escape(&place)
            )?;
            if let Some(thread) = report.thread() {
                write!(
                    self.out,
                    " <span class=\"soft\">on thread {}</span>",
                    escape(thread)
                )?;
            }
            self.out.push_str("</dd>\n");
        }
        let stage = report.stage().to_string();
        writeln!(self.out, "<dt>Stage</dt><dd>{}</dd>", escape(&stage))?;
        write!(
            self.out,
            "<dt>Error ID</dt><dd><code>{}</code></dd>\n</dl>\n",
            report.id()
        )?;
        self.out.push_str(
            "<div class=\"buttons\">\
             <button type=\"button\" data-copy=\"as-text\" hidden>Copy as text</button>\
             <button type=\"button\" data-copy=\"as-markdown\" hidden>Copy as Markdown</button>",
        );
        if curl::command(report.request()).is_some() {
            self.out.push_str(
                "<button type=\"button\" data-copy=\"as-curl\" hidden>Copy as curl</button>",
            );
        }
        self.out.push_str("</div>\n</header>\n");
        text::notes(report, |note| {
            writeln!(
                self.out,
                "<p class=\"note\">{}</p>",
                with_code(&note.to_string())
            )
        })
    }

    /// The innermost first: it is next to the message then, and mostly what one looks for.
    fn traceback(&mut self) -> fmt::Result {
        let traceback = self.report.frames();
        if traceback.frames().is_empty() {
            return Ok(());
        }
        self.out.push_str(
            "<section>\n<div class=\"heading\"><h2>Traceback <small>most recent call first</small></h2>",
        );
        let is_folded = |part| !matches!(part, Folded::Frame(_));
        if traceback.folded().any(is_folded) {
            self.out.push_str(
                "<button type=\"button\" id=\"all-frames\" aria-pressed=\"false\" hidden>All frames</button>",
            );
        }
        self.out.push_str("</div>\n");
        self.frames(traceback)?;
        self.out.push_str("</section>\n");
        Ok(())
    }

    fn frames(&mut self, traceback: &Traceback) -> fmt::Result {
        self.out.push_str("<ol class=\"frames\">\n");
        for part in traceback.folded().rev() {
            match part {
                Folded::Frame(frame) => self.frame(frame)?,
                Folded::Others(frames) => self.others(&text::hidden(frames), frames)?,
                Folded::Repeated { frames, times } => {
                    let summary = match frames.len() {
                        1 => format!("the next frame, {times} times more"),
                        count => format!("the next {count} frames, {times} times more"),
                    };
                    self.others(&summary, frames)?;
                }
            }
        }
        self.out.push_str("</ol>\n");
        if traceback.is_truncated() {
            self.out.push_str(
                "<p class=\"soft\">More frames: the stack was deeper than is kept.</p>\n",
            );
        }
        Ok(())
    }

    /// The panics of tasks, the nearest first.
    fn tasks(&mut self) -> fmt::Result {
        for panic in self.report.tasks() {
            write!(
                self.out,
                "<section>\n<h2>Caused by the panic of task {}</h2>\n<p>{}</p>\n",
                panic.task(),
                escape(panic.message())
            )?;
            if let Some(place) = panic.location() {
                let place = place.to_string();
                let place = escape(&place);
                write!(self.out, "<p class=\"soft\">Raised at <code>{place}</code>")?;
                if let Some(thread) = panic.thread() {
                    write!(self.out, " on thread {}", escape(thread))?;
                }
                self.out.push_str("</p>\n");
            }
            if let Some(id) = panic.first_id() {
                writeln!(
                    self.out,
                    "<p class=\"note\">first reported under error id <code>{id}</code></p>"
                )?;
            }
            if let Some(note) = panic.frames().note() {
                let note = note.to_string();
                writeln!(self.out, "<p class=\"note\">{}</p>", escape(&note))?;
            }
            if !panic.frames().frames().is_empty() {
                self.frames(panic.frames())?;
            }
            self.out.push_str("</section>\n");
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame) -> fmt::Result {
        let title = frame.title();
        write!(
            self.out,
            "<li><details open><summary><span class=\"function\">{}</span>",
            escape(&title)
        )?;
        if let (Some(file), Some(line)) = (frame.file(), frame.line()) {
            let place = format!("{file}:{line}");
            match self.editor_link(frame) {
                Some(link) => write!(
                    self.out,
                    "<a class=\"place\" href=\"{}\">{}</a>",
                    escape(&link),
                    escape(&place),
                )?,
                None => write!(self.out, "<span class=\"place\">{}</span>", escape(&place))?,
            }
        } else if let Some(offset) = frame.offset() {
            let place = offset.to_string();
            write!(self.out, "<span class=\"place\">{}</span>", escape(&place))?;
        }
        if frame.source().is_some_and(Excerpt::is_newer) {
            self.out
                .push_str("<span class=\"changed\">changed after the program was built</span>");
        }
        self.out.push_str("</summary>");
        if let Some(source) = frame.source() {
            self.source(source)?;
        }
        self.out.push_str("</details></li>\n");
        Ok(())
    }

    fn source(&mut self, source: &Excerpt) -> fmt::Result {
        self.out
            .push_str("<pre class=\"source\" tabindex=\"0\" role=\"group\" aria-label=\"source\">");
        // A telephone has no room for the indentation that all lines share.
        let indentation = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let lines = source
            .lines()
            .map(|(_, line, _)| line)
            .filter(|line| !line.is_empty());
        let shared = lines.map(indentation).min().unwrap_or(0);
        for (number, line, is_it) in source.lines() {
            let line = line.get(shared..).unwrap_or_default();
            let class = if is_it { " class=\"at\"" } else { "" };
            write!(
                self.out,
                "<span{class} data-line=\"{number}\">{}</span>",
                escape(line)
            )?;
        }
        self.out.push_str("</pre>");
        Ok(())
    }

    fn others(&mut self, summary: &str, frames: &[Arc<Frame>]) -> fmt::Result {
        write!(
            self.out,
            "<li class=\"others\"><details><summary>{}</summary>\n<ul>\n",
            escape(summary),
        )?;
        for frame in frames.iter().rev() {
            self.other(frame)?;
        }
        self.out.push_str("</ul></details></li>\n");
        Ok(())
    }

    fn other(&mut self, frame: &Frame) -> fmt::Result {
        let name = if frame.raw_name().is_empty() {
            "unknown"
        } else {
            frame.raw_name()
        };
        write!(self.out, "<li><code>{}</code>", escape(name))?;
        if let Origin::Other(origin) = frame.origin() {
            write!(self.out, " {}", escape(origin))?;
        }
        if let (Some(path), Some(line)) = (frame.path(), frame.line()) {
            let place = format!("{}:{line}", path.display());
            write!(
                self.out,
                "<br><span class=\"place\">{}</span>",
                escape(&place)
            )?;
        }
        self.out.push_str("</li>\n");
        Ok(())
    }

    fn editor_link(&self, frame: &Frame) -> Option<String> {
        let path = frame.path()?.to_str()?;
        let link = self.editor?.replace("{path}", &percent_encoded(path));
        let link = link.replace("{line}", &frame.line()?.to_string());
        Some(link.replace("{column}", &frame.column().unwrap_or(1).to_string()))
    }

    fn causes(&mut self) -> fmt::Result {
        let report = self.report;
        if report.chain().is_empty() {
            return Ok(());
        }
        self.out
            .push_str("<section>\n<h2>Caused by</h2>\n<ol class=\"causes\">\n");
        for link in report.chain() {
            self.out.push_str("<li>");
            if link.type_name.is_some() || link.variant.is_some() {
                let name = text::typed(link.type_name.as_deref(), link.variant.as_deref());
                write!(self.out, "<span class=\"soft\">{}:</span> ", escape(&name))?;
            }
            writeln!(self.out, "{}</li>", escape(&link.message))?;
        }
        if report.is_chain_cut() {
            self.out
                .push_str("<li>more causes, perhaps without end</li>\n");
        }
        self.out.push_str("</ol>\n</section>\n");
        Ok(())
    }

    fn spans(&mut self) -> fmt::Result {
        let spans = self.report.spans();
        if spans.is_empty() {
            return Ok(());
        }
        self.out
            .push_str("<section>\n<h2>Spans <small>innermost first</small></h2>\n<table>\n");
        for span in spans {
            let (name, fields) = (escape(&span.name), escape(&span.fields));
            writeln!(
                self.out,
                "<tr><th scope=\"row\">{name}</th><td><code>{fields}</code></td></tr>"
            )?;
        }
        self.out.push_str("</table>\n</section>\n");
        Ok(())
    }

    fn request(&mut self) -> fmt::Result {
        let request = self.report.request();
        if request.path().is_empty() {
            return Ok(());
        }
        let version = request
            .version()
            .map(|version| format!(" {version:?}"))
            .unwrap_or_default();
        write!(
            self.out,
            "<section>\n<h2>Request</h2>\n<p><code>{} {}{version}</code></p>\n<table>\n",
            escape(request.method().as_str()),
            escape(request.path()),
        )?;
        for (name, value) in request.headers() {
            let (name, value) = (escape(name), escape(value));
            writeln!(
                self.out,
                "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
            )?;
        }
        self.out.push_str("</table>\n</section>\n");
        Ok(())
    }

    /// What the buttons copy: there to be selected where no script runs.
    fn copies(&mut self) -> fmt::Result {
        let text = text::page(self.report);
        let markdown = markdown(self.report, &text);
        let curl = curl::command(self.report.request());
        let copies = [
            ("as-text", "As text", Some(text)),
            ("as-markdown", "As Markdown", Some(markdown)),
            ("as-curl", "As curl", curl),
        ];
        for (id, summary, content) in copies {
            let Some(content) = content else { continue };
            write!(
                self.out,
                "<details class=\"text\"><summary>{summary}</summary><pre id=\"{id}\" tabindex=\"0\">\n{}</pre></details>\n",
                escape(&content),
            )?;
        }
        Ok(())
    }
}

/// A sentence of ours: what is between backticks is code.
fn with_code(sentence: &str) -> String {
    let parts = sentence.split('`').enumerate();
    let parts = parts.map(|(n, part)| match n % 2 {
        0 => escape(part).into_owned(),
        _ => format!("<code>{}</code>", escape(part)),
    });
    parts.collect()
}

/// Whether a heading may be higher than the page gives it room, so that it scrolls.
fn is_long(message: &str) -> bool {
    message.len() > 400 || message.lines().count() > 8
}

/// For an issue: the message as a heading, the text in a fence that nothing in it can close.
fn markdown(report: &Report, text: &str) -> String {
    let longest = text
        .split(|char| char != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let message: String = report
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(120)
        .collect();
    let heading: String = message.chars().flat_map(in_markdown).collect();
    format!(
        "### {}: {heading}\n\n{fence}text\n{text}{fence}\n",
        text::heading(report)
    )
}

fn in_markdown(char: char) -> impl Iterator<Item = char> {
    let special = matches!(
        char,
        '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&'
    );
    special.then_some('\\').into_iter().chain([char])
}

fn percent_encoded(path: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const IN_PATH: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'`')
        .add(b'{')
        .add(b'}')
        .add(b'&')
        .add(b'\'');
    utf8_percent_encode(path, IN_PATH).to_string()
}
