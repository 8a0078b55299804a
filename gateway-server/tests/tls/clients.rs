//! Certificates of clients.

use gateway_server::tls::{ClientCertificates, Tls};

use crate::support::{Authority, Running};

struct Case {
    demand: fn(std::path::PathBuf) -> ClientCertificates,
    none: Option<&'static str>,
    own: Option<&'static str>,
    foreign: Option<&'static str>,
}

#[tokio::test]
async fn who_may_connect_and_what_is_told_of_whom() {
    let authority = Authority::new();
    let foreign = Authority::new();
    let cases = [
        Case {
            demand: ClientCertificates::required,
            none: None,
            own: Some("SUCCESS ann"),
            foreign: None,
        },
        Case {
            demand: ClientCertificates::optional,
            none: Some("nothing"),
            own: Some("SUCCESS ann"),
            foreign: None,
        },
        Case {
            demand: ClientCertificates::unverified,
            none: Some("nothing"),
            own: Some("SUCCESS ann"),
            foreign: Some("FAILED"),
        },
    ];
    for case in cases {
        let demand = (case.demand)(authority.path("root.pem"));
        let files = authority.localhost().client_certificates(demand.clone());
        let tls = Tls::files(files).unwrap().remote_user(|certificate| {
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).ok()?;
            let name = parsed.subject().iter_common_name().next()?;
            Some(name.as_str().ok()?.to_owned())
        });
        let server = Running::start(tls);
        for (config, expected) in [
            (authority.trusting(), case.none),
            (authority.trusting_as(&authority, "ann"), case.own),
            (authority.trusting_as(&foreign, "eve"), case.foreign),
        ] {
            let config = std::sync::Arc::new(config);
            // Twice: a session that is resumed tells the same.
            for round in 0..2 {
                let stream = server
                    .resume("localhost", std::sync::Arc::clone(&config))
                    .await;
                let answer = match stream {
                    Ok(mut stream) => crate::support::get(&mut stream).await.ok(),
                    Err(_) => None,
                };
                let told = answer.map(|answer| told(&answer));
                assert_eq!(told.as_deref(), expected, "{demand:?}, round {round}");
            }
        }
    }
}

/// Verdict and user; there is a certificate where there is a verdict.
fn told(answer: &str) -> String {
    let value = |name: &str| {
        let mut lines = answer.lines();
        lines.find_map(|line| Some(line.split_once('=').filter(|it| it.0 == name)?.1))
    };
    let Some(verdict) = value("SSL_CLIENT_VERIFY") else {
        assert_eq!(value("SSL_CLIENT_CERT"), None);
        return "nothing".to_owned();
    };
    let (_, pem) = answer.split_once("SSL_CLIENT_CERT=").unwrap();
    let (label, der) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .map(|(_, pem)| (pem.label, pem.contents))
        .unwrap();
    assert_eq!(label, "CERTIFICATE");
    assert_eq!(value("DER").unwrap(), der.len().to_string());
    [Some(verdict), value("REMOTE_USER")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_file_without_an_authority_is_refused_at_the_start() {
    let authority = Authority::new();
    std::fs::write(authority.path("empty.pem"), "").unwrap();
    let demand = ClientCertificates::required(authority.path("empty.pem"));
    let files = authority.localhost().client_certificates(demand);
    let error = Tls::files(files).unwrap_err().to_string();
    assert!(error.contains("empty.pem"), "{error}");
}
