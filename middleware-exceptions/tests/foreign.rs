//! Exceptions of another language, with its frames.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use gateway_core::error::{Foreign, ForeignFrame};
use gateway_core::{BoxError, Error};
use http::{Request, StatusCode};
use middleware_exceptions::ExceptionsLayer;
use tower::{Layer, ServiceExt};

fn raised() -> Foreign {
    let lines = [
        "def show_order(id):",
        "    order = find(id)",
        "    raise ValueError(password)",
    ];
    let lines: Vec<String> = lines.map(str::to_owned).into();
    Foreign::new("Python", "ValueError", "no such order, password=hunter2")
        .with_frame(
            ForeignFrame::new("/usr/lib/flask/app.py", 880, "dispatch").with_library("flask"),
        )
        .with_frame(
            ForeignFrame::new("/srv/shop/views.py", 12, "show_order").with_source(10, lines),
        )
        .with_cause(
            Foreign::new("Python", "KeyError", "'id'")
                .with_cause(Foreign::new("Python", "OSError", "")),
        )
}

async fn report(error: impl Fn() -> BoxError + Clone + Send + 'static) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let observed = Arc::clone(&seen);
    let service = tower::service_fn(move |_: Request<()>| {
        let error = error();
        async move { Err::<http::Response<gateway_core::Body>, _>(error) }
    });
    let layer = ExceptionsLayer::new().on_report(move |report| {
        *observed.lock().unwrap() = report.to_text();
    });
    let answer: Result<_, Infallible> = layer.layer(service).oneshot(Request::new(())).await;
    assert_eq!(answer.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn its_frames_are_the_traceback_and_its_causes_the_chain() {
    let text = report(|| Error::from_boxed(raised().into()).into()).await;
    let expected = "\
OSError: 

The above error was the direct cause of the following error:

KeyError: 'id'

The above error was the direct cause of the following error:

Traceback (most recent call last):
  ... 1 frame hidden (flask)
  File \"/srv/shop/views.py\", line 12, in show_order
    raise ValueError(password)
ValueError: no such order, password=[redacted]\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains("Note:"), "{text}");
}

#[tokio::test]
async fn an_error_of_rust_in_front_of_it_keeps_its_own_name() {
    #[derive(Debug)]
    struct Proxied(Foreign);
    impl std::fmt::Display for Proxied {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the old site failed")
        }
    }
    impl std::error::Error for Proxied {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let text = report(|| Box::new(Proxied(raised()))).await;
    assert!(
        text.contains("\nerror (Proxied): the old site failed"),
        "{text}"
    );
    assert!(text.contains("in show_order"), "{text}");
    assert!(text.contains("ValueError: no such order"), "{text}");
}
