use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::Outcome;
use crate::log::operator;

/// More than idle threads need to end.
const MOMENT: Duration = Duration::from_millis(500);

/// Runs a server on a runtime of its own, and returns when it has stopped: at the deadline at the latest,
/// whatever still runs then.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use gateway_core::{Environ, Reply};
/// use gateway_server::http::Server;
///
/// fn hello(_: &mut Environ) -> Reply {
///     Reply::text("Hello World!\n")
/// }
///
/// fn main() -> std::io::Result<ExitCode> {
///     gateway_server::block_on(async {
///         let server = Server::bind("127.0.0.1:8080")?;
///         println!("listening on http://{}", server.local_addr()?);
///         server.serve_app(hello).await
///     })
/// }
/// ```
///
/// `#[tokio::main]` does the same but for the end: it waits for every call that runs on a blocking thread, and
/// one that never ends keeps the process alive until it is killed. Here such a call has until the server's
/// [deadline](crate::http::Server::shutdown_deadline), as has one whose client is gone; then it is left where
/// it is, for the end of `main` to end. A second signal leaves everything at once.
///
/// The exit code is the [`Outcome`]'s, and 1 where a call was left. What was cut or left is told to
/// [`tracing`], and to standard error where the program has no subscriber.
///
/// # Errors
///
/// Those of `server`; or the runtime cannot be started.
///
/// # Panics
///
/// Inside a runtime.
pub fn block_on<E>(server: impl Future<Output = Result<Outcome, E>>) -> Result<ExitCode, E>
where
    E: From<io::Error>,
{
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(server);
    let Ok(stopped) = outcome else {
        // A call may be running in this case, too: a task of the program's own may have started it.
        runtime.shutdown_background();
        return outcome.map(|_| ExitCode::FAILURE);
    };
    // With nothing cut, only idle threads are left as a rule, which need a moment to end: also where the
    // deadline leaves none.
    let least = if stopped.is_clean() {
        MOMENT
    } else {
        Duration::ZERO
    };
    let (began, patience) = (Instant::now(), stopped.time_left().max(least));
    runtime.shutdown_timeout(patience);
    let code = stopped.code();
    if code == 0 && began.elapsed() >= patience {
        operator::warn("a call whose client is gone did not end before the deadline; it is cut");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::from(code))
}
