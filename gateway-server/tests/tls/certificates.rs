//! Which certificate a client is shown, and how that changes while the server runs.

use std::sync::Arc;
use std::time::Duration;

use gateway_server::tls::Tls;
use gateway_server::tls::rustls::{HandshakeKind, ServerConfig};
use tokio::time::sleep;
use tokio_rustls::rustls::crypto::ring;

use crate::support::{Authority, Running, copy, get, shown};

#[tokio::test]
async fn the_name_that_a_client_asks_for_chooses_between_certificates() {
    let authority = Authority::new();
    let first = authority.signs("first", &["first.example"]);
    let exact = authority.signs("exact", &["www.example.org", "example.org"]);
    let wild = authority.signs("wild", &["*.example.org"]);
    let files = gateway_server::tls::PemFiles::new(first.0, first.1)
        .and(wild.0, wild.1)
        .and(exact.0, exact.1);
    let server = Running::start(Tls::files(files).unwrap());
    for (name, expected) in [
        ("www.example.org", "exact"),
        ("example.org", "exact"),
        ("other.example.org", "wild"),
        ("first.example", "first"),
    ] {
        let stream = server.shake_hands(name, authority.trusting()).await;
        assert_eq!(shown(&stream.unwrap()), expected, "{name}");
    }
    // Shown the first of all, which is not what it asked for.
    let refused = server
        .shake_hands("a.b.example.org", authority.trusting())
        .await;
    assert!(refused.unwrap_err().to_string().contains("first.example"));
}

/// What new connections are shown, as soon as it is something else than `before`.
async fn shown_next(server: &Running, authority: &Authority, before: &str) -> String {
    for _ in 0..200 {
        let stream = server.shake_hands("localhost", authority.trusting()).await;
        let shown = shown(&stream.unwrap());
        if shown != before {
            return shown;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("still {before}");
}

#[tokio::test]
async fn new_files_are_for_new_connections_and_open_ones_go_on() {
    let authority = Authority::new();
    let (first, second) = (
        authority.signs("first", &["localhost"]),
        authority.signs("second", &["localhost"]),
    );
    let served = authority.signs("served", &["localhost"]);
    copy(&first, &served);
    let server = Running::start(Tls::pem(&served.0, &served.1).unwrap());
    let mut open = server
        .shake_hands("localhost", authority.trusting())
        .await
        .unwrap();
    assert_eq!(shown(&open), "first");
    copy(&second, &served);
    assert_eq!(shown_next(&server, &authority, "first").await, "second");
    let answer = get(&mut open).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_broken_file_leaves_all_as_it_was_until_it_is_mended() {
    let authority = Authority::new();
    let first = authority.signs("first", &["localhost"]);
    let second = authority.signs("second", &["localhost"]);
    let served = authority.signs("served", &["localhost"]);
    copy(&first, &served);
    let tls = Tls::pem(&served.0, &served.1).unwrap();
    let reloader = tls.reloader();
    let server = Running::start(tls);
    for (broken, word) in [
        ("", "no certificate"),
        ("no PEM at all", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "served.pem"),
        // Of another key.
        (&*std::fs::read_to_string(&second.0).unwrap(), "served.key"),
    ] {
        std::fs::write(&served.0, broken).unwrap();
        let error = reloader.reload().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        let stream = server.shake_hands("localhost", authority.trusting()).await;
        assert_eq!(shown(&stream.unwrap()), "first");
    }
    std::fs::remove_file(&served.0).unwrap();
    let error = reloader.reload().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    copy(&second, &served);
    assert_eq!(shown_next(&server, &authority, "first").await, "second");
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_read_again_at_sighup() {
    let authority = Authority::new();
    let first = authority.signs("first", &["localhost"]);
    let second = authority.signs("second", &["localhost"]);
    let served = authority.signs("served", &["localhost"]);
    copy(&first, &served);
    let server = Running::start(Tls::pem(&served.0, &served.1).unwrap());
    // Served, so the signal is listened for.
    let stream = server.shake_hands("localhost", authority.trusting()).await;
    assert_eq!(shown(&stream.unwrap()), "first");
    copy(&second, &served);
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::HUP).unwrap();
    assert_eq!(shown_next(&server, &authority, "first").await, "second");
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said_at_the_start() {
    let authority = Authority::new();
    let (chain, key) = authority.signs("localhost", &["localhost"]);
    let other = authority.signs("other", &["localhost"]);
    let missing = authority.path("missing.pem");
    for (chain, key, word) in [
        (&missing, &key, "missing.pem"),
        (&chain, &missing, "missing.pem"),
        (&key, &key, "no certificate"),
        (&chain, &chain, "no private key"),
        (&chain, &other.1, "localhost.pem"),
    ] {
        let error = Tls::pem(chain, key).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_configuration_of_the_program_s_own_is_served_with_http_to_choose_and_can_be_replaced() {
    let authority = Authority::new();
    let own = |name: &str| {
        let (chain, key) = authority.signs(name, &["localhost"]);
        use tokio_rustls::rustls::pki_types::pem::PemObject;
        use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let chain = vec![CertificateDer::from_pem_file(chain).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key);
        config.as_mut().unwrap().alpn_protocols = vec![b"own".to_vec()];
        config.unwrap()
    };
    let tls = Tls::own(own("first"));
    let reloader = tls.reloader();
    assert_eq!(
        reloader.reload().unwrap_err().kind(),
        std::io::ErrorKind::Unsupported
    );
    let server = Running::start(tls);
    let choosing = |protocols: &[&str]| {
        let mut config = authority.trusting();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        config
    };
    for (offered, chosen) in [
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["own"], Some("own")),
        (&[], None),
    ] {
        let stream = server.shake_hands("localhost", choosing(offered)).await;
        let stream = stream.unwrap();
        assert_eq!(shown(&stream), "first");
        let agreed = stream.get_ref().1.alpn_protocol();
        assert_eq!(agreed, chosen.map(str::as_bytes), "{offered:?}");
    }
    reloader.replace(own("second"));
    let stream = server.shake_hands("localhost", authority.trusting()).await;
    assert_eq!(shown(&stream.unwrap()), "second");
}

#[tokio::test]
async fn sessions_are_resumed_and_not_behind_new_files() {
    let authority = Authority::new();
    let tls = Tls::files(authority.localhost()).unwrap();
    let reloader = tls.reloader();
    let server = Running::start(tls);
    let config = Arc::new(authority.trusting());
    let mut kinds = Vec::new();
    for round in 0..3 {
        if round == 2 {
            reloader.reload().unwrap();
        }
        let mut stream = server
            .resume("localhost", Arc::clone(&config))
            .await
            .unwrap();
        get(&mut stream).await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind());
    }
    let expected = [
        HandshakeKind::Full,
        HandshakeKind::Resumed,
        HandshakeKind::Full,
    ];
    assert_eq!(kinds, expected.map(Some));
}
