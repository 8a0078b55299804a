use std::net::{IpAddr, SocketAddr};

/// An address as proxies write it: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`
/// or `[2001:db8::1]:4711`. Without a port the port is 0.
pub(crate) fn parse(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip.to_canonical(), 0));
    }
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()));
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    let ip: std::net::Ipv6Addr = bare.parse().ok()?;
    Some(SocketAddr::new(IpAddr::V6(ip).to_canonical(), 0))
}
