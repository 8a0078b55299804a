use std::fmt;
use std::sync::Arc;

use crate::{Environ, Error, IntoReply, Response};

/// A blocking application: called on a thread that may block, once per request.
///
/// Functions and closures `fn(&mut Environ) -> impl IntoReply` are applications:
///
/// ```
/// use gateway_core::{Application, Environ, Reply};
///
/// fn hello(_: &mut Environ) -> Reply {
///     Reply::text("hello\n")
/// }
///
/// let response = hello.respond(&mut Environ::builder().build()).unwrap();
/// assert_eq!(response.status(), 200);
/// ```
///
/// A middleware is an application that has one. This one measures:
///
/// ```
/// use gateway_core::{Application, Environ, Error, Response};
/// use std::time::Instant;
///
/// struct Timed<A>(A);
///
/// impl<A: Application> Application for Timed<A> {
///     fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
///         let start = Instant::now();
///         let mut response = self.0.respond(environ)?;
///         let took = format!("app;dur={}", start.elapsed().as_millis());
///         response.headers_mut().insert("server-timing", took.try_into()?);
///         Ok(response)
///     }
/// }
/// ```
///
/// The method is not named `call`, which on function types would collide with `Fn::call`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no application",
    label = "not a `fn(&mut Environ) -> impl IntoReply`, nor a type that implements `Application`",
    note = "an application is plain blocking code: `fn`, not `async fn`; a tower service becomes one by `adapt::from_service(service)`, and \
            is served as it is by gateway-server's `run_service` and `serve`",
    note = "a closure needs its argument's type told: `application(|environ| ..)`",
    note = "it is shared by threads: `Send + Sync + 'static`"
)]
pub trait Application: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// What the application fails with. A layer outside decides how that looks, such as a page or a traceback
    /// with `middleware-exceptions`; without one the answer is a bare status.
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error>;

    /// This application as a tower service, on threads that may block: what hyper, axum and our
    /// own servers run. Limits and buffers are settable: see [`BlockingService`](crate::adapt::BlockingService).
    ///
    /// ```
    /// # async fn example() -> Result<(), gateway_core::BoxError> {
    /// use gateway_core::{Application, Body, Environ, Reply};
    /// use tower::ServiceExt;
    ///
    /// fn hello(_: &mut Environ) -> Reply {
    ///     std::thread::sleep(std::time::Duration::from_millis(1));
    ///     Reply::text("hello\n")
    /// }
    ///
    /// let service = hello.into_service().threads(64);
    /// let response = service.oneshot(http::Request::new(Body::empty())).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[cfg(feature = "tokio")]
    fn into_service(self) -> crate::adapt::BlockingService<Self>
    where
        Self: Sized,
    {
        crate::adapt::BlockingService::new(self)
    }

    /// This application as a tower service, called where it is polled: for code that does not
    /// block. See [`InlineService`](crate::adapt::InlineService).
    #[cfg(feature = "tokio")]
    fn into_inline_service(self) -> crate::adapt::InlineService<Self>
    where
        Self: Sized,
    {
        crate::adapt::InlineService::new(self)
    }
}

impl<F, R> Application for F
where
    F: Fn(&mut Environ) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        self(environ).into_reply()
    }
}

/// Says that a closure is an application: without it the compiler cannot infer that the closure
/// takes an [`Environ`] of any lifetime.
///
/// ```
/// use gateway_core::{Application, Environ, application};
///
/// let greeting = String::from("hello\n");
/// let app = application(move |_| greeting.clone());
/// assert_eq!(app.respond(&mut Environ::builder().build()).unwrap().status(), 200);
/// ```
pub fn application<F, R>(f: F) -> F
where
    F: Fn(&mut Environ) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    f
}

/// An application of any type, shared: for tables that hold several.
///
/// ```
/// use gateway_core::{AnyApplication, application};
///
/// let table = [
///     ("hello", AnyApplication::new(application(|_| "hello\n"))),
///     ("bye", AnyApplication::new(application(|_| "bye\n"))),
/// ];
/// # let _ = table;
/// ```
#[derive(Clone)]
pub struct AnyApplication {
    inner: Arc<dyn Application>,
}

impl AnyApplication {
    /// Shares `application`.
    pub fn new(application: impl Application) -> Self {
        Self {
            inner: Arc::new(application),
        }
    }
}

impl Application for AnyApplication {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        self.inner.respond(environ)
    }
}

impl fmt::Debug for AnyApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyApplication").finish_non_exhaustive()
    }
}
