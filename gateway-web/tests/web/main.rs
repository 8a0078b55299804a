//! The parts of the crate by behaviour.

mod bodies;
mod contract;
mod cookies;
mod csrf;
mod error_pages;
mod files;
mod pages;
mod sessions;
mod uploads;
