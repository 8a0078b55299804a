//! The shop, step by step: what Django answers, and what Rust has taken over.

mod barcode;
mod shipping;

use std::error::Error;
use std::path::{Path, PathBuf};

use gateway_core::{Application, Body, BoxError};
use gateway_wsgi::Wsgi;
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticLayer;
use router::BoxRouter;
use router::service::BoxEndpoint;
use tower::Layer;

/// Django's site and what it needs.
#[derive(Debug)]
pub struct Shop {
    /// The virtual environment.
    pub venv: PathBuf,
    /// Database, static files, uploads.
    pub data: PathBuf,
}

impl Default for Shop {
    /// Where `./install` puts them.
    fn default() -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let data = std::env::var_os("SHOP_DATA").map(PathBuf::from);
        Self {
            venv: target.join("venv"),
            data: data.unwrap_or_else(|| target.join("strangler")),
        }
    }
}

impl Shop {
    /// Django's application, as it always was.
    ///
    /// # Errors
    ///
    /// It cannot be imported: `./install` was not run, say.
    pub fn django(&self) -> Result<Wsgi, Box<dyn Error>> {
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("site");
        let import = Wsgi::import("site_of_shop.wsgi:application");
        Ok(import.venv(&self.venv).python_path(site).load()?)
    }

    /// All of the site as it is after so many steps. Each is taken back by one less.
    ///
    /// # Errors
    ///
    /// As [`django`](Self::django).
    pub fn after(&self, step: u8) -> Result<BoxEndpoint<Body, BoxError>, Box<dyn Error>> {
        // Step 1: Django, whole, behind a Rust server.
        let mut urls = BoxRouter::<Body, BoxError>::builder();
        // Step 4: the first hot URL.
        if step >= 4 {
            urls = urls.get("^api/shipping$", shipping::quote.into_service());
        }
        // Step 5: the second.
        if step >= 5 {
            urls = urls.get(
                r"^barcode/(?<code>[-a-zA-Z0-9_]+)\.svg$",
                barcode::label.into_service(),
            );
        }
        // All that is not taken over, other methods of those URLs included.
        let site = urls.fallback(self.django()?.into_service()).build()?;
        // Step 2: static files without Python.
        if step < 2 {
            return Ok(BoxEndpoint::new(site));
        }
        let site = StaticLayer::new("/static", self.data.join("static"))?.layer(site);
        // Step 3: one traceback, one log, for both languages.
        if step < 3 {
            return Ok(BoxEndpoint::new(site));
        }
        Ok(BoxEndpoint::new(
            ExceptionsLayer::new().development().layer(site),
        ))
    }
}
