//! URLs as the present page needs them: relative to it, absolute, and with a query.

use gateway_core::paths::relative_reference;
use gateway_core::{Environ, RequestExt};
use http::Request;
use http::request::Parts;
#[cfg(feature = "query")]
use serde::Serialize;

use super::url_args::{RequestUrlArgs, UrlArgs};
use crate::error::UrlForError;
use crate::reverse::IntoArgs;

/// URLs of named routes, made from a request that came through a router: relative to its page, and
/// absolute.
///
/// ```
/// use gateway_core::{Environ, Error, Reply, testing::Client};
/// use router::service::RequestUrls;
/// use router::{IntoPattern, Router};
///
/// fn page(environ: &mut Environ) -> Result<Reply, Error> {
///     let relative = environ.relative_url_for("page", [("year", 2008)])?;
///     let absolute = environ.absolute_url_for("page", [("year", 2008)])?;
///     Ok(Reply::text(format!("{relative} {absolute}")))
/// }
///
/// let urls = Router::builder().get("^articles/(?<year>[0-9]+)/$".named("page"), page).build()?;
/// let client = Client::new(urls);
/// client.get("/articles/2007/").send().assert_text("../2008/ http://localhost/articles/2008/");
/// # Ok::<(), router::BuildError>(())
/// ```
pub trait RequestUrls {
    /// The URL as a reference relative to the page that the request asks for: it leads to the
    /// same place behind a proxy that strips a prefix, with nothing configured.
    ///
    /// # Errors
    ///
    /// As [`UrlArgs::url_for`]; and if the path of the request has a dot segment, so that no
    /// client asks for it.
    fn relative_url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError>;

    /// The URL with scheme and host in front, for redirects to other programs, feeds and mails.
    ///
    /// The host is the client's word, unless a `gateway_core::proxy` layer in front has checked it: a
    /// mail that is made from a request with a forged Host would have links to another site.
    ///
    /// # Errors
    ///
    /// As [`UrlArgs::url_for`].
    fn absolute_url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError>;
}

/// The URL with a query: pairs, a map, or a struct that serde serializes. Nothing is added where
/// the query is empty.
///
/// ```
/// use router::{IntoPattern, UrlMap, service::with_query};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Search { q: &'static str, page: Option<u32>, tag: Vec<&'static str> }
///
/// let urls = UrlMap::builder().route("^search$".named("search"), ()).build()?;
/// let search = Search { q: "a&b c", page: None, tag: vec!["x", "y"] };
/// let url = with_query(urls.url_for("search", ())?, &search)?;
/// assert_eq!(url, "search?q=a%26b+c&tag=x&tag=y");
/// assert_eq!(with_query("/search?q=1", &[("page", 2)])?, "/search?q=1&page=2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the query is not a list of names and values, such as a struct inside of a struct.
#[cfg(feature = "query")]
pub fn with_query(
    url: impl Into<String>,
    query: &(impl Serialize + ?Sized),
) -> Result<String, UrlForError> {
    let mut url = url.into();
    let query = serde_html_form::to_string(query).map_err(|error| UrlForError::Query {
        url: url.clone(),
        reason: error.to_string(),
    })?;
    if !query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&query);
    }
    Ok(url)
}

fn known<'a>(args: Option<&'a UrlArgs>, name: &str) -> Result<&'a UrlArgs, UrlForError> {
    args.ok_or_else(|| UrlForError::UnknownName { name: name.into() })
}

/// `page` is its path, as the client encoded it.
fn relative(
    args: Option<&UrlArgs>,
    page: &str,
    name: &str,
    own: impl IntoArgs,
) -> Result<String, UrlForError> {
    // What a proxy has stripped is in front of both.
    let url = known(args, name)?.inner_url_for(name, &own.into_args())?;
    let page = if page.is_empty() { "/" } else { page };
    relative_reference(page, &url, None).ok_or(UrlForError::Unsafe { url })
}

/// `mount` is an absolute URL of the same host.
fn absolute(
    args: Option<&UrlArgs>,
    mount: &str,
    name: &str,
    own: impl IntoArgs,
) -> Result<String, UrlForError> {
    let url = known(args, name)?.url_for(name, own)?;
    let host = mount.find("://").map_or(0, |scheme| scheme + 3);
    let path = mount.get(host..).and_then(|rest| rest.find('/'));
    let end = path.map_or(mount.len(), |path| host + path);
    let origin = mount.get(..end).unwrap_or_default();
    Ok(format!("{origin}{url}"))
}

macro_rules! request_urls {
    ($([$($generic:ident)?] $request:ty;)*) => {$(
        impl$(<$generic>)? RequestUrls for $request {
            fn relative_url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError> {
                let page = format!("{}{}", self.raw_script_name(), self.raw_path_info());
                relative(self.url_args(), &page, name, args)
            }

            fn absolute_url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError> {
                absolute(self.url_args(), &self.application_uri(), name, args)
            }
        }
    )*};
}

request_urls! {
    [B] Request<B>;
    [] Parts;
    [] Environ;
}
