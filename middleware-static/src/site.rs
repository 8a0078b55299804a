//! The whole of an answer, decided in one synchronous walk that may be told not to wait.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use gateway_core::paths::Spelling;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::answer::cache::{Cache, CachedFile, Hit, Key};
use crate::answer::fields;
use crate::answer::prepared::Prepared;
use crate::answer::representation::Representation;
use crate::answer::response::{plain, plain_with, response, text_response};
use crate::body::ResponseBody;
use crate::listing;
use crate::lookup::file_request::FileRequest;
use crate::lookup::find::{Finder, Found, FoundFile};
use crate::lookup::path::{Candidate, Refusal, encode_path, encode_segment, to_path};
use crate::protocol::negotiate::Preference;
use crate::settings::{Dotfiles, OtherSpellings, SendFile, Settings};
use crate::source::{Source, Wait};

/// How often a file that is being written is looked at again before we give up.
const TRIES: usize = 4;

/// The sources, the settings and the caches.
pub(crate) struct Site {
    pub(crate) sources: Vec<Arc<dyn Source>>,
    pub(crate) settings: Settings,
    cache: Option<Arc<Cache>>,
}

/// How a request was resolved.
#[derive(Debug)]
pub(crate) enum Resolution {
    Answer(Response<ResponseBody>),
    /// There is no file: the inner service answers, or this status is the answer.
    Missing(StatusCode),
}

impl Site {
    pub(crate) fn new(sources: Vec<Arc<dyn Source>>, settings: Settings) -> Self {
        let cache = settings.cache.map(|limits| Arc::new(Cache::new(limits)));
        Self {
            sources,
            settings,
            cache,
        }
    }

    /// An answer for every request.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], with [`Wait::Never`]: ask again on a thread that may block.
    pub(crate) fn answer(
        &self,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Response<ResponseBody>> {
        match self.respond(request, wait)? {
            Resolution::Answer(response) => Ok(response),
            Resolution::Missing(status) => {
                self.or_failure(request, self.missing(request, status, wait))
            }
        }
    }

    /// The answer, or `Missing` where there is no file.
    ///
    /// # Errors
    /// As for [`answer`](Self::answer).
    pub(crate) fn respond(&self, request: &FileRequest<'_>, wait: Wait) -> io::Result<Resolution> {
        let candidate = Candidate::parse(request.path);
        if !request.falls_through {
            if let Ok(candidate) = &candidate
                && self.is_other_spelling(candidate)
            {
                return Ok(self.respelled(request));
            }
            if !request.reads() {
                return Ok(Resolution::Answer(self.not_allowed(request)));
            }
        }
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(Refusal::Malformed) => return Ok(Resolution::Missing(StatusCode::BAD_REQUEST)),
            Err(Refusal::NoSuchName) => return Ok(Resolution::Missing(StatusCode::NOT_FOUND)),
        };
        if request.falls_through {
            // Whether a service behind may answer depends on whether there is a file.
            if self.is_other_spelling(&candidate) {
                let found = self.has(&candidate, request, wait)?;
                return Ok(found.map_or_else(Resolution::Missing, |()| self.respelled(request)));
            }
            if !request.reads() {
                let found = self.has(&candidate, request, wait)?;
                return Ok(found.map_or_else(Resolution::Missing, |()| {
                    Resolution::Answer(self.not_allowed(request))
                }));
            }
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.read(&candidate, request, wait) {
                // Became shorter between `fstat` and `read`: nothing is promised yet, so look again.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && tries < TRIES => {}
                Err(error) => return self.or_failure(request, Err(error)).map(Resolution::Answer),
                Ok(outcome) => return Ok(outcome),
            }
        }
    }

    /// A method other than GET and HEAD: 405, or 204 for OPTIONS, with `Allow` (RFC 9110 15.5.6, 9.3.7).
    fn not_allowed(&self, request: &FileRequest<'_>) -> Response<ResponseBody> {
        let mut answer = if request.method == Method::OPTIONS {
            response(
                StatusCode::NO_CONTENT,
                HeaderMap::with_capacity(2),
                ResponseBody::empty(),
            )
        } else {
            plain(request, StatusCode::METHOD_NOT_ALLOWED)
        };
        answer.headers_mut().insert(
            header::ALLOW,
            HeaderValue::from_static("GET, HEAD, OPTIONS"),
        );
        self.dressed(request, answer)
    }

