//! A wiki: the crates of the workspace together, as a person would use them.
//!
//! [`Wiki`] is a blocking [`Application`](gateway_core::Application); there is no `async` in this
//! package. The order to read in: `urls` (which URL leads to which function), `views` (the
//! functions), `store` (SQLite), `stack` (what is around the application), `main` (the command
//! line).

pub mod archive;
mod date;
pub mod diff;
pub mod markdown;
pub mod name;
pub mod stack;
pub mod store;
pub mod templates;
pub mod token;
pub mod urls;
pub mod views;
pub mod wiki;

pub use gateway_web::hosts;
pub use wiki::Wiki;

/// What a new wiki begins with: names and texts.
pub const FIRST_PAGES: [(&str, &str); 6] = [
    (name::FRONT, include_str!("../first_pages/Front page.md")),
    (
        "Writing pages",
        include_str!("../first_pages/Writing pages.md"),
    ),
    (
        "How the wiki works",
        include_str!("../first_pages/How the wiki works.md"),
    ),
    ("Deployment", include_str!("../first_pages/Deployment.md")),
    (
        "When something breaks",
        include_str!("../first_pages/When something breaks.md"),
    ),
    ("Keyboard", include_str!("../first_pages/Keyboard.md")),
];
