//! One place where a site says how its errors look.

mod body;
mod page;
mod pages;
mod refused;
mod service;

pub use body::PageBody;
pub use page::ErrorPage;
pub use pages::ErrorPages;
pub use refused::forbidden;
pub use service::{ErrorPagesFuture, ErrorPagesService};
