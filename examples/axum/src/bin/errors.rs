//! Beside the steps: what an ordinary program adds so that none of its failures goes unseen.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gateway_core::FailedBy;
use middleware_exceptions::{ExceptionsLayer, in_request};

fn main() -> ExitCode {
    command_line::run("127.0.0.1:8080", serve)
}

#[tokio::main]
async fn serve(address: &str) -> std::io::Result<()> {
    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/prices/{id}", get(price))
        .layer(ExceptionsLayer::new().development());

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}

#[derive(Debug)]
enum AppError {
    NoNumber(std::num::ParseIntError),
    /// A task has panicked: the report shows where.
    Task(tokio::task::JoinError),
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let response = (StatusCode::INTERNAL_SERVER_ERROR, "Sorry.\n").into_response();
        // The one line: what failed stays with the response.
        FailedBy::new(self).attach(response)
    }
}

async fn order(Path(id): Path<String>) -> Result<String, AppError> {
    let id: u32 = id.parse().map_err(AppError::NoNumber)?;
    // The client does not wait for the letter. Should it fail, the log tells of which request it was.
    tokio::spawn(in_request(send_letter(id)));
    Ok(format!("order {id}\n"))
}

async fn send_letter(id: u32) {
    assert!(id < 1000, "there is no address for order {id}");
}

async fn price(Path(id): Path<String>) -> Result<String, AppError> {
    let look_up = move || format!("{} cents\n", id.parse::<u32>().unwrap() * 100);
    let price = tokio::task::spawn_blocking(look_up).await;
    price.map_err(AppError::Task)
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber(_) => "an order has a number",
            Self::Task(_) => "the price could not be looked up",
        })
    }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::NoNumber(error) => error,
            Self::Task(error) => error,
        })
    }
}
