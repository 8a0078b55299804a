//! Whether this client may see details: what the program has set, and for the rest the judge of
//! [`gateway_core::developer`].

use std::{fmt, net::IpAddr, sync::Arc};

use gateway_core::developer::{self, Facts, judge};
use http::request::Parts;
use ipnet::IpNet;

/// Who may see details, and how the layer decides it.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) details: Details,
    pub(crate) peers: Vec<IpNet>,
    pub(crate) users: Arc<[u32]>,
    pub(crate) peer: Option<Arc<PeerFn>>,
}

pub(crate) type PeerFn = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;

/// Who may see details.
#[derive(Clone, Default)]
pub(crate) enum Details {
    /// No one.
    #[default]
    Off,
    /// The developer at this machine.
    Developer { in_release: bool },
    /// The clients that the program's closure accepts.
    If(Arc<dyn Fn(&Parts) -> bool + Send + Sync>),
}

/// What a client is shown of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Development is off: the fixed text and the id.
    Production,
    /// Everything.
    Shown,
    /// Development is on, but not for this client: the fixed text, the id, and why.
    Withheld(Reason),
}

/// What is known of the verdict when a request comes.
#[derive(Debug, Clone)]
pub(crate) enum Judged {
    Finally(Verdict),
    /// All else holds: what is missing is the owner of the client's end of the connection. To look that up may
    /// block, so it is done for a failure that is shown, and not for each request.
    ButForTheOwner(Box<Facts>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    ReleaseBuild,
    Closure,
    NoDeveloper(developer::Reason),
}

impl Gate {
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.details, Details::Off)
    }

    pub(crate) fn judge(&self, parts: &Parts) -> Judged {
        let verdict = match &self.details {
            Details::Off => Verdict::Production,
            Details::If(allowed) if contained(|| allowed(parts)) == Some(true) => Verdict::Shown,
            Details::If(_) => Verdict::Withheld(Reason::Closure),
            Details::Developer { in_release } if !cfg!(debug_assertions) && !in_release => {
                Verdict::Withheld(Reason::ReleaseBuild)
            }
            Details::Developer { .. } => {
                let facts = self.facts(parts);
                match judge(&facts) {
                    Err(developer::Reason::Unasked) => {
                        return Judged::ButForTheOwner(Box::new(facts));
                    }
                    verdict => verdict.into(),
                }
            }
        };
        Judged::Finally(verdict)
    }

    fn facts(&self, parts: &Parts) -> Facts {
        let mut facts = Facts::of(parts).with_trusted_users(Arc::clone(&self.users));
        if let Some(peer) = &self.peer {
            facts = facts.with_peer(contained(|| peer(parts)).flatten());
        }
        match facts.peer() {
            Some(peer) if self.peers.iter().any(|cidr| cidr.contains(&peer)) => {
                facts.with_trusted_peer()
            }
            _ => facts,
        }
    }
}

/// If the program's closure panics, the client sees no details.
fn contained<T>(ask: impl FnOnce() -> T) -> Option<T> {
    match panic_capture::guard(ask) {
        Ok(said) => Some(said),
        Err(caught) => {
            panic_capture::discard(caught.payload);
            None
        }
    }
}

impl Judged {
    pub(crate) fn may_be_shown(&self) -> bool {
        matches!(
            self,
            Self::Finally(Verdict::Shown) | Self::ButForTheOwner(_)
        )
    }
}

impl From<Result<(), developer::Reason>> for Verdict {
    fn from(verdict: Result<(), developer::Reason>) -> Self {
        match verdict {
            Ok(()) => Self::Shown,
            Err(reason) => Self::Withheld(Reason::NoDeveloper(reason)),
        }
    }
}

/// Says why, and how to change it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReleaseBuild => f.write_str(
                "this is a build without debug assertions. \
                 To show them in release builds as well: `.development_in_release()`.",
            ),
            Self::Closure => f.write_str("`.show_details_if(..)` says no."),
            Self::NoDeveloper(reason) => reason.fmt(f),
        }
    }
}