    /// Adds the fields that the user set for all answers, and `Cache-Control` for the path that was asked for, to an answer that is no file.
    fn dressed(
        &self,
        request: &FileRequest<'_>,
        mut answer: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let cacheable = matches!(
            answer.status(),
            StatusCode::NOT_FOUND
                | StatusCode::NOT_ACCEPTABLE
                | StatusCode::MOVED_PERMANENTLY
                | StatusCode::PERMANENT_REDIRECT
        );
        if cacheable && let Ok(candidate) = Candidate::parse(request.path) {
            fields::caching(&self.settings, candidate.as_bytes(), answer.headers_mut());
        }
        fields::on_other(&self.settings, answer.headers_mut());
        fields::on_page(answer.headers_mut());
        answer
    }

    /// Redirects to the canonical spelling of the path; 404 where no client would follow.
    fn respelled(&self, request: &FileRequest<'_>) -> Resolution {
        let location = Spelling::of(request.path)
            .location(request.query)
            .and_then(|location| HeaderValue::try_from(location).ok());
        let Some(location) = location else {
            return Resolution::Missing(StatusCode::NOT_FOUND);
        };
        let mut answer = plain(request, StatusCode::PERMANENT_REDIRECT);
        answer.headers_mut().insert(header::LOCATION, location);
        Resolution::Answer(self.dressed(request, answer))
    }

    fn is_other_spelling(&self, candidate: &Candidate<'_>) -> bool {
        !candidate.is_canonical() && self.settings.other_spellings == OtherSpellings::Redirect
    }

