//! Handles each failure once: resolves frames, calls the observers, logs, and makes the response.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::{
    FailedBy,
    developer::OwnerLookUp,
    error::{FailureText, Reported},
};
use http::{HeaderValue, Response, StatusCode};
use panic_capture::Caught;

use crate::{
    config::Config,
    failure::{
        cause::{Cause, Classified},
        facts::Stage,
        id::ErrorId,
    },
    pending::{
        emit::{emit, goes_anywhere},
        ready::{Prepared, prepare, prepare_and},
        worker::Signal,
    },
    record::RequestRecord,
    render,
    report::Report,
    request::{
        accept::Format,
        gate::{Judged, Verdict},
    },
};

/// A failure that is being reported. If it is dropped before it is done, the report goes on in the background.
pub(crate) struct PendingReport {
    /// `None` of what is answered and not reported.
    report: Option<Arc<Report>>,
    status: StatusCode,
    config: Arc<Config>,
    judged: Judged,
    owner_look_up: Option<OwnerLookUp>,
    format: Format,
    is_head: bool,
    frames_ready: Option<Arc<Signal>>,
    emitted: bool,
}

impl PendingReport {
    pub(crate) fn new(
        classified: impl Into<Classified>,
        stage: Stage,
        record: &RequestRecord,
    ) -> Self {
        let (status, report) = match classified.into() {
            Classified::NoFailure(status) => (status, None),
            Classified::Failure(cause) => {
                let report = Report::new(*cause, stage, record.summary());
                (report.status(), Some(Arc::new(report)))
            }
        };
        Self {
            status,
            emitted: report.is_none(),
            report,
            config: Arc::clone(record.config()),
            judged: record.judged(),
            owner_look_up: None,
            format: record.format(),
            is_head: record.is_head(),
            frames_ready: None,
        }
    }

    /// The id in the log.
    pub(crate) fn id(&self) -> Option<ErrorId> {
        self.report.as_ref().map(|report| report.id())
    }

    /// Ready when the observers and the log have the report.
    pub(crate) fn poll_emitted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.emitted {
            return Poll::Ready(());
        }
        ready!(self.poll_owner(cx));
        let Some(report) = &self.report else {
            return Poll::Ready(());
        };
        if !report.has_traceback() && self.wants_frames() {
            if self.frames_ready.is_none() {
                match prepare(report) {
                    Prepared::Now => {}
                    Prepared::When(signal) => self.frames_ready = Some(signal),
                    Prepared::Never => report.give_frames_up(),
                }
            }
            if let Some(signal) = &self.frames_ready {
                ready!(signal.poll(cx));
            }
        }
        emit(report, &self.config);
        self.emitted = true;
        Poll::Ready(())
    }

    /// Ready when it is decided whether the client may see details.
    fn poll_owner(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Judged::ButForTheOwner(facts) = &self.judged {
            let owner_look_up = (self.owner_look_up)
                .get_or_insert_with(|| OwnerLookUp::start(facts.as_ref().clone()));
            let verdict = ready!(Pin::new(owner_look_up).poll(cx));
            self.judged = Judged::Finally(verdict.into());
        }
        Poll::Ready(())
    }

    /// Shows the client nothing: the head was sent, and the body is no text that a report could be appended to.
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
            // This failure is not reported, so there is nothing to show.
            Judged::ButForTheOwner(_) => Verdict::Production,
        }
    }

    fn wants_frames(&self) -> bool {
        self.is_shown() || goes_anywhere(&self.config)
    }

    /// What takes the place of the program's own body: where the client may see details, a page if it prefers HTML, and in
    /// any format if the body says nothing of the failure itself.
    pub(crate) fn in_place_of(&self, body: OwnBody) -> Option<Response<Option<Bytes>>> {
        let is_wanted = self.format == Format::Html || body == OwnBody::Bare;
        (self.is_shown() && is_wanted).then(|| self.response())
    }

    /// Marks a response as one whose failure was reported: for layers further out, and for the header that the program asked
    /// for.
    pub(crate) fn mark<B>(&self, response: &mut Response<B>) {
        let Some(report) = &self.report else { return };
        // Neither goes on the wire; the text is for `gateway_core::testing::Client`.
        let text = FailureText::new(AsText(Arc::clone(report)));
        response.extensions_mut().insert(text);
        response.extensions_mut().insert(Reported);
        if let Some(failed_by) = response.extensions_mut().remove::<FailedBy>() {
            let failed_by = failed_by.with_id(report.id().to_string());
            response.extensions_mut().insert(failed_by);
        }
        if let Some(name) = &self.config.id_header
            && let Ok(id) = HeaderValue::try_from(report.id().to_string())
        {
            response.headers_mut().insert(name, id);
        }
    }

    /// The response in place of the program's own. The body is `None` for HEAD.
    pub(crate) fn response(&self) -> Response<Option<Bytes>> {
        let response = match &self.report {
            None => render::plain(self.status),
            Some(report) => {
                let renderer = &self.config.renderer;
                let mut response = render::response(report, &self.verdict(), self.format, renderer);
                self.mark(&mut response);
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

/// The body that the program gave its response to a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnBody {
    /// Empty, or a component's name of the status.
    Bare,
    /// It has content of its own.
    Text,
}

/// The report as text, formatted when it is displayed.
struct AsText(Arc<Report>);

impl fmt::Display for AsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_text())
    }
}

impl Drop for PendingReport {
    fn drop(&mut self) {
        if !self.emitted
            && let Some(report) = self.report.take()
        {
            emit_in_background(&report, &self.config);
        }
    }
}

/// Reports a panic that no client waits for: it came while a value was dropped.
pub(crate) fn report_in_background(caught: Caught, stage: Stage, record: Option<RequestRecord>) {
    let cause = Cause::of_panic(caught);
    let Some(record) = record else { return };
    report_detached(ErrorId::new(), cause, stage, &record);
}

/// Reports a failure that no client waits for.
pub(crate) fn report_detached(id: ErrorId, cause: Cause, stage: Stage, record: &RequestRecord) {
    let report = Report::with_id(id, cause, stage, record.summary());
    emit_in_background(&Arc::new(report), record.config());
}

fn emit_in_background(report: &Arc<Report>, config: &Arc<Config>) {
    if !goes_anywhere(config) {
        return;
    }
    // This may be an async worker. What is logged elsewhere is logged by the subscriber of here.
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let (elsewhere, its_config) = (Arc::clone(report), Arc::clone(config));
    let is_prepared = prepare_and(report, move || {
        tracing::dispatcher::with_default(&dispatch, || emit(&elsewhere, &its_config));
    });
    if !is_prepared {
        report.give_frames_up();
        emit(report, config);
    }
}
