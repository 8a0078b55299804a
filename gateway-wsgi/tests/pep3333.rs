//! PEP 3333, rule by rule: `cases/pep3333.toml`.

mod support;

use std::collections::BTreeMap;

use gateway_core::testing::Client;
use gateway_core::{Application, Body, Environ};
use gateway_wsgi::Wsgi;
use serde::Deserialize;
use support::app;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    app: String,
    #[serde(default = "root")]
    request: String,
    body: Option<String>,
    #[serde(default = "once")]
    repeat: usize,
    #[serde(default)]
    valid: bool,
    #[serde(default = "ok")]
    status: u16,
    text: Option<String>,
    error: Option<String>,
    cut: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    bytes_of_header: BTreeMap<String, Vec<u8>>,
    #[serde(default)]
    absent: Vec<String>,
}

fn root() -> String {
    "/".into()
}

fn once() -> usize {
    1
}

fn ok() -> u16 {
    200
}

fn cases() -> Vec<Case> {
    let cases: Cases = toml::from_str(include_str!("cases/pep3333.toml")).unwrap();
    cases.case
}

impl Case {
    fn environ(&self) -> Environ {
        let body = self.body.clone().unwrap_or_default();
        let mut environ = Environ::builder().uri(self.request.as_str());
        if self.body.is_some() {
            let length = body.len().to_string();
            environ = environ.method("POST").header("content-length", length);
        }
        environ.body(Body::from(body)).build()
    }

    fn check(&self, app: &Wsgi) {
        let rule = &self.rule;
        for _ in 1..self.repeat {
            let response = app.respond(&mut self.environ()).unwrap();
            response.into_body().into_bytes().unwrap();
        }
        let answer = app.respond(&mut self.environ());
        if let Some(expected) = &self.error {
            let error = answer.expect_err(rule);
            let text = format!("{error:?}");
            assert!(text.contains(expected), "{rule}: {text}");
            assert_eq!(error.status(), 500, "{rule}");
            return;
        }
        let response = answer
            .map_err(|error| format!("{rule}: {error:?}"))
            .unwrap();
        assert_eq!(response.status(), self.status, "{rule}");
        for (name, value) in &self.headers {
            assert_eq!(response.headers()[name], value.as_str(), "{rule}");
        }
        for (name, value) in &self.bytes_of_header {
            assert_eq!(response.headers()[name].as_bytes(), value, "{rule}");
        }
        for name in &self.absent {
            assert!(!response.headers().contains_key(name), "{rule}");
        }
        let body = response.into_body().into_bytes();
        match &self.cut {
            Some(expected) => {
                let text = body.expect_err(rule).to_string();
                assert!(text.contains(expected), "{rule}: {text}");
            }
            None => {
                let body = body.map_err(|error| format!("{rule}: {error}")).unwrap();
                if let Some(text) = &self.text {
                    assert_eq!(String::from_utf8_lossy(&body), *text, "{rule}");
                }
            }
        }
    }
}

#[test]
fn every_rule_of_pep_3333_holds() {
    for case in cases() {
        case.check(&app(&case.app));
    }
}

#[test]
fn what_keeps_the_rules_passes_wsgiref_validate() {
    for case in cases().into_iter().filter(|case| case.valid) {
        let validated = format!(
            "{}\nfrom wsgiref.validate import validator\napplication = validator(application)\n",
            case.app
        );
        // It wants a size to every read, and reads no more once it was closed.
        case.check(&app(&validated));
    }
}

#[test]
fn as_a_service_the_answers_are_the_same() {
    for case in cases()
        .into_iter()
        .filter(|case| case.error.is_none() && case.cut.is_none())
    {
        let client = Client::of_service(app(&case.app).into_service());
        for _ in 1..case.repeat {
            client.get(&case.request).send();
        }
        let request = match &case.body {
            Some(body) => client.post(&case.request).body(body.clone()),
            None => client.get(&case.request),
        };
        let response = request.send();
        response.assert_status(case.status);
        if let Some(text) = &case.text {
            response.assert_text(text);
        }
    }
}
