//! Serves the Python applications that people have (Flask, Django, Bottle: PEP 3333) as applications of
//! `gateway-core`, so that they stand in any stack of it: under a router, beside static files, over HTTP,
//! FastCGI, SCGI and CGI.
//!
//! ```
//! use gateway_core::testing::Client;
//! use gateway_core::mount;
//! use gateway_wsgi::Wsgi;
//!
//! let demo = Wsgi::import("wsgiref.simple_server:demo_app").load()?;
//! let site = mount("/old", demo.into_service())?;
//!
//! let page = Client::of_service(site).get("/old/page?a=1").send();
//! page.assert_status(200).assert_contains("SCRIPT_NAME = '/old'");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Of an application of your own: `Wsgi::import("mysite.wsgi:application").venv("venv").python_path(".")`.
//!
//! # What PEP 3333 asks, and what is done
//!
//! | there | here |
//! |---|---|
//! | `environ` | a dict of its own for each request, native strings as Latin-1; the variables of `gateway_core`'s CGI view |
//! | SCRIPT_NAME, PATH_INFO | of the present mount: `url_for` and `reverse` are right below any prefix |
//! | `wsgi.input` | `read`, `readline`, `readlines`, iteration, to the end of the body; `wsgi.input_terminated` says that it ends |
//! | a body that is cut short, stalls, or is too long | `OSError`; if the application lets it through: 400, 408, 413 |
//! | `Expect: 100-continue` | answered at the first read |
//! | `wsgi.errors` | the gateway's errors stream: FastCGI's, or standard error |
//! | `wsgi.file_wrapper` | a real file is read without Python, from where it stands, with its length |
//! | `start_response` | when the application likes, twice with `exc_info`, before the first piece at the latest; else an `AssertionError`, as wsgiref has them |
//! | a bad status, name or value of a field | an exception at the call: nothing is split, nothing is sent |
//! | `write()` | waits for a slow client outside of Python's lock |
//! | the iterable | any; each piece is sent when it is there; a list or a tuple is sent whole |
//! | `close()` | exactly once, on every path |
//! | an exception | an error of `gateway_core`: a [`Foreign`](gateway_core::error::Foreign) with Python's frames, for `middleware-exceptions` |
//! | `SystemExit`, `KeyboardInterrupt`, `GeneratorExit` | exceptions like any other: a request ends, and no server |
//!
//! # Threads
//!
//! All Python of an application runs on **one thread** as long as that gets on: what makes Python slow beside
//! threads is its lock going from one to the next. The network is served by others, so a slow client never has
//! the lock. Another thread is admitted when the first waits outside the lock, for a database or in a `sleep`:
//! after a millisecond or two at first, and at once where calls often wait. A call that computes for longer than
//! 50 ms shares the lock with others from then on, as Python's threads do.
//!
//! | client | costs |
//! |---|---|
//! | sends a body of up to 64 KiB slowly | its memory |
//! | sends one that is announced to be up to 256 KiB | the same, while all such have no more than 8 MiB |
//! | sends a larger one slowly | one of a quarter of the [`threads`](Import::threads), outside the lock |
//! | takes an iterable slowly | up to 128 KiB and one piece |
//! | takes what `write()` sends slowly | that, and one of those threads |
//! | moves less than 500 bytes a second, or not at all for 30 seconds (10 while others wait) | an `OSError` |
//!
//! The threads live as long as the application, so what it keeps by thread (Django's connections) is there for
//! the next request. [`Workers`] makes use of more processors: the same executable, several times.
//!
//! # Python
//!
//! The interpreter is the one that `PYO3_PYTHON` named when the program was built, and the machine needs its
//! headers then (`apt install python3-dev`). There is one for the process; it is started by the first
//! [`Import::load`] and ended with the process. [`finish`] runs what Python programs leave to their end. Signals
//! stay the server's. A free-threaded interpreter runs as many threads at a time as there are processors.
//!
//! # What it does not do
//!
//! - ASGI. Asynchronous Python has servers of its own; mount those behind a proxy.
//! - Sub-interpreters: several applications of one process share their modules.
//! - Trailers, upgrades, HTTP/2 push: PEP 3333 has no word for them. Leave such routes to Rust.

mod ahead;
mod call;
mod crew;
mod environ;
mod error;
mod errors;
mod exception;
mod file_body;
mod file_wrapper;
mod host;
mod input;
mod iterable;
mod patience;
mod python;
mod service;
mod start_response;
mod stream;
mod workers;
mod wsgi;

pub use error::ImportError;
pub use python::finish;
pub use service::{WsgiFuture, WsgiService};
pub use workers::{Role, Workers};
pub use wsgi::{Import, Wsgi};
