//! The settings of the layer, from which each part of the crate takes what it needs.

use std::{sync::Arc, time::Duration};

use gateway_core::flush::FLUSH_TIME;
use http::HeaderName;

use crate::{
    failure::cause::StatusFn, recent::kept::Kept, render::page::Renderer, report::Report,
    request::gate::Gate,
};

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) gate: Gate,
    pub(crate) observers: Vec<Arc<ObserverFn>>,
    pub(crate) statuses: Vec<Arc<StatusFn>>,
    pub(crate) renderer: Renderer,
    pub(crate) append: bool,
    pub(crate) recent: Option<Arc<Kept>>,
    pub(crate) id_header: Option<HeaderName>,
    pub(crate) flush: Duration,
}

/// The form for production.
impl Default for Config {
    fn default() -> Self {
        Self {
            gate: Gate::default(),
            observers: Vec::new(),
            statuses: Vec::new(),
            renderer: Renderer::default(),
            append: false,
            recent: None,
            id_header: None,
            flush: FLUSH_TIME,
        }
    }
}

pub(crate) type ObserverFn = dyn Fn(&Report) + Send + Sync;
