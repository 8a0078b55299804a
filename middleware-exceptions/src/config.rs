//! What the user has configured, summed up: every part of the crate takes its own of it.

use std::{sync::Arc, time::Duration};

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

pub(crate) type ObserverFn = dyn Fn(&Report) + Send + Sync;
