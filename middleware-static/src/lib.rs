//! Serves files from a directory and hands every other request to the inner service.
//!
//! ```
//! use http::{Request, Response};
//! use middleware_static::StaticLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! # use http_body_util::Full;
//! # use bytes::Bytes;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! # std::fs::write(root.path().join("app.js"), "let a")?;
//! # let app = service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default())) });
//! let site = ServiceBuilder::new()
//!     .layer(StaticLayer::new("/public", root.path()))
//!     .service(app);
//!
//! let response = site.oneshot(Request::get("/public/app.js").body(())?).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.headers()["content-length"], "5");
//! # Ok(())
//! # }
//! ```

pub mod conditional;
pub mod negotiate;
pub mod path;
pub mod range;
pub mod source;

mod answer;
mod ask;
mod assets;
mod body;
mod cache;
mod digest;
mod etag;
mod file;
mod files;
mod find;
mod future;
mod layer;
mod listing;
mod mime;
mod mount;
mod pool;
mod representation;
mod settings;
mod site;

pub use assets::AssetManifest;
pub use body::ResponseBody;
pub use etag::EntityTag;
pub use file::StaticFile;
pub use files::StaticFiles;
pub use future::ResponseFuture;
pub use layer::{BodyError, LayerBody, LayerFuture, Static, StaticLayer};
pub use mime::content_type;
pub use settings::{Dotfiles, SendFile, ValidateBy};
