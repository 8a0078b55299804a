//! A brake on floods: 429 to clients that ask too often.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::{Environ, FailedBy, Response};
use http::{StatusCode, header};

/// A brake on floods: each client may do so much at once, and then as much as comes back with time.
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, IntoReply, Reply, Response};
/// use gateway_web::Brake;
/// use std::time::Duration;
///
/// // Three posts at once, and one each minute after that.
/// let brake = Brake::new(3, Duration::from_secs(60));
/// let post = move |environ: &mut Environ| -> Result<Response, Error> {
///     if let Some(refusal) = brake.refusal(environ) {
///         return Ok(refusal);
///     }
///     Reply::text("Posted.").into_reply()
/// };
/// let client = Client::new(gateway_core::application(post));
/// for _ in 0..3 {
///     client.post("/").send().assert_text("Posted.");
/// }
/// client.post("/").send().assert_status(429).assert_header("retry-after", "60");
/// ```
///
/// A client is an address: an IPv4 address, or the first 64 bits of an IPv6 address, which is what one customer has.
/// Where the gateway tells no address, all clients are one. **Behind a proxy** every address is the proxy's, unless a
/// `gateway_core::proxy::ProxyLayer` that trusts it is further out.
///
/// It counts in this process: several processes brake each on its own, and one that serves a single request (CGI)
/// never does. Clones count together. It remembers 65,536 clients; while so many are above their rate, all others
/// count as one.
#[derive(Clone)]
pub struct Brake {
    rate: Rate,
    clients: Arc<Mutex<Clients>>,
}

impl Brake {
    /// Lets a client do `at_once` things, and one more after each `interval`, which is a year at the most.
    #[must_use]
    pub fn new(at_once: u32, interval: Duration) -> Self {
        let clients = Clients {
            due: HashMap::new(),
            swept: None,
        };
        Self {
            rate: Rate {
                at_once,
                interval: interval.min(LONGEST),
            },
            clients: Arc::new(Mutex::new(clients)),
        }
    }

    /// Counts one thing that the client of this request does. `None`: it may. Else the answer: 429 with Retry-After, in
    /// seconds, and [bare](FailedBy::bare), so that a site's error pages show it. What is refused does not count.
    #[must_use]
    pub fn refusal(&self, environ: &Environ) -> Option<Response> {
        let client = environ.conn().and_then(|conn| conn.peer().owner());
        let wait = self.count(client, Instant::now()).err()?;
        let mut response = FailedBy::bare().attach(Response::default());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        // Rounded up: who comes a moment too early is refused again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
        Some(response)
    }

    fn count(&self, key: Key, now: Instant) -> Result<(), Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = clients.room_for(key, now, self.rate.interval);
        let due = self.rate.next(clients.due.get(&key).copied(), now)?;
        clients.due.insert(key, due);
        Ok(())
    }
}

/// The rate of each client.
#[derive(Clone, Copy, Debug)]
struct Rate {
    at_once: u32,
    interval: Duration,
}

impl Rate {
    /// When a client that does one thing more `now` will have all its room again, if it had it at `due`; or how long it
    /// has to wait. (The generic cell rate algorithm of ATM Forum's Traffic Management 4.0.)
    fn next(self, due: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
        let due = due.map_or(now, |due| due.max(now));
        let next = due + self.interval;
        let room = self.interval.saturating_mul(self.at_once);
        match (next - now).checked_sub(room) {
            None | Some(Duration::ZERO) => Ok(next),
            Some(wait) => Err(wait),
        }
    }
}

/// The most clients that are remembered.
const MOST: usize = 65_536;

struct Clients {
    /// When each will have all its room again. Once that is past it may as well be forgotten.
    due: HashMap<Key, Instant>,
    swept: Option<Instant>,
}

impl Clients {
    /// The key to count under.
    fn room_for(&mut self, key: Key, now: Instant, interval: Duration) -> Key {
        if self.due.len() < MOST || self.due.contains_key(&key) {
            return key;
        }
        // Not for each that comes: a flood from many addresses would have all of them looked at each time.
        if self.swept.is_none_or(|swept| now >= swept + interval) {
            self.swept = Some(now);
            self.due.retain(|_, due| *due > now);
        }
        if self.due.len() < MOST { key } else { OTHERS }
    }
}

/// Who is counted: an [owner](gateway_core::request::Addr::owner) of addresses, or all others.
type Key = Option<IpAddr>;

const OTHERS: Key = None;

/// The longest interval. A client's room is then back after fewer years than a clock can count.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl fmt::Debug for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brake")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use gateway_core::request::Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(ip: &str) -> Key {
        Addr::Ip(SocketAddr::new(ip.parse().unwrap(), 80)).owner()
    }

    fn ipv4(bits: u32) -> Key {
        Some(Ipv4Addr::from_bits(bits).into())
    }

    #[test]
    fn room_comes_back_with_time() {
        let brake = Brake::new(3, 2 * SECOND);
        let start = Instant::now();
        let at = |seconds: u32| brake.count(key("192.0.2.1"), start + SECOND * seconds);
        assert_eq!([at(0), at(0), at(1)], [Ok(()); 3]);
        assert_eq!(
            [at(1), at(1)],
            [Err(SECOND); 2],
            "what is refused does not count"
        );
        assert_eq!(at(2), Ok(()));
        assert_eq!(at(2), Err(2 * SECOND));
        assert_eq!([at(100), at(100), at(100)], [Ok(()); 3]);
        assert_eq!(at(100), Err(2 * SECOND));
    }

    #[test]
    fn each_client_has_its_own_room() {
        let brake = Brake::new(1, SECOND);
        let now = Instant::now();
        for ip in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
            assert!(brake.count(key(ip), now).is_ok(), "{ip}");
        }
        // One customer has all addresses of a network.
        assert!(brake.count(key("2001:db8::2"), now).is_err());
    }

    #[test]
    fn however_many_come_few_are_remembered() {
        let brake = Brake::new(1, SECOND);
        let now = Instant::now();
        let most = u32::try_from(MOST).unwrap();
        let refused = |from: u32, now: Instant| {
            let keys = (from..from + 10).map(ipv4);
            keys.filter(|key| brake.count(*key, now).is_err()).count()
        };
        for ip in 0..most {
            assert!(brake.count(ipv4(ip), now).is_ok());
        }
        assert_eq!(refused(most, now), 9, "all others are one");
        assert_eq!(refused(0, now), 10, "those that are known stay known");
        assert_eq!(refused(most, now + SECOND), 0);
        assert!(brake.clients.lock().unwrap().due.len() < 100);
    }

    #[test]
    fn no_interval_is_too_long_for_the_clock() {
        let brake = Brake::new(u32::MAX, Duration::MAX);
        let now = Instant::now();
        assert!((0..100).all(|_| brake.count(OTHERS, now).is_ok()));
        let brake = Brake::new(1, Duration::MAX);
        assert_eq!(brake.count(OTHERS, now), Ok(()));
        assert_eq!(brake.count(OTHERS, now), Err(LONGEST));
    }

    #[test]
    fn a_brake_that_lets_nothing_through_says_so() {
        let brake = Brake::new(0, SECOND);
        assert_eq!(brake.count(OTHERS, Instant::now()), Err(SECOND));
    }
}
