//! Who may see details of a program.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use gateway_core::developer::{Doubt, Facts, Owner, OwnerLookUp, Reason, judge};
use gateway_core::request::{Addr, Arrival, ConnInfo};
use http::request::{Builder, Parts};
use http::{Request, Version};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
    proxy_headers: Vec<ProxyHeaders>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Case {
    name: String,
    peer: String,
    trust_peer: bool,
    trust_users: Vec<u32>,
    version: String,
    target: String,
    headers: Vec<String>,
    runs_as: i64,
    owner: String,
    clients: String,
    withheld: Option<String>,
}

#[derive(Deserialize)]
struct ProxyHeaders {
    headers: Vec<String>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: "by default".into(),
            peer: "127.0.0.1:4242".into(),
            trust_peer: false,
            trust_users: Vec::new(),
            version: "1.1".into(),
            target: "/".into(),
            headers: vec!["Host: localhost:8080".into()],
            runs_as: 1000,
            owner: "1000".into(),
            clients: "unasked".into(),
            withheld: None,
        }
    }
}

impl Case {
    fn facts(&self) -> Facts {
        let facts = Facts::of(&self.request())
            .with_trusted_users(self.trust_users.as_slice().into())
            .with_owner(u32::try_from(self.runs_as).ok(), self.owner());
        let facts = match self.clients() {
            Some(clients) => facts.with_clients(u32::try_from(self.runs_as).ok(), clients),
            None => facts,
        };
        if self.trust_peer {
            facts.with_trusted_peer()
        } else {
            facts
        }
    }

    fn request(&self) -> Parts {
        let version = match &*self.version {
            "1.0" => Version::HTTP_10,
            "1.1" => Version::HTTP_11,
            "2" => Version::HTTP_2,
            "3" => Version::HTTP_3,
            other => panic!("version {other}"),
        };
        let ours: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let conn = match &*self.peer {
            "unknown" => ConnInfo::new(Addr::Unknown, ours),
            "unix" => ConnInfo::new(Addr::Unix(None), Addr::Unix(Some("/run/app.sock".into()))),
            "untold" => ConnInfo::new(Addr::Unknown, Addr::Unknown),
            "proxied" => ConnInfo::new(ours, ours).on_behalf_of(ours),
            peer => ConnInfo::new(peer.parse::<SocketAddr>().unwrap(), ours),
        };
        let mut request = Request::builder().uri(&self.target).version(version);
        if self.peer != "untold" {
            request = request.extension(Arrival::over(conn));
        }
        for header in &self.headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        parts(request)
    }

    fn clients(&self) -> Option<Result<(), Doubt>> {
        Some(match &*self.clients {
            "unasked" => return None,
            "ours" => Ok(()),
            "none" => Err(Doubt::NoConnection),
            "unlisted" => Err(Doubt::Unlisted),
            "unreadable" => Err(Doubt::Unreadable),
            "no listener" => Err(Doubt::NoListener),
            "unix listener" => Err(Doubt::UnixListener),
            "not found" => Err(Doubt::Unclear(Owner::NotFound)),
            "another user" => Err(Doubt::Owner {
                uid: 33,
                name: Some("www-data".into()),
                runs_as: 1000,
            }),
            listener => Err(Doubt::Listener(listener.parse().unwrap())),
        })
    }

    fn owner(&self) -> Owner {
        match &*self.owner {
            "unasked" => Owner::Unasked,
            "untold" => Owner::Untold,
            "not found" => Owner::NotFound,
            "closed" => Owner::Closed,
            "outside" => Owner::Outside,
            "several" => Owner::Several,
            "unreadable" => Owner::Unreadable,
            user => {
                let (uid, name) = user.split_once(" (").unwrap_or((user, ""));
                Owner::User {
                    uid: uid.parse().unwrap(),
                    name: name.strip_suffix(')').map(Into::into),
                }
            }
        }
    }
}

