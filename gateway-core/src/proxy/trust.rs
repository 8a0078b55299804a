use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::request::{Addr, ConnInfo};

/// Which peers are believed: none, to begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    nets: Vec<IpNet>,
    sockets: Vec<PathBuf>,
}

impl Trust {
    pub(crate) fn net(&mut self, net: IpNet) {
        self.nets.push(net);
    }

    pub(crate) fn socket(&mut self, path: PathBuf) {
        self.sockets.push(path);
    }

    /// Whether the other end of `conn` is believed: its address is in a trusted net, or it came
    /// through a trusted Unix socket (ours, as clients of such sockets mostly have no name).
    pub(crate) fn has_peer(&self, conn: &ConnInfo) -> bool {
        match conn.peer() {
            Addr::Ip(_) => conn.peer().ip().is_some_and(|ip| self.has_ip(ip)),
            Addr::Unix(path) => [path.as_deref(), conn.local().path()]
                .into_iter()
                .flatten()
                .any(|path| self.sockets.iter().any(|trusted| trusted == path)),
            Addr::Unknown => false,
        }
    }

    /// IPv4-mapped IPv6 addresses count as the IPv4 addresses they are.
    pub(crate) fn has_ip(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.nets.iter().any(|net| net.contains(&ip))
    }
}
