//! Patterns of a router that are probably not meant as they are written.

use std::sync::atomic::Ordering;

use gateway_core::request::Nest;
use http::{Extensions, Method};

use super::resolve::Shared;
use super::rule::{ExampleRequest, RouterWarning};
use super::shadow::{Analysis, host_rule, route_rule, shadowed};

/// Those of the hosts, then those of the routes.
pub(super) fn warnings(shared: &Shared) -> &[RouterWarning] {
    shared.warnings.get_or_init(|| find(shared).into())
}

fn find(shared: &Shared) -> Vec<RouterWarning> {
    let mut analysis = Analysis::new(shared);
    let hosts = 0..shared.hosts.len();
    let mut warnings: Vec<_> = hosts
        .filter_map(|index| open_host(shared, &mut analysis, index))
        .collect();
    let routes = 0..shared.routes.len();
    warnings.extend(routes.filter_map(|index| open_end(shared, &mut analysis, index)));
    warnings
}

/// Says in the log what of the table is probably not meant, while the program is written.
pub(super) fn log(shared: &Shared) {
    if !tracing::enabled!(tracing::Level::WARN) {
        return;
    }
    for rule in shadowed(shared) {
        tracing::warn!("{rule}");
    }
    for warning in warnings(shared) {
        tracing::warn!("{warning}");
    }
}

/// Says once that URLs will lack the prefix of a nest, which axum has and no layer tells.
pub(super) fn log_untold_nest(shared: &Shared, extensions: &Extensions, path: &str) {
    if let Some(prefix) = Nest::untold(extensions, path)
        && !shared.said_untold.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            "a nest of axum took `{prefix}` off the path, and no layer tells: URLs of this router \
             will lack it. Outermost in the axum program: `.layer(FromAxumLayer::new())`"
        );
    }
}

fn open_host(shared: &Shared, analysis: &mut Analysis<'_>, index: usize) -> Option<RouterWarning> {
    let pattern = shared.hosts.routes().nth(index)?.pattern().to_owned();
    let host = analysis.class(index + 1)?.example?;
    let others = [
        Some(format!("not{host}")),
        (!pattern.ends_with(r"\.")).then(|| format!("{host}.example")),
    ];
    let is_meant = shared.hosts.is_meant_openly(index);
    let mut others = others.into_iter().zip(is_meant);
    let other = others.find_map(|(other, meant)| {
        other.filter(|other| !meant && analysis.host_leads_to(other, index + 1))
    })?;
    Some(RouterWarning::OpenHost {
        rule: host_rule(index, &shared.hosts),
        example: ExampleRequest::new(Method::GET, Some(other), "/".to_owned()),
    })
}

fn open_end(shared: &Shared, analysis: &mut Analysis<'_>, index: usize) -> Option<RouterWarning> {
    let info = shared.routes.get(index)?;
    let pattern = &info.entry.pattern;
    if pattern.is_anchored_at_end() || pattern.ends_openly() {
        return None;
    }
    let rule = route_rule(index, info);
    let method = info.methods.first().unwrap_or(&Method::GET);
    let class = analysis.class(info.section);
    let text = analysis.text_of(index);
    let example = class.zip(text).and_then(|(class, text)| {
        // What may stand there depends on assertions such as `\b`.
        let longer = ["-x", "x", "/x"].map(|more| format!("{text}{more}"));
        let mut shown = longer
            .iter()
            .filter_map(|text| analysis.shown(&class, method, text));
        shown.find(|taker| taker.rule == rule)
    });
    Some(RouterWarning::OpenEnd {
        rule,
        example: example.map(|taker| taker.example),
    })
}
