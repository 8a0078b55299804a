use http::Request;

use crate::paths::script_name::below;
use crate::paths::{Prefix, RecordPathLayer};

impl Prefix {
    /// Moves this prefix from the path of `request` to its SCRIPT_NAME, if the path begins with it: what
    /// [`mount`](super::mount) does, for a mount of your own. Says whether it did; where not, nothing changed.
    ///
    /// ```
    /// use gateway_core::RequestExt;
    /// use gateway_core::paths::Prefix;
    ///
    /// let mut request = http::Request::get("/wiki/Page").body(()).unwrap();
    /// assert!(Prefix::new("/wiki").unwrap().strip_from(&mut request));
    /// assert_eq!((request.raw_script_name(), request.uri().path()), ("/wiki", "/Page"));
    /// ```
    pub fn strip_from<B>(&self, request: &mut Request<B>) -> bool {
        let path = request.uri().path();
        let rest = self.matched_in(path).and_then(|end| path.get(end..));
        let Some(rest) = rest else { return false };
        let uri = below(request.uri(), rest);
        RecordPathLayer::record(request);
        *request.uri_mut() = uri;
        true
    }
}
