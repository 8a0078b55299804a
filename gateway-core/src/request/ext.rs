use http::Request;
use http::request::Parts;

use super::view::View;

/// The accessors that [`RequestExt`] and `Environ` share, written and documented once: as provided
/// methods of the trait, or as inherent methods (with `pub`).
macro_rules! accessors {
    ($($visibility:tt)?) => {
        /// The connection the request came over, if the server said.
        $($visibility)? fn conn(&self) -> Option<&$crate::request::ConnInfo> {
            self.view().conn()
        }

        /// `http` or `https`: of the connection (or of the trusted proxy's word for it), never of
        /// a header.
        $($visibility)? fn scheme(&self) -> &http::uri::Scheme {
            self.view().scheme()
        }

        /// SCRIPT_NAME, decoded: the path of the present mount. Empty at the root.
        ///
        /// For links use [`raw_script_name`](Self::raw_script_name), which is still encoded.
        $($visibility)? fn script_name(&self) -> std::borrow::Cow<'_, [u8]> {
            self.view().script_name()
        }

        /// PATH_INFO, decoded to the bytes that were meant: the path below the present mount.
        ///
        /// Empty or beginning with `/`. A `%` that two hexadecimal digits do not follow stands
        /// for itself. Empty for `OPTIONS *`.
        $($visibility)? fn path_info(&self) -> std::borrow::Cow<'_, [u8]> {
            self.view().path_info()
        }

        /// PATH_INFO as text.
        ///
        /// # Errors
        ///
        /// The decoded path is not UTF-8; the error is answered with 400.
        $($visibility)? fn path_str(&self) -> Result<std::borrow::Cow<'_, str>, $crate::Error> {
            self.view().path_str()
        }

        /// SCRIPT_NAME as the client encoded it.
        $($visibility)? fn raw_script_name(&self) -> &str {
            self.view().raw_script_name()
        }

        /// PATH_INFO as the client encoded it.
        $($visibility)? fn raw_path_info(&self) -> &str {
            self.view().raw_path_info()
        }

        /// The query as the client encoded it, without the `?`. Empty if there is none.
        $($visibility)? fn query_string(&self) -> &str {
            self.view().query_string()
        }

        /// The decoded `name=value` pairs of the query, in the order sent.
        $($visibility)? fn query_pairs(&self) -> $crate::request::Pairs<'_> {
            self.view().query_pairs()
        }

        /// The first value of `name` in the query, decoded.
        $($visibility)? fn query(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
            self.view().query(name)
        }

        /// The first header field `name` that is visible ASCII. All of them: `headers()`.
        $($visibility)? fn header(&self, name: &str) -> Option<&str> {
            self.view().header(name)
        }

        /// The whole URL the client asked for, query included (wsgiref's `request_uri`).
        ///
        /// Host and port are the client's word (RFC 9110 section 7.1): fit for links back to that
        /// client, not for mails or caches.
        $($visibility)? fn request_uri(&self) -> String {
            self.view().request_uri()
        }

        /// The URL of the present mount (wsgiref's `application_uri`).
        $($visibility)? fn application_uri(&self) -> String {
            self.view().application_uri()
        }

        /// The CGI variable `name` (RFC 3875 section 4.1, PEP 3333), computed on demand.
        ///
        /// Never from the process environment. `None` where the request has no such thing; see
        /// [the table](crate#the-cgi-view).
        $($visibility)? fn var(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
            self.view().var(name)
        }

        /// Every CGI variable of the request, each name once.
        $($visibility)? fn vars(&self) -> $crate::request::Vars<'_> {
            self.view().vars()
        }
    };
}
pub(crate) use accessors;

/// The contract's view of a request, for asynchronous code: implemented for
/// [`http::request::Parts`] and [`http::Request`].
///
/// ```
/// use gateway_core::RequestExt;
///
/// let request = http::Request::get("/hello?subject=John%20D").body(()).unwrap();
/// assert_eq!(request.query("subject").unwrap(), "John D");
/// assert_eq!(request.var("PATH_INFO").unwrap(), &b"/hello"[..]);
/// ```
#[expect(private_bounds, reason = "sealed: what a request is, is settled here")]
pub trait RequestExt: Viewed {
    accessors!();
}

impl RequestExt for Parts {}
impl<B> RequestExt for Request<B> {}

trait Viewed {
    fn view(&self) -> View<'_>;
}

impl Viewed for Parts {
    fn view(&self) -> View<'_> {
        View::of_parts(self)
    }
}

impl<B> Viewed for Request<B> {
    fn view(&self) -> View<'_> {
        View::of_request(self)
    }
}
