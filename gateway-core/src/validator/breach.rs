use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Which side broke the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller: a server, or a middleware further out.
    Gateway,
    /// The called: the application, or a middleware further in.
    Application,
}

/// A rule that was broken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Breach {
    /// Who broke it.
    pub side: Side,
    /// The rule, with the section it stands in.
    pub rule: &'static str,
    /// How it was broken.
    pub detail: String,
    /// Method and path of the request.
    pub request: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Gateway => "gateway",
            Side::Application => "application",
        };
        write!(
            f,
            "{}: the {side} broke `{}`: {}",
            self.request, self.rule, self.detail
        )
    }
}

impl std::error::Error for Breach {}

/// The breaches found by one layer.
#[derive(Clone, Default)]
pub struct Breaches {
    inner: Arc<Inner>,
}

struct Inner {
    kept: Mutex<Vec<Breach>>,
    report: Box<dyn Fn(&Breach) + Send + Sync>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            report: Box::new(|breach| eprintln!("{breach}")),
        }
    }
}

/// How many breaches are kept: a validator left in a server must not fill its memory.
const KEPT: usize = 1000;

impl Breaches {
    pub(super) fn reporting(report: impl Fn(&Breach) + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                kept: Mutex::default(),
                report: Box::new(report),
            }),
        }
    }

    /// How many breaches wait to be taken, a thousand at most.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept().len()
    }

    /// Takes what was found so far.
    #[must_use]
    pub fn take(&self) -> Vec<Breach> {
        std::mem::take(&mut self.kept())
    }

    /// Fails a test unless both sides kept the contract.
    ///
    /// # Panics
    ///
    /// There are breaches; the message lists them.
    #[track_caller]
    pub fn assert_none(&self) {
        let breaches = self.take();
        let list: Vec<_> = breaches.iter().map(Breach::to_string).collect();
        assert!(
            list.is_empty(),
            "the contract was broken:\n{}",
            list.join("\n")
        );
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Breach>> {
        self.inner
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, breach: Breach) {
        (self.inner.report)(&breach);
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(breach);
        }
    }
}

impl fmt::Debug for Breaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kept().iter()).finish()
    }
}

/// Reports the breaches of one request and its response.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) breaches: Breaches,
    pub(super) request: Arc<str>,
    pub(super) head: bool,
}

impl Reporter {
    pub(super) fn breach(&self, side: Side, rule: &'static str, detail: impl fmt::Display) {
        self.breaches.add(Breach {
            side,
            rule,
            detail: detail.to_string(),
            request: self.request.to_string(),
        });
    }
}
