//! What the user has configured, summed up: every part of the crate takes its own of it.

use std::{sync::Arc, time::Duration};

use crate::{
    failure::cause::StatusFn,
    render::page::{Page, Rendered},
    report::Report,
    request::gate::Gate,
};

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) gate: Gate,
    pub(crate) observers: Vec<Arc<ObserverFn>>,
    pub(crate) statuses: Vec<Arc<StatusFn>>,
    pub(crate) renderer: Option<Arc<RenderFn>>,
    pub(crate) append: bool,
    pub(crate) flush: Duration,
    pub(crate) editor: Option<Arc<str>>,
}

pub(crate) type ObserverFn = dyn Fn(&Report) + Send + Sync;
pub(crate) type RenderFn = dyn Fn(&Page<'_>) -> Option<Rendered> + Send + Sync;
