//! A site in Rust that every WSGI server can serve: `gunicorn rust_site`.

use std::io::{Read, Write};
use std::time::Duration;

use gateway_core::adapt::from_service;
use gateway_core::{Application, Body, Environ, Error, Reply, escape};
use http::StatusCode;
use pyo3::prelude::*;
use wsgi_callable::Callable;

fn site(environ: &mut Environ) -> Result<Reply, Error> {
    let path = environ.path_str()?.into_owned();
    Ok(match path.as_str() {
        "/" => {
            let subject = environ.query("subject").unwrap_or("World".into());
            Reply::html(format!("<h1>Hello {}</h1>\n", escape(&subject)))
        }
        "/echo" => {
            let mut body = Vec::new();
            environ.input().read_to_end(&mut body)?;
            Reply::new(body).header("content-type", "application/octet-stream")
        }
        "/stream" => Reply::text(Body::chunks((0..3).map(|n| format!("{n}\n")))),
        "/environ" => {
            let mut text = String::new();
            for (name, value) in environ.vars() {
                text.push_str(&format!("{name}={}\n", String::from_utf8_lossy(&value)));
            }
            Reply::text(text)
        }
        "/log" => {
            environ.errors().write_all(b"a line for the operator\n")?;
            Reply::text("logged\n")
        }
        "/empty" => Reply::status(StatusCode::NO_CONTENT),
        "/slow" => return slow(environ),
        "/teapot" => return Err(Error::new(StatusCode::IM_A_TEAPOT, "short and stout")),
        "/fail" => return Err(Error::msg("it failed")),
        "/panic" => panic!("it panicked"),
        "/cut" => Reply::text(Body::try_chunks([Ok("begun\n"), Err("cut short")])),
        _ => Reply::not_found(),
    })
}

/// A tower service, which needs a runtime.
fn slow(environ: &mut Environ) -> Result<Reply, Error> {
    let service = tower::service_fn(async |_: http::Request<Body>| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("slept\n")))
    });
    let response = from_service(service).respond(environ)?;
    let text = response
        .into_body()
        .into_bytes()
        .map_err(Error::from_boxed)?;
    Ok(Reply::text(text))
}

/// Python's module.
#[pymodule(gil_used = false)]
fn rust_site(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("application", Callable::new(site))
}
