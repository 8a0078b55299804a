use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::request::Addr;
use ipnet::IpNet;

/// How many connections each client may have open at a time, and has.
#[derive(Debug, Default)]
pub(crate) struct ConnectionBounds {
    pub(crate) most: Option<usize>,
    pub(crate) uncounted: Vec<IpNet>,
    // Only clients with a connection: never more than connections.
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// What becomes of a connection.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// For as long as this is held.
    Counted {
        _connection: ClientConnection,
    },
    Uncounted,
    Refused,
}

impl ConnectionBounds {
    pub(crate) fn admit(self: &Arc<Self>, peer: &Addr) -> Admitted {
        let Some(most) = self.most else {
            return Admitted::Uncounted;
        };
        let is_named = |ip| self.uncounted.iter().any(|net| net.contains(&ip));
        if peer.ip().is_some_and(is_named) {
            return Admitted::Uncounted;
        }
        let Some(client) = peer.owner() else {
            return Admitted::Uncounted;
        };
        let mut open = self.open();
        let count = open.entry(client).or_default();
        if *count >= most {
            return Admitted::Refused;
        }
        *count += 1;
        let bounds = Arc::clone(self);
        Admitted::Counted {
            _connection: ClientConnection { bounds, client },
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing panics while it is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that counts as its client's.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    bounds: Arc<ConnectionBounds>,
    client: IpAddr,
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let mut open = self.bounds.open();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_client_goes_with_its_last_connection() {
        let bounds = Arc::new(ConnectionBounds {
            most: Some(2),
            uncounted: vec!["10.0.0.0/8".parse().unwrap()],
            open: Mutex::default(),
        });
        let admit = |ip: &str| bounds.admit(&Addr::Ip((ip.parse::<IpAddr>().unwrap(), 1).into()));
        let (one, two) = (admit("192.0.2.1"), admit("192.0.2.1"));
        assert!(matches!(
            (&one, &two),
            (Admitted::Counted { .. }, Admitted::Counted { .. })
        ));
        assert!(matches!(admit("192.0.2.1"), Admitted::Refused));
        assert!(matches!(admit("192.0.2.2"), Admitted::Counted { .. }));
        assert!(matches!(admit("10.1.1.1"), Admitted::Uncounted));
        assert!(matches!(bounds.admit(&Addr::Unknown), Admitted::Uncounted));
        drop(one);
        assert!(matches!(admit("192.0.2.1"), Admitted::Counted { .. }));
        drop(two);
        assert!(bounds.open().is_empty());
    }
}
