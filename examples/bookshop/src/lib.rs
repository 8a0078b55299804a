//! A bookshop: what a small site has, over gateway-web and SQLite.

mod shop;
mod views;

use gateway_core::{Application, Error};
use gateway_web::error_pages::forbidden;
use gateway_web::{
    CookieKeys, ErrorPage, ErrorPages, SessionLayer, Site, StateLayer, Templates, values,
};
use middleware_exceptions::ExceptionsLayer;
use middleware_static::{AssetManifest, StaticFiles, StaticLayer};
use tower::{Layer, ServiceBuilder};
use tower_http::csrf::CsrfLayer;

pub use shop::Shop;

/// The whole site, its sessions encrypted with `keys`.
///
/// # Errors
///
/// The routes contradict each other, which a test would tell.
pub fn site(shop: Shop, keys: CookieKeys) -> Result<Site, Error> {
    let urls = views::urls()?;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
    let assets = AssetManifest::new(directory).base("/static");
    let files = StaticFiles::new(directory).assets(assets.clone());
    let euros = |cents: u32| format!("{}.{:02} €", cents / 100, cents % 100);
    let templates = Templates::from_directory(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"))
        .configure(|environment| environment.add_filter("euros", euros))
        .routes(&urls)
        .assets(&assets);
    let site = templates.layer(StateLayer::new(shop).layer(urls));
    let site = SessionLayer::new(keys).layer(site);
    let error_pages = ErrorPages::new(move |page: &ErrorPage<'_>| {
        let (status, reason) = (page.status().as_u16(), page.reason());
        let values = values! { status, reason, id => page.id() };
        templates.error_page(page, "error.html", values)
    });
    let service = ServiceBuilder::new()
        .layer(error_pages)
        .layer(ExceptionsLayer::new())
        .layer(StaticLayer::with_files("/static", files)?)
        // Browsers say which site sent a form; ours alone may.
        .layer(CsrfLayer::new().with_rejection_response(forbidden))
        .service(site.into_service());
    Ok(Site::new(service))
}