    /// Whether a GET would find something at this path. If the file system does not say, the answer is no: the service
    /// behind may know.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], with [`Wait::Never`].
    fn has(
        &self,
        candidate: &Candidate<'_>,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Result<(), StatusCode>> {
        if self.is_hidden(candidate) {
            return Ok(Err(StatusCode::NOT_FOUND));
        }
        let finder = self.finder(self.preference(request), request, wait);
        match finder.find(candidate, request) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(_) | Ok(Found::Nothing) => Ok(Err(StatusCode::NOT_FOUND)),
            Ok(_) => Ok(Ok(())),
        }
    }

    fn is_hidden(&self, candidate: &Candidate<'_>) -> bool {
        self.settings.dotfiles == Dotfiles::Hide && candidate.is_hidden()
    }

    fn read(
        &self,
        candidate: &Candidate<'_>,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Resolution> {
        if self.is_hidden(candidate) {
            return Ok(Resolution::Missing(StatusCode::NOT_FOUND));
        }
        let preference = self.preference(request);
        let key = match &self.cache {
            Some(cache) if request.bare_mount.is_none() => {
                Key::new(candidate.as_bytes(), preference).map(|key| (cache, key))
            }
            _ => None,
        };
        let mut stale = None;
        match key.as_ref().and_then(|(cache, key)| cache.get(key)) {
            Some(Hit::Fresh(kept)) => return cached_answer(&kept, request, wait),
            Some(Hit::Stale(kept)) => stale = Some(kept),
            None => {}
        }
        match self
            .finder(preference, request, wait)
            .find(candidate, request)?
        {
            Found::File(chosen) => match &key {
                Some((cache, key)) => self.keep(cache, key, stale, chosen, request, wait),
                None => self.file(chosen, request, wait).map(Resolution::Answer),
            },
            other => {
                if let (Some((cache, key)), Some(_)) = (&key, stale) {
                    cache.remove(key);
                }
                match other {
                    Found::Redirect => {
                        let answer = self.dressed(request, redirect(candidate, request));
                        Ok(Resolution::Answer(answer))
                    }
                    Found::Listing => self.list(candidate, request, wait).map(Resolution::Answer),
                    Found::NotAcceptable => Ok(Resolution::Answer(self.not_acceptable(request))),
                    Found::Nothing | Found::File(_) => {
                        Ok(Resolution::Missing(StatusCode::NOT_FOUND))
                    }
                }
            }
        }
    }

    fn preference(&self, request: &FileRequest<'_>) -> Preference {
        // The front end that sends the file negotiates its codings too.
        if self.settings.precompressed && self.settings.send_file.is_none() {
            let accepted = Preference::parse(request.headers);
            // A part of a coded file cannot be decoded by itself, and clients that add the field unasked (curl
            // `--compressed`, python-requests) try to.
            if request.ranged && !request.is_head() && accepted.accepts_identity() {
                Preference::IDENTITY
            } else {
                accepted
            }
        } else {
            Preference::IDENTITY
        }
    }

    fn finder<'a>(
        &'a self,
        preference: Preference,
        request: &FileRequest<'a>,
        wait: Wait,
    ) -> Finder<'a> {
        Finder {
            sources: &self.sources,
            settings: &self.settings,
            preference,
            findings: request.findings,
            wait,
        }
    }

    /// Answers with a file without caching it.
    fn file(
        &self,
        chosen: FoundFile,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Response<ResponseBody>> {
        if let Some(send_file) = &self.settings.send_file
            && let Some(name) = self.sent_by_front_end(send_file, &chosen)
        {
            let representation =
                Representation::new(chosen, &self.settings, request.findings, wait)?;
            return Ok(handed_over(send_file, name, representation.head));
        }
        let mut representation =
            Representation::new(chosen, &self.settings, request.findings, wait)?;
        let head = std::mem::take(&mut representation.head);
        let head = Cow::Owned(head);
        Prepared {
            representation: &representation,
            head,
            unchanged: None,
            bytes: None,
        }
        .answer(request, wait)
    }

    /// Answers with a file, and caches it if its state can be told from later states.
    fn keep(
        &self,
        cache: &Arc<Cache>,
        key: &Key,
        stale: Option<Arc<CachedFile>>,
        chosen: FoundFile,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Resolution> {
        let stamp = chosen.file.stamp;
        match stale {
            Some(kept) if Some(kept.stamp) == stamp => {
                cache.renew(&kept);
                return cached_answer(&kept, request, wait);
            }
            Some(_) => cache.remove(key),
            None => {}
        }
        let length = chosen.file.metadata.length;
        let Some(stamp) = stamp.filter(|_| self.settings.send_file.is_none()) else {
            return self.file(chosen, request, wait).map(Resolution::Answer);
        };
        let representation = Representation::new(chosen, &self.settings, request.findings, wait)?;
        let bytes = match usize::try_from(length)
            .ok()
            .filter(|_| cache.takes_bytes(length))
        {
            // A copy of its own size: pooled buffers are for passing through.
            Some(length) => {
                let read = representation.content.exactly(0, length, wait)?;
                Some(bytes::Bytes::copy_from_slice(&read))
            }
            None => None,
        };
        let head = Cow::Borrowed(&representation.head);
        let prepared = Prepared {
            representation: &representation,
            head,
            unchanged: None,
            bytes: bytes.as_ref(),
        };
        let answer = prepared.answer(request, wait)?;
        if representation.settled {
            cache.insert(key, representation, stamp, bytes);
        }
        Ok(Resolution::Answer(answer))
    }

    /// The answer where there is no file: the single-page application's page, the 404 page, or the bare status.
    fn missing(
        &self,
        request: &FileRequest<'_>,
        status: StatusCode,
        wait: Wait,
    ) -> io::Result<Response<ResponseBody>> {
        if status != StatusCode::NOT_FOUND || !request.reads() {
            return Ok(self.dressed(request, plain(request, status)));
        }
        let page = match &self.settings.spa {
            Some((page, status)) if request.is_navigation() => Some((page, *status)),
            _ => self.settings.not_found.as_ref().map(|page| (page, status)),
        };
        let mut answer = match page {
            Some((page, status)) => self.page(page, status, request, wait)?,
            None => None,
        }
        .unwrap_or_else(|| plain(request, status));
        if self.settings.precompressed {
            // There may be a sibling, in a coding that this client does not accept.
            fields::vary(
                answer.headers_mut(),
                &HeaderValue::from_static("accept-encoding"),
            );
        }
        if self.settings.spa.is_some() {
            // The same URL is a page for one request and nothing for another.
            let by = HeaderValue::from_static("accept, sec-fetch-mode");
            fields::vary(answer.headers_mut(), &by);
        }
        Ok(self.dressed(request, answer))
    }

    fn page(
        &self,
        page: &str,
        status: StatusCode,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Option<Response<ResponseBody>>> {
        let Found::File(chosen) = self
            .finder(self.preference(request), request, wait)
            .find_page(page)?
        else {
            return Ok(None);
        };
        if status.is_success() {
            return self.file(chosen, request, wait).map(|mut answer| {
                if answer.status() == StatusCode::OK {
                    *answer.status_mut() = status;
                }
                Some(answer)
            });
        }
        // RFC 9110 13.2.1: preconditions are about what would be a 2xx.
        let mut representation =
            Representation::new(chosen, &self.settings, request.findings, wait)?;
        let mut head = std::mem::take(&mut representation.head);
        for name in [
            header::ACCEPT_RANGES,
            header::ETAG,
            header::LAST_MODIFIED,
            header::CACHE_CONTROL,
        ] {
            head.remove(name);
        }
        let head = Cow::Owned(head);
        let prepared = Prepared {
            representation: &representation,
            head,
            unchanged: None,
            bytes: None,
        };
        prepared.whole(request, status, wait).map(Some)
    }

    fn list(
        &self,
        candidate: &Candidate<'_>,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Response<ResponseBody>> {
        if wait == Wait::Never {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let path = candidate.as_bytes();
        let mut entries = self
            .finder(Preference::IDENTITY, request, wait)
            .entries(path)?;
        if self.settings.dotfiles == Dotfiles::Hide {
            let root = path.is_empty();
            entries.retain(|entry| {
                let name = crate::lookup::path::name_bytes(&entry.name);
                !name.starts_with(b".") || (root && *name == *b".well-known")
            });
        }
        let format = listing::Format::of(request.headers);
        let question = listing::Question::parse(request.query.unwrap_or_default());
        let text = listing::render(format, path, entries, &question);
        let mut answer = text_response(request, StatusCode::OK, format.content_type(), text);
        answer
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept"));
        answer
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some(policy) = format.security_policy() {
            answer
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        Ok(self.dressed(request, answer))
    }

    fn not_acceptable(&self, request: &FileRequest<'_>) -> Response<ResponseBody> {
        let mut answer = plain(request, StatusCode::NOT_ACCEPTABLE);
        answer
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        self.dressed(request, answer)
    }

    /// The name by which the front end knows a file; `None` for one that is in no file system.
    fn sent_by_front_end(&self, send_file: &SendFile, chosen: &FoundFile) -> Option<HeaderValue> {
        // Only what is in a file system can be found by the front end.
        let source = self.sources.get(chosen.root?)?;
        let path = source.file_path(to_path(&chosen.path)?)?;
        let text = match send_file {
            SendFile::XSendfile => encode_path(&crate::lookup::path::name_bytes(path.as_os_str())),
            SendFile::XAccelRedirect { prefix } => {
                let prefix = encode_path(prefix.as_str().as_bytes());
                format!("{prefix}/{}", encode_path(&chosen.path))
            }
        };
        HeaderValue::try_from(text).ok()
    }

    /// Turns an error of the file system into an answer; [`io::ErrorKind::WouldBlock`] stays an error.
    fn or_failure(
        &self,
        request: &FileRequest<'_>,
        result: io::Result<Response<ResponseBody>>,
    ) -> io::Result<Response<ResponseBody>> {
        let error = match result {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => error,
            other => return other,
        };
        let exhausted = is_exhausted(&error);
        if exhausted && let Some(cache) = &self.cache {
            // Close the files of the cache first.
            cache.clear();
        }
        if exhausted || error.kind() == io::ErrorKind::ResourceBusy {
            let mut answer = plain_with(request, StatusCode::SERVICE_UNAVAILABLE, error);
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return Ok(self.dressed(request, answer));
        }
        let answer = match error.kind() {
            io::ErrorKind::PermissionDenied => plain_with(request, StatusCode::FORBIDDEN, error),
            io::ErrorKind::NotFound => plain(request, StatusCode::NOT_FOUND),
            _ => plain_with(request, StatusCode::INTERNAL_SERVER_ERROR, error),
        };
        Ok(self.dressed(request, answer))
    }
}

fn cached_answer(
    kept: &CachedFile,
    request: &FileRequest<'_>,
    wait: Wait,
) -> io::Result<Resolution> {
    let prepared = Prepared {
        representation: &kept.representation,
        head: Cow::Borrowed(&kept.representation.head),
        unchanged: Some(&kept.unchanged),
        bytes: kept.bytes.as_ref(),
    };
    prepared.answer(request, wait).map(Resolution::Answer)
}

/// Redirects to the same name with a slash at its end: by a relative reference, which is right below any prefix and never `//host`.
fn redirect(candidate: &Candidate<'_>, request: &FileRequest<'_>) -> Response<ResponseBody> {
    let mut location = match request.bare_mount {
        Some(bare) => format!("./{bare}/"),
        None => format!("./{}/", encode_segment(candidate.last_segment())),
    };
    let path_only = location.len();
    if let Some(query) = request.query {
        location.push('?');
        location.push_str(query);
    }
    let mut answer = plain(request, StatusCode::MOVED_PERMANENTLY);
    let value = HeaderValue::try_from(&location)
        .or_else(|_| HeaderValue::try_from(location.split_at(path_only).0));
    if let Ok(value) = value {
        answer.headers_mut().insert(header::LOCATION, value);
    }
    answer
}

/// The answer to the front end: what the file is, and where.
fn handed_over(
    send_file: &SendFile,
    name: HeaderValue,
    mut head: HeaderMap,
) -> Response<ResponseBody> {
    // The front end's own, of the file it opens.
    for field in [
        header::CONTENT_LENGTH,
        header::ACCEPT_RANGES,
        header::ETAG,
        header::LAST_MODIFIED,
    ] {
        head.remove(field);
    }
    let field = match send_file {
        SendFile::XSendfile => "x-sendfile",
        SendFile::XAccelRedirect { .. } => "x-accel-redirect",
    };
    head.insert(field, name);
    response(StatusCode::OK, head, ResponseBody::empty())
}

fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM)
        )
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::OutOfMemory
    }
}
