//! Hand-written requests against the RFC's answers.

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use common::{Client, Running, statuses};
use futures_util::TryStreamExt;
use gateway_core::Body;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use tower::service_fn;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    source: String,
    raw: String,
    answers: Vec<u16>,
    seen: Vec<String>,
    #[serde(default)]
    stays: bool,
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn answer(request: Request<Body>, seen: Seen) -> Result<Response<String>, Infallible> {
    let target = request.uri().to_string();
    seen.lock().unwrap().push(target.clone());
    let mut response = Response::new("seen".to_string());
    if target == "/read" {
        let pieces = http_body_util::BodyDataStream::new(request.into_body());
        if pieces.try_for_each(|_| async { Ok(()) }).await.is_err() {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
    }
    Ok(response)
}

#[tokio::test]
async fn every_request_is_answered_as_the_rfc_says() {
    let text = include_str!("cases/requests.toml");
    let cases: Cases = toml::from_str(text).expect("a table of cases");
    let mut wrong = Vec::new();
    for case in cases.case {
        let seen = Seen::default();
        let server = Running::start(service_fn({
            let seen = seen.clone();
            move |request| answer(request, seen.clone())
        }));
        // In one piece, then byte by byte: what is read at a time must not matter.
        for dripped in [false, true] {
            seen.lock().unwrap().clear();
            let mut client = server.client().await;
            let stays = converse(&mut client, &case, dripped).await;
            let mut targets = seen.lock().unwrap().clone();
            targets.retain(|target| target != "/last");
            let found = (statuses(&stays.0), targets, stays.1);
            if found != (case.answers.clone(), case.seen.clone(), case.stays) {
                wrong.push(format!(
                    "{} ({}), dripped: {dripped}\n  wanted {:?} {:?} stays: {}\n  found {found:?}",
                    case.name, case.source, case.answers, case.seen, case.stays
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What came back, and whether the connection took a further request.
async fn converse(client: &mut Client, case: &Case, dripped: bool) -> (String, bool) {
    use tokio::io::AsyncWriteExt;
    let step = if dripped { 1 } else { case.raw.len() };
    for piece in case.raw.as_bytes().chunks(step) {
        // The server may have closed already.
        if client.stream.write_all(piece).await.is_err() {
            break;
        }
        if dripped {
            tokio::task::yield_now().await;
        }
    }
    if !case.stays {
        return (client.rest().await, false);
    }
    let mut received = String::new();
    for _ in &case.answers {
        received += &client.response().await.head;
    }
    client
        .send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let last = client.rest().await;
    let stays = statuses(&last) == [200] && last.ends_with("seen");
    (received, stays)
}
