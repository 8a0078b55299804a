//! What a report asks an error: its `Display` and its `Debug`, each once, and on no async worker.

mod support;

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex},
    thread,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use gateway_core::{BoxError, FailedBy};
use http::{Request, StatusCode, header};
use support::{Log, layer, take};
use tower::{Layer as _, ServiceExt as _, service_fn};

/// What was asked, on which thread.
type Asked = Arc<Mutex<Vec<(&'static str, String)>>>;

struct Watched(Asked, Option<Box<Self>>);

impl Watched {
    fn note(&self, what: &'static str) {
        let thread = thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((what, thread));
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note("Display");
        f.write_str("it is watched")
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note("Debug");
        f.write_str("Watched")
    }
}

impl Error for Watched {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|source| &**source as _)
    }
}

impl IntoResponse for Watched {
    fn into_response(self) -> Response {
        FailedBy::new(self).attach(StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

fn panicking(error: BoxError) -> Result<Response, BoxError> {
    std::panic::panic_any(error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_asked_once_and_on_no_async_worker() {
    for how in ["boxed", "its type", "in a response", "a payload"] {
        for shown in [false, true] {
            let log = Log::new();
            let (head, source) = (Asked::default(), Asked::default());
            let error = Watched(
                Arc::clone(&head),
                Some(Box::new(Watched(Arc::clone(&source), None))),
            );
            let layer = if shown {
                layer().show_details_if(|_| true)
            } else {
                layer()
            };
            let error = Mutex::new(Some(error));
            let taken = move || error.lock().unwrap().take().unwrap();
            let request = Request::get("/").header(header::ACCEPT, "text/html");
            let request = request.body(Body::empty()).unwrap();
            let answered = match how {
                "boxed" => {
                    let service = service_fn(move |_| {
                        let failed: Result<Response, BoxError> = Err(taken().into());
                        async { failed }
                    });
                    take(layer.layer(service).oneshot(request).await.unwrap()).await
                }
                "its type" => {
                    let service = service_fn(move |_| {
                        let failed: Result<Response, _> = Err(taken());
                        async { failed }
                    });
                    take(layer.layer(service).oneshot(request).await.unwrap()).await
                }
                "a payload" => {
                    let service = service_fn(move |_| {
                        let error = BoxError::from(taken());
                        async { panicking(error) }
                    });
                    take(layer.layer(service).oneshot(request).await.unwrap()).await
                }
                _ => {
                    let taken = Arc::new(taken);
                    let handler = move || {
                        let error = taken();
                        async { Err::<String, _>(error) }
                    };
                    let app = Router::new().fallback(handler).layer(layer);
                    take(app.oneshot(request).await.unwrap()).await
                }
            };
            assert_eq!(answered.status, 500, "{how}");
            let record = log.only().await;
            assert!(record.contains("it is watched"), "{how}: {record}");
            for asked in [head, source] {
                let asked = std::mem::take(&mut *asked.lock().unwrap());
                assert!(
                    asked.iter().all(|(_, thread)| thread == "exceptions"),
                    "{how}: {asked:?}"
                );
                for what in ["Display", "Debug"] {
                    let times = asked.iter().filter(|(asked, _)| *asked == what).count();
                    assert!(times <= 1, "{how}: {asked:?}");
                }
                assert_eq!(asked[0].0, "Display", "{how}: {asked:?}");
            }
        }
    }
}
