//! Something that breaks when it is asked to.

use std::io::Write;

use gateway_core::{Body, Environ, Error, Reply};
use http::StatusCode;
use minijinja::context;

use crate::wiki::Wiki;

/// `/break` panics a few calls deep, as a mistake would. `?how=error` returns an error with a
/// cause, `?how=late` fails when half of the response is sent, and `?how=` lists them. In
/// development only.
///
/// # Errors
///
/// On purpose.
pub fn broken(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    if !wiki.surroundings().development {
        let text = "The wiki breaks for developers only: start it with --development.";
        return Err(Error::new(StatusCode::NOT_FOUND, text));
    }
    match environ.query("how").as_deref() {
        None | Some("panic") => Ok(Reply::text(forecast(&[]))),
        Some("error") => Ok(Reply::text(recipe("pancakes")?)),
        Some("late") => Ok(Reply::text(Body::from_writer(|out| -> Result<(), Error> {
            writeln!(out, "This is the first half of a response.")?;
            recipe("waffles")?;
            writeln!(out, "Nobody ever reads the second half.")?;
            Ok(())
        }))),
        Some("") => wiki.render(environ, "broken.html", context! {}),
        Some(_) => Err(Error::new(
            StatusCode::NOT_FOUND,
            "That is no way to break.",
        )),
    }
}

/// The mistake: it does not think of a week without a measurement.
fn forecast(temperatures: &[i32]) -> String {
    format!("Tomorrow: {} degrees\n", average(temperatures))
}

fn average(temperatures: &[i32]) -> i32 {
    let sum: i32 = temperatures.iter().sum();
    let days = i32::try_from(temperatures.len()).unwrap_or(i32::MAX);
    sum / days
}

fn recipe(dish: &str) -> Result<String, Error> {
    Ok(std::fs::read_to_string(format!(
        "/nonexistent/recipes/{dish}.md"
    ))?)
}