fn parts(request: Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

fn table() -> Table {
    toml::from_str(include_str!("cases/developer.toml")).unwrap()
}

#[test]
fn every_case_of_the_table_is_judged_as_it_says() {
    for case in table().case {
        if case.peer == "untold" && cfg!(not(target_os = "linux")) {
            continue;
        }
        let verdict = judge(&case.facts()).map_err(|reason| reason.to_string());
        match &case.withheld {
            None => assert_eq!(verdict, Ok(()), "{}", case.name),
            Some(part) => assert!(
                verdict.as_ref().is_err_and(|reason| reason.contains(part)),
                "{}: {verdict:?}",
                case.name
            ),
        }
    }
}

#[test]
fn the_sentence_about_another_user_stands_alone() {
    let facts = Case::default().facts();
    let owner = Owner::User {
        uid: 33,
        name: Some("www-data".into()),
    };
    assert_eq!(
        judge(&facts.with_owner(Some(1000), owner))
            .unwrap_err()
            .to_string(),
        "The other end of this connection belongs to user 33 (www-data), this program runs as 1000: a proxy or \
         another user's client. `.trust_users([33])` shows details to it."
    );
}

#[test]
fn every_header_of_a_proxy_withholds_details() {
    for header in table()
        .proxy_headers
        .into_iter()
        .flat_map(|row| row.headers)
    {
        let headers = vec!["Host: localhost".into(), format!("{header}: 127.0.0.1")];
        let case = Case {
            headers,
            ..Case::default()
        };
        let verdict = judge(&case.facts());
        assert!(
            matches!(verdict, Err(Reason::Header(_))),
            "{header}: {verdict:?}"
        );
    }
}

#[test]
fn a_request_that_nobody_looked_into_is_no_developers() {
    // Each fact that is missing withholds details, not only a fact that speaks against them.
    let request = Request::builder().header("host", "localhost");
    let verdict = judge(&Facts::of(&parts(request)));
    assert_eq!(verdict, Err(UNTOLD));
}

#[test]
fn a_peer_from_elsewhere_has_no_socket_unless_it_is_the_connections() {
    let (_sockets, parts) = on_this_machine();
    let facts = Facts::of(&parts);
    let same = facts.clone().with_peer(Some(IpAddr::from([127, 0, 0, 1])));
    assert_eq!(shown(same), shown(facts.clone()));
    let other = facts.clone().with_peer(Some(IpAddr::from([127, 0, 0, 2])));
    if cfg!(target_os = "linux") && shown(facts.clone()).is_ok() {
        assert_eq!(shown(other), Err(Reason::Unclear(Owner::NotFound)));
    }
    assert_eq!(shown(facts.with_peer(None)), Err(Reason::NoPeer));
}

/// A connection from this process to itself. On Linux it is the developer's own: unless a service runs these tests.
#[test]
fn who_runs_the_program_is_shown_details() {
    let (sockets, parts) = on_this_machine();
    let facts = Facts::of(&parts);
    assert_eq!(judge(&facts), Err(Reason::Unasked));
    let verdict = shown(facts.clone());
    assert!(
        matches!(verdict, Ok(()) | Err(Reason::Service(_))),
        "{verdict:?}"
    );
    drop(sockets);
    if cfg!(target_os = "linux") && verdict.is_ok() {
        assert!(matches!(shown(facts), Err(Reason::Unclear(_))));
    }
}

#[cfg(feature = "axum")]
#[test]
fn the_peer_comes_from_axum_where_the_program_says_so() {
    use gateway_core::axum::FromAxumLayer;
    use tower::{Layer, Service, service_fn};

    let ((client, _, _), mut parts) = on_this_machine();
    parts.extensions.clear();
    let peer = client.local_addr().unwrap();
    parts.extensions.insert(axum::extract::ConnectInfo(peer));
    assert_eq!(judge(&Facts::of(&parts)), Err(UNTOLD));
    let judged = service_fn(|request: Request<()>| {
        std::future::ready(Ok::<_, ()>(shown(Facts::of(&request.into_parts().0))))
    });
    let mut told = FromAxumLayer::new().layer(judged);
    let verdict = told.call(Request::from_parts(parts, ())).into_inner();
    assert!(
        matches!(verdict, Ok(Ok(()) | Err(Reason::Service(_)))),
        "{verdict:?}"
    );
}

/// Of a request that says nothing of its connection. Elsewhere than on Linux sockets are not looked at.
const UNTOLD: Reason = if cfg!(target_os = "linux") {
    Reason::Unasked
} else {
    Reason::NoPeer
};

/// More at once than wait for an answer, half of them given up: each of the others is told what a thread that blocks is
/// told, or that too many wait; and it is told the same when it asks again.
#[cfg(feature = "tokio")]
#[test]
fn look_ups_without_blocking_are_all_answered() {
    let (_sockets, parts) = on_this_machine();
    let facts = Facts::of(&parts);
    let blocked = shown(facts.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let mut asked: Vec<_> = (0..200)
            .map(|_| OwnerLookUp::start(facts.clone()))
            .collect();
        // The first of all is kept, and there is room for it.
        drop(asked.split_off(100));
        let mut verdicts = Vec::new();
        for mut look_up in asked {
            let verdict = (&mut look_up).await;
            assert!(
                verdict == blocked || verdict == Err(Reason::Unasked),
                "{verdict:?}"
            );
            assert_eq!(look_up.await, verdict);
            verdicts.push(verdict);
        }
        assert_eq!(verdicts[0], blocked);
    });
}

fn shown(facts: Facts) -> Result<(), Reason> {
    judge(&facts.look_up())
}

/// The client's end, ours and the listener; and a request over them.
type Sockets = (TcpStream, TcpStream, TcpListener);

fn on_this_machine() -> (Sockets, Parts) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, peer) = listener.accept().unwrap();
    let conn = ConnInfo::new(peer, ours.local_addr().unwrap());
    let request = Request::builder()
        .header("host", "localhost")
        .extension(conn);
    ((client, ours, listener), parts(request))
}
