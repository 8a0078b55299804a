//! The parts of the crate by behaviour.

mod bodies;
mod contract;
mod cookies;
mod error_pages;
mod files;
mod pages;
mod sessions;
mod uploads;
