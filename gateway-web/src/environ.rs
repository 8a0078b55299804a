//! What the features of this crate add to a request.

use std::borrow::BorrowMut;

use gateway_core::Environ;
#[cfg(any(
    feature = "conditional",
    feature = "files",
    feature = "forms",
    feature = "json",
    feature = "minijinja",
    feature = "router",
    feature = "session",
    feature = "state"
))]
use gateway_core::Error;
#[cfg(any(
    feature = "conditional",
    feature = "files",
    feature = "minijinja",
    feature = "redirects"
))]
use gateway_core::Reply;
#[cfg(feature = "negotiation")]
use gateway_core::request::accept::Accept;
#[cfg(feature = "forms")]
use http::StatusCode;
#[cfg(any(feature = "forms", feature = "json", feature = "router"))]
use serde::de::DeserializeOwned;

/// What the features of this crate add to an [`Environ`].
///
/// Errors carry the status that is named with each method; through `?` they are answered with it.
pub trait EnvironExt: BorrowMut<Environ> {
    /// The query as a type of the caller's, as [`Form::parse`](crate::Form::parse) reads forms.
    ///
    /// # Errors
    ///
    /// The first field that does not fit, by name: 400.
    #[cfg(feature = "forms")]
    #[track_caller]
    fn parse_query<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let query = self.borrow().query_string();
        crate::forms::parse(query.as_bytes())
            .map_err(|error| error.answered_with(StatusCode::BAD_REQUEST))
    }

    /// A posted form of up to `limit` bytes as a type of the caller's.
    ///
    /// # Errors
    ///
    /// Another Content-Type than `application/x-www-form-urlencoded`: 415. More than `limit` bytes: 413. The first
    /// field that does not fit, by name: 422. A body that is cut short: 400; that does not come in time: 408.
    #[cfg(feature = "forms")]
    #[track_caller]
    fn parse_form<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Error> {
        self.read_form(limit)?
            .parse()
            .map_err(|error| error.answered_with(StatusCode::UNPROCESSABLE_ENTITY))
    }

    /// A posted form of up to `limit` bytes, untyped: to be shown again with what was typed and
    /// [all its errors](crate::FormErrors).
    ///
    /// # Errors
    ///
    /// As [`parse_form`](Self::parse_form), except that every field fits.
    #[cfg(feature = "forms")]
    fn read_form(&mut self, limit: usize) -> Result<crate::Form, Error> {
        let form = self.borrow_mut().form(limit)?;
        Ok(form.pairs().collect())
    }

    /// A body of up to `limit` bytes of JSON.
    ///
    /// # Errors
    ///
    /// Another Content-Type than `application/json` or `application/*+json`: 415. More than `limit` bytes: 413. No
    /// JSON: 400. JSON that does not fit, with the path to what does not: 422. A body that is cut short: 400; that
    /// does not come in time: 408. The cause of a 400 or 422 is a [`JsonError`](crate::json::JsonError).
    #[cfg(feature = "json")]
    #[track_caller]
    fn read_json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Error> {
        crate::json::read(self.borrow_mut(), limit)
    }

    /// The parts of an upload (`multipart/form-data`, RFC 7578), to be read one after the other as they arrive.
    ///
    /// # Errors
    ///
    /// Another Content-Type: 415. No boundary: 400. The parts fail by themselves: 413 for what is larger than `limits`,
    /// 400 for what is malformed or cut short, 408 for what does not come in time.
    #[cfg(feature = "multipart")]
    #[track_caller]
    fn multipart(
        &mut self,
        limits: crate::UploadLimits,
    ) -> Result<crate::multipart::Multipart, Error> {
        crate::multipart::of(self.borrow_mut(), limits)
    }

    /// A whole upload: its fields as a [`Form`](crate::Form), its files in temporary files.
    ///
    /// # Errors
    ///
    /// As [`multipart`](Self::multipart) and its parts; or no temporary file can be written: 500.
    #[cfg(feature = "tempfile")]
    #[track_caller]
    fn upload(&mut self, limits: crate::UploadLimits) -> Result<crate::multipart::Upload, Error> {
        crate::multipart::Upload::of(self.borrow_mut(), limits)
    }

    /// The best for this client of the media types that are offered, by `Accept` (RFC 9110 section 12.5.1); of
    /// equals the first. `None` where it refuses all: a 406, or the first all the same.
    ///
    /// What answers differently has to say so: `.header("vary", "accept")`.
    #[cfg(feature = "negotiation")]
    fn accepts<'o>(&self, offered: &[&'o str]) -> Option<&'o str> {
        Accept::of(self.borrow().headers()).best(offered)
    }

    /// The best for this client of the languages that are offered (`en`, `pt-BR`), by `Accept-Language` (RFC 4647
    /// section 3.4); of equals the first. `None` where it wants none of them.
    #[cfg(feature = "negotiation")]
    fn accepts_language<'o>(&self, offered: &[&'o str]) -> Option<&'o str> {
        crate::negotiate::language(self.borrow().headers(), offered)
    }

    /// Sends the client elsewhere: 303 See Other where the request was a POST or another that changes something, 302
    /// Found after GET and HEAD (RFC 9110 section 15.4).
    ///
    /// `location` is the program's own, and best a relative reference (`./3`, `../`). One that came from the client,
    /// such as the `next` of a log-in form, goes to [`redirect_within`](Self::redirect_within).
    #[cfg(feature = "redirects")]
    fn redirect(&self, location: &str) -> Reply {
        crate::redirects::redirect(self.borrow(), location)
    }

    /// [`redirect`](Self::redirect) to where the client asks to go, if that is a path of this host, and to
    /// `otherwise` if it is not: no other site can make a link to this one that leads to a third.
    #[cfg(feature = "redirects")]
    fn redirect_within(&self, target: &str, otherwise: &str) -> Reply {
        let is_local = crate::redirects::is_local(target);
        self.redirect(if is_local { target } else { otherwise })
    }

    /// [`redirect`](Self::redirect) to a route by its name, by a relative reference: right below any mount, and
    /// behind a proxy that strips a prefix.
    ///
    /// # Errors
    ///
    /// No route has the name, or the arguments do not fit it; the view was not called by a router: 500.
    #[cfg(all(feature = "redirects", feature = "router"))]
    #[track_caller]
    fn redirect_to(
        &self,
        route: &str,
        args: impl router::reverse::IntoArgs,
    ) -> Result<Reply, Error> {
        let url = self.url_for(route, args)?;
        let environ = self.borrow();
        let here = format!("{}{}", environ.raw_script_name(), environ.raw_path_info());
        let reference = gateway_core::paths::relative_reference(&here, &url, None);
        Ok(self.redirect(reference.as_deref().unwrap_or(&url)))
    }

    /// The path of a route by its name, with the mounts of this request in front:
    /// [`UrlArgs::url_for`](router::UrlArgs::url_for).
    ///
    /// # Errors
    ///
    /// As [`redirect_to`](Self::redirect_to).
    #[cfg(feature = "router")]
    #[track_caller]
    fn url_for(&self, route: &str, args: impl router::reverse::IntoArgs) -> Result<String, Error> {
        Ok(crate::routes::of(self.borrow())?.url_for(route, args)?)
    }

    /// The arguments of the URL as a type of the caller's: [`UrlArgs::parse`](router::UrlArgs::parse). A view of two
    /// routes, one with an argument and one without, asks for an `Option`.
    ///
    /// # Errors
    ///
    /// An argument does not fit: 404. The type fits no URL of the route, or the view was not called by a router: 500.
    #[cfg(feature = "router")]
    #[track_caller]
    fn parse_url<T: DeserializeOwned>(&self) -> Result<T, Error> {
        crate::routes::of(self.borrow())?.parse()
    }

    /// The credentials of the scheme Basic (RFC 7617). `None` where there are none, two, or others.
    #[cfg(feature = "auth")]
    fn basic_auth(&self) -> Option<crate::auth::BasicAuth> {
        crate::auth::basic(self.borrow())
    }

    /// The token of the scheme Bearer (RFC 6750). `None` where there is none, two, or what is no token.
    #[cfg(feature = "auth")]
    fn bearer_token(&self) -> Option<&str> {
        crate::auth::bearer(self.borrow())
    }

    /// The value of the cookie `name`, decoded.
    #[cfg(feature = "cookies")]
    fn cookie(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        crate::cookies::first(self.borrow().headers(), name)
    }

    /// The names and values of all cookies, decoded, in the order sent.
    #[cfg(feature = "cookies")]
    fn cookies(
        &self,
    ) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
        crate::cookies::all(self.borrow().headers())
    }

    /// A cookie to [set](crate::ReplyExt::set_cookie), with [safe defaults](crate::cookies::SetCookie): for https alone where
    /// this request came over https.
    #[cfg(feature = "cookies")]
    fn new_cookie(
        &self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> crate::cookies::SetCookie {
        crate::cookies::SetCookie::new(
            name,
            value,
            *self.borrow().scheme() == http::uri::Scheme::HTTPS,
        )
    }

    /// The value of a cookie that was [signed](crate::ReplyExt::set_signed_cookie) with these keys. `None` where it is
    /// missing, changed, or of other keys.
    #[cfg(feature = "secure-cookies")]
    fn signed_cookie(&self, keys: &crate::CookieKeys, name: &str) -> Option<String> {
        let mut sent = crate::cookies::named(self.borrow().headers(), name);
        sent.find_map(|sealed| keys.verify(name, &sealed))
    }

    /// The value of a cookie that was [encrypted](crate::ReplyExt::set_encrypted_cookie) with these keys. `None` where
    /// it is missing, changed, or of other keys.
    #[cfg(feature = "secure-cookies")]
    fn encrypted_cookie(&self, keys: &crate::CookieKeys, name: &str) -> Option<String> {
        let mut sent = crate::cookies::named(self.borrow().headers(), name);
        sent.find_map(|sealed| keys.decrypt(name, &sealed))
            .map(|opened| opened.value)
    }

    /// The session of this client.
    ///
    /// # Errors
    ///
    /// There is no [`SessionLayer`](crate::SessionLayer) around this view: 500.
    #[cfg(feature = "session")]
    #[track_caller]
    fn session(&self) -> Result<crate::session::Session, Error> {
        crate::session::of(self.borrow())
    }

    /// [`Session::flash`](crate::session::Session::flash): a message for the next page of this client.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session); or the values of the session leave no room for the message.
    #[cfg(feature = "session")]
    #[track_caller]
    fn flash(&self, kind: impl Into<String>, text: impl Into<String>) -> Result<(), Error> {
        self.session()?.flash(kind, text)
    }

    /// What a [`StateLayer`](crate::StateLayer) around this view shares.
    ///
    /// # Errors
    ///
    /// No layer shares a `T`: 500.
    #[cfg(feature = "state")]
    #[track_caller]
    fn state<T: Send + Sync + 'static>(&self) -> Result<std::sync::Arc<T>, Error> {
        crate::state::of(self.borrow())
    }

    /// A page from a template of the [`Templates`](crate::Templates) around this view: `text/html; charset=utf-8`.
    ///
    /// # Errors
    ///
    /// There are no templates around this view, none of this name, or it does not fit its values: 500.
    #[cfg(feature = "minijinja")]
    #[track_caller]
    fn render(&self, template: &str, values: impl serde::Serialize) -> Result<Reply, Error> {
        crate::templates::render(self.borrow(), template, values)
    }

    /// The file at `path` of the file system, as `middleware-static` sends it: conditions and ranges, with validators
    /// and the Content-Type of its name. To a request that is neither GET nor HEAD it is sent whole.
    ///
    /// The path is the program's own: nothing contains it. For files that a client names there are
    /// [`StaticFiles`](middleware_static::StaticFiles).
    ///
    /// # Errors
    ///
    /// There is no such file: 404. It may not be read: 403.
    #[cfg(feature = "files")]
    fn reply_file(&self, path: impl AsRef<std::path::Path>) -> Result<Reply, Error> {
        crate::files::file(self.borrow(), path.as_ref())
    }

    /// Something to save: see [`Download`](crate::Download). To a request that is neither GET nor HEAD it is sent
    /// whole.
    ///
    /// # Errors
    ///
    /// It cannot be read: 500.
    #[cfg(feature = "files")]
    fn download(&self, download: crate::Download) -> Result<Reply, Error> {
        download.reply(self.borrow())
    }

    /// The page that `page` makes, if the client's preconditions want it: else 304 Not Modified, and `page` is not
    /// called.
    ///
    /// Both answers have the validators of `version`. Of a request that changes something the preconditions are judged
    /// before `page` is called, so `If-Match` prevents lost updates (RFC 9110 section 13.1.1).
    ///
    /// # Errors
    ///
    /// A precondition does not hold: 412. What `page` returns.
    #[cfg(feature = "conditional")]
    fn conditional(
        &mut self,
        version: crate::Version,
        page: impl FnOnce(&mut Environ) -> Result<Reply, Error>,
    ) -> Result<Reply, Error> {
        version.answer(self.borrow_mut(), page)
    }

    /// A finished page with an `ETag` by its content; 304 Not Modified where the client has it already.
    ///
    /// It costs the making of the page, and spares the client its transfer; there is nothing that could be forgotten.
    /// Where a page's version is known without making it, [`conditional`](Self::conditional) is better. Only what
    /// answers GET or HEAD with 200, has no `ETag` yet, and a length that is known and at most 4 MiB, becomes
    /// conditional: the rest is as it was. The tag is weak, so that a layer further out may compress the page.
    ///
    /// ```
    /// use gateway_core::testing::Client;
    /// use gateway_core::{Environ, Error, Reply, Response};
    /// use gateway_web::EnvironExt;
    ///
    /// fn clock(environ: &mut Environ) -> Result<Response, Error> {
    ///     environ.tagged(Reply::html("<p>It is today.</p>"))
    /// }
    ///
    /// let client = Client::new(clock);
    /// let etag = client.get("/").send().header("etag").unwrap().to_owned();
    /// client.get("/").header("if-none-match", &etag[..]).send().assert_status(304).assert_header("etag", &etag);
    /// ```
    ///
    /// # Errors
    ///
    /// The page is an error itself.
    #[cfg(feature = "conditional")]
    fn tagged(&self, page: impl gateway_core::IntoReply) -> Result<gateway_core::Response, Error> {
        crate::conditional::tagged(self.borrow(), page.into_reply()?)
    }
}

impl EnvironExt for Environ {}
