//! The headers by which proxies and tunnels give themselves away.

use http::HeaderMap;

/// A client sends none of these unless it pretends to be a proxy.
const NAMES: [&str; 38] = [
    // RFC 7239, and what came before it.
    "forwarded",
    "forwarded-for",
    "x-forwarded",
    "x-forwarder-for",
    // RFC 9110 section 7.6.3, RFC 8586.
    "via",
    "x-via",
    "cdn-loop",
    // nginx, Apache and what people write into their configurations.
    "x-real-ip",
    "x-real-port",
    "x-client-ip",
    "x-client-port",
    "client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-originating-ip",
    "x-nginx-proxy",
    "x-scheme",
    "x-url-scheme",
    "x-rewrite-url",
    "front-end-https",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "x-proxyuser-ip",
    "x-varnish",
    // Content networks and hosts.
    "true-client-ip",
    "incap-client-ip",
    "ali-cdn-real-ip",
    "gcdn-client-ip",
    "do-connecting-ip",
    "rndr-id",
    "x-cloud-trace-context",
    "x-cdn",
    "x-amz-cf-id",
    "x-arr-log-id",
    "x-arr-ssl",
    "x-goog-iap-jwt-assertion",
    "x-github-forwarded",
];

/// Nor any that begins like this. As they are shown: with a star.
const BEGINNINGS: [&str; 24] = [
    "x-forwarded-*",
    "x-original-*",
    "x-envoy-*",
    "x-amzn-*",
    "x-proxy-*",
    "x-ssl-client-*",
    "x-haproxy-*",
    "x-traefik-*",
    "x-tunnel-*",
    "x-ngrok-*",
    "x-pomerium-*",
    "x-appengine-*",
    "x-azure-*",
    "x-akamai-*",
    "x-sucuri-*",
    "x-vercel-*",
    "x-nf-*",
    "x-railway-*",
    "cf-*",
    "cdn-*",
    "fastly-*",
    "fly-*",
    "cloudfront-*",
    "tailscale-*",
];

/// The name, or the beginning, of a header that a proxy adds.
pub(super) fn header(headers: &HeaderMap) -> Option<&'static str> {
    headers.keys().find_map(|name| {
        let name = name.as_str();
        let begins = |shown: &&str| {
            let beginning = shown.trim_end_matches('*');
            name.starts_with(beginning)
        };
        let named = NAMES.into_iter().find(|known| *known == name);
        named.or_else(|| BEGINNINGS.into_iter().find(begins))
    })
}
