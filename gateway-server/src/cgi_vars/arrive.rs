//! Turns a head into the request that an application sees.

use std::sync::Arc;

use gateway_core::Body;
use gateway_core::paths::ScriptName;
use gateway_core::request::{Addr, Arrival, ConnInfo, GatewayFacts};
use http::Request;
use http::uri::Scheme;

use super::environ::Head;

impl Head {
    /// The request, with what the front end said about its client and the application's place.
    pub(crate) fn into_request(self, body: Body, facts: GatewayFacts) -> Request<Body> {
        let arrival = self.arrival(facts);
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers;
        request.extensions_mut().insert(arrival);
        request
    }

    fn arrival(&self, facts: GatewayFacts) -> Arrival {
        let end = |addr: Option<_>| addr.map_or(Addr::Unknown, Addr::Ip);
        let mut conn = ConnInfo::new(end(self.remote), end(self.local));
        if self.secure {
            conn = conn.with_scheme(Scheme::HTTPS);
        }
        let script_name = if self.split == 0 && !self.path_info().is_empty() {
            // Shares the URI's bytes.
            ScriptName::record(&self.uri)
        } else {
            // Made of two halves of a path that is sound; were it not, the path is its own record.
            ScriptName::join(self.script_name(), self.path_info())
                .unwrap_or_else(|_| ScriptName::record(&self.uri))
        };
        Arrival::over(conn)
            .with_script_name(script_name)
            .with_gateway(Arc::new(facts))
    }
}
