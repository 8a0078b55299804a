//! What the user has configured, summed up: every part of the crate takes its own of it.

use std::{error::Error, net::IpAddr, sync::Arc, time::Duration};

use http::{StatusCode, request::Parts};
use ipnet::IpNet;

use crate::{
    render::page::{Page, Rendered},
    report::Report,
    request::gate::Details,
};

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) details: Details,
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) peer: Option<Arc<PeerFn>>,
    pub(crate) observers: Vec<Arc<ObserverFn>>,
    pub(crate) statuses: Vec<Arc<StatusFn>>,
    pub(crate) renderer: Option<Arc<RenderFn>>,
    pub(crate) append: bool,
    pub(crate) flush: Duration,
    pub(crate) editor: Option<Arc<str>>,
}

pub(crate) type PeerFn = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;
pub(crate) type ObserverFn = dyn Fn(&Report) + Send + Sync;
pub(crate) type StatusFn = dyn Fn(&(dyn Error + 'static)) -> Option<StatusCode> + Send + Sync;
pub(crate) type RenderFn = dyn Fn(&Page<'_>) -> Option<Rendered> + Send + Sync;
