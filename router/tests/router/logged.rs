//! What is logged while a program is written.
#![cfg(debug_assertions)]

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::{Echo, build, echo};

/// The messages of all events.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn of(run: impl FnOnce()) -> String {
        let log = Self::default();
        tracing::subscriber::with_default(log.clone(), run);
        let lines = log.0.lock().unwrap();
        lines.clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Line<'l>(&'l mut String);
        impl Visit for Line<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    writeln!(self.0, "{value:?}").unwrap();
                }
            }
        }
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn what_is_shadowed_or_open_is_logged_at_build_a_line_each() {
    let log = Log::of(|| {
        build(
            echo()
                .get("^[a-z]+$", Echo("a"))
                .get("^a$", Echo("b"))
                .get("^b$", Echo("c"))
                .post("^c", Echo("d")),
        );
    });
    assert_eq!(
        log,
        "`GET ^a$` never wins: `GET /a` goes to `GET ^[a-z]+$`\n\
         `GET ^b$` never wins: `GET /b` goes to `GET ^[a-z]+$`\n\
         `POST ^c` has no `$` and matches every longer path, too: `POST /c-x`\n"
    );
}

#[cfg(feature = "axum")]
#[test]
fn a_nest_that_no_layer_tells_of_is_logged_once() {
    use gateway_core::Body;
    use router::{BoxRouter, FromAxumLayer};
    use tower::ServiceExt;

    let log_of = |is_told: bool, path: &'static str| {
        Log::of(|| {
            let ours: BoxRouter<axum::body::Body> =
                BoxRouter::builder().get("^x$", Echo("x")).build().unwrap();
            let app = axum::Router::new().nest_service("/wiki", ours);
            let ask = async |app: axum::Router| {
                for _ in 0..2 {
                    let request = http::Request::get(path).body(Body::empty()).unwrap();
                    if is_told {
                        let app = tower::Layer::layer(&FromAxumLayer::new(), app.clone());
                        app.oneshot(request.map(axum::body::Body::new))
                            .await
                            .unwrap();
                    } else {
                        let request = request.map(axum::body::Body::new);
                        app.clone().oneshot(request).await.unwrap();
                    }
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(ask(app));
        })
    };
    for path in ["/wiki/x", "/wiki"] {
        let log = log_of(false, path);
        assert_eq!(
            log.matches("a nest of axum took `/wiki`").count(),
            1,
            "{log}"
        );
        assert_eq!(log_of(true, path), "");
    }
}
