use std::net::{IpAddr, Ipv4Addr};

use gateway_core::request::Addr;

/// Whom a bound is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    V4(Ipv4Addr),
    /// The upper 64 bits: a provider gives each customer such a net at the least, and the customer's machines any
    /// number of addresses in it.
    V6(u64),
}

impl Client {
    pub(super) fn of(addr: &Addr) -> Option<Self> {
        Some(match addr.ip()? {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ip: &str) -> Option<Client> {
        Client::of(&Addr::Ip((ip.parse::<IpAddr>().unwrap(), 1).into()))
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_net_of_64_bits() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", true),
            ("2001:db8:1:2::3", "2001:db8:1:3::3", false),
        ] {
            assert_eq!(client(one) == client(other), same, "{one} {other}");
        }
        assert_eq!(Client::of(&Addr::Unix(None)), None);
    }
}
