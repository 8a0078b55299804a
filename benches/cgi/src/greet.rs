use gateway_core::{Environ, Reply};

/// What the CGI programs answer.
pub fn greet(environ: &mut Environ) -> Reply {
    let query = environ.var("QUERY_STRING").unwrap_or_default();
    Reply::text(format!("Hello {}!\n", String::from_utf8_lossy(&query)))
}
