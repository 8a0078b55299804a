//! What is done with every failure, once: frames, observers, log, response.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::FailureText;
use http::{HeaderValue, Response, StatusCode};
use panic_capture::Caught;

use crate::{
    config::Config,
    context::Witness,
    failure::{
        cause::{Cause, Outcome},
        facts::Stage,
        id::ErrorId,
    },
    frames::{Note, Traceback},
    pending::{
        owner::Asking,
        ready::{Ready, prepare},
        tell::{is_heard, tell},
        worker::{self, Signal},
    },
    render,
    report::Report,
    request::{
        accept::Format,
        gate::{Judged, Verdict},
    },
};

/// A failure that is being reported. Dropped before it is through, it goes on elsewhere.
pub(crate) struct Finishing {
    /// `None` of what is answered and not reported.
    report: Option<Arc<Report>>,
    status: StatusCode,
    config: Arc<Config>,
    judged: Judged,
    asking: Option<Asking>,
    format: Format,
    is_head: bool,
    waiting: Option<Arc<Signal>>,
    told: bool,
}

impl Finishing {
    pub(crate) fn new(outcome: impl Into<Outcome>, stage: Stage, witness: &Witness) -> Self {
        let (status, report) = match outcome.into() {
            Outcome::Answer(status) => (status, None),
            Outcome::Failure(cause) => {
                let report = Report::new(*cause, stage, witness.summary());
                (report.status(), Some(Arc::new(report)))
            }
        };
        Self {
            status,
            told: report.is_none(),
            report,
            config: Arc::clone(witness.config()),
            judged: witness.judged(),
            asking: None,
            format: witness.format(),
            is_head: witness.is_head(),
            waiting: None,
        }
    }

    /// The id in the log.
    pub(crate) fn id(&self) -> Option<ErrorId> {
        self.report.as_ref().map(|report| report.id())
    }

    /// Ready when the observers and the log have it.
    pub(crate) fn poll_told(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.told {
            return Poll::Ready(());
        }
        ready!(self.poll_owner(cx));
        let Some(report) = &self.report else {
            return Poll::Ready(());
        };
        if !report.has_traceback() && self.wants_frames() {
            if self.waiting.is_none() {
                match prepare(report) {
                    Ready::Now => {}
                    Ready::When(signal) => self.waiting = Some(signal),
                    Ready::Never(note) => {
                        report.set_traceback(Traceback::without(report.location(), note));
                    }
                }
            }
            if let Some(signal) = &self.waiting {
                ready!(signal.poll(cx));
            }
        }
        tell(report, &self.config);
        self.told = true;
        Poll::Ready(())
    }

    /// Ready when the verdict is final.
    fn poll_owner(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Judged::ButForTheOwner(facts) = &self.judged {
            let asking = (self.asking).get_or_insert_with(|| Asking::new(facts.as_ref().clone()));
            self.judged = Judged::Finally(ready!(asking.poll(cx)));
        }
        Poll::Ready(())
    }

    /// Nothing of it will be shown: the head is out, and there is no text to append to.
    pub(crate) fn for_the_log_alone(mut self) -> Self {
        self.judged = Judged::Finally(Verdict::Production);
        self
    }

    /// Whether the client may see details. Known when the observers and the log have it.
    pub(crate) fn is_shown(&self) -> bool {
        matches!(self.judged, Judged::Finally(Verdict::Shown))
    }

    fn verdict(&self) -> Verdict {
        match &self.judged {
            Judged::Finally(verdict) => verdict.clone(),
            // Not reported, so not asked either.
            Judged::ButForTheOwner(_) => Verdict::Production,
        }
    }

    fn wants_frames(&self) -> bool {
        self.is_shown() || is_heard(&self.config)
    }

    /// The clean response, where one is still possible. `None` is the content of one to HEAD.
    pub(crate) fn response(&self) -> Response<Option<Bytes>> {
        let response = match &self.report {
            None => render::plain(self.status),
            Some(report) => {
                let renderer = &self.config.renderer;
                let mut response = render::response(report, &self.verdict(), self.format, renderer);
                // For `gateway_core::testing::Client`; it never goes on the wire.
                let text = FailureText::new(AsText(Arc::clone(report)));
                response.extensions_mut().insert(text);
                if let Some(name) = &self.config.id_header
                    && let Ok(id) = HeaderValue::try_from(report.id().to_string())
                {
                    response.headers_mut().insert(name, id);
                }
                response
            }
        };
        // RFC 9110 section 9.3.2: the header fields of a GET, without its content.
        response.map(|text| (!self.is_head).then_some(text))
    }

    /// The traceback as text, for a body that asked for it.
    pub(crate) fn text(&self) -> String {
        self.report
            .as_ref()
            .map(|report| report.to_text())
            .unwrap_or_default()
    }
}

/// The report as text, formatted when it is displayed.
struct AsText(Arc<Report>);

impl fmt::Display for AsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_text())
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        if !self.told
            && let Some(report) = self.report.take()
        {
            tell_later(&report, &self.config);
        }
    }
}

/// Reports a panic that no client waits for: it came while a value was dropped.
pub(crate) fn later(caught: Caught, stage: Stage, witness: Option<Witness>) {
    let cause = Cause::of_panic(caught);
    let Some(witness) = witness else { return };
    let report = Report::new(cause, stage, witness.summary());
    tell_later(&Arc::new(report), witness.config());
}

fn tell_later(report: &Arc<Report>, config: &Arc<Config>) {
    if !is_heard(config) {
        return;
    }
    if report.is_ready() {
        tell(report, config);
        return;
    }
    // Symbols take their time, and this may be an async worker. What is logged elsewhere is logged
    // by the subscriber of here.
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let (elsewhere, its_config) = (Arc::clone(report), Arc::clone(config));
    let sent = worker::run(move || {
        _ = elsewhere.frames();
        tracing::dispatcher::with_default(&dispatch, || tell(&elsewhere, &its_config));
    });
    if !sent {
        report.set_traceback(Traceback::without(report.location(), Note::TooMany));
        tell(report, config);
    }
}
