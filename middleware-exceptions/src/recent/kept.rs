//! Keeps the last failures.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::{render::text::heading, report::Report, text::shown::truncated};

/// How many bytes of one failure's text are kept.
const TEXT: usize = 16 * 1024;

/// The last failures, up to a limit.
pub(crate) struct Kept {
    limit: usize,
    failures: Mutex<VecDeque<Arc<Failure>>>,
}

/// The kept part of a report. It does not keep the program's error value alive.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) at: SystemTime,
    pub(crate) id: String,
    pub(crate) place: Option<String>,
    pub(crate) heading: String,
    pub(crate) message: String,
    pub(crate) status: u16,
    pub(crate) request: String,
    pub(crate) text: String,
}

impl Kept {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            failures: Mutex::default(),
        }
    }

    pub(crate) fn keep(&self, report: &Report) {
        let request = report.request();
        let failure = Failure {
            at: SystemTime::now(),
            id: report.id().to_string(),
            place: report.location().map(ToString::to_string),
            heading: heading(report),
            message: truncated(report.message(), 512).into(),
            status: report.status().as_u16(),
            request: format!("{} {}", request.method(), request.path()),
            text: truncated(&report.to_text(), TEXT).into(),
        };
        self.push(failure);
    }

    fn push(&self, failure: Failure) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push_front(Arc::new(failure));
        failures.truncate(self.limit);
    }

    /// The newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Failure>> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().cloned().collect()
    }
}

/// Failures of one place, or without one of one type: the newest first, and the group of the newest first.
pub(crate) fn grouped(failures: &[Arc<Failure>]) -> Vec<Vec<&Failure>> {
    let mut groups: Vec<Vec<&Failure>> = Vec::new();
    for failure in failures {
        let key = |failure: &Failure| match &failure.place {
            Some(place) => place.clone(),
            None => failure.heading.clone(),
        };
        let is_alike = |group: &&mut Vec<&Failure>| {
            let first = group.first();
            first.is_some_and(|first| key(first) == key(failure))
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.push(failure),
            None => groups.push(vec![failure]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(id: &str, place: Option<&str>) -> Failure {
        Failure {
            at: SystemTime::UNIX_EPOCH,
            id: id.into(),
            place: place.map(Into::into),
            heading: "panic".into(),
            message: "boom".into(),
            status: 500,
            request: "GET /".into(),
            text: "boom".into(),
        }
    }

    #[test]
    fn the_last_are_kept_and_grouped_by_place() {
        let kept = Kept::new(4);
        for (id, place) in [
            ("1", Some("a.rs:1:1")),
            ("2", Some("a.rs:1:1")),
            ("3", Some("b.rs:1:1")),
            ("4", None),
            ("5", Some("a.rs:1:1")),
        ] {
            kept.push(failure(id, place));
        }
        let all = kept.all();
        let groups = grouped(&all);
        let ids = |group: &Vec<&Failure>| group.iter().map(|one| one.id.clone()).collect();
        let ids: Vec<Vec<String>> = groups.iter().map(ids).collect();
        assert_eq!(ids, [vec!["5", "2"], vec!["4"], vec!["3"]]);
    }

    #[test]
    fn none_are_kept_where_none_are_asked_for() {
        let kept = Kept::new(0);
        kept.push(failure("1", None));
        assert!(kept.all().is_empty());
    }
}
