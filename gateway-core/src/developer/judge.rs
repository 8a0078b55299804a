//! The rule itself: from facts to a verdict.

use http::Version;

use super::{
    facts::{Facts, Peer, Site},
    host::Host,
    owner::{NOBODY, Owner},
    reason::Reason,
};

/// Whether these facts are those of a developer at this machine; if not, the first that is missing.
///
/// The owner comes last: [`Reason::Unasked`] says that all else holds.
///
/// # Errors
///
/// The reason, which says what mends it.
pub fn judge(facts: &Facts) -> Result<(), Reason> {
    judge_peer(facts)?;
    if let Some(header) = facts.proxy_header {
        return Err(Reason::Header(header));
    }
    // A bare `proxy_pass` of nginx before 1.29.7. A later version is no evidence against a proxy.
    if facts.version < Version::HTTP_11 {
        return Err(Reason::OldVersion);
    }
    match facts.host {
        Host::Loopback => {}
        // An address cannot be rebound, and a trusted peer (a telephone on the desk) uses one.
        Host::Address(_) if facts.trusted_peer => {}
        Host::Address(_) | Host::Other => return Err(Reason::Host),
    }
    if let Site::Foreign(header) = facts.site {
        return Err(Reason::Site(header));
    }
    if facts.peer == Peer::Untold {
        judge_clients(facts)
    } else {
        judge_owner(facts)
    }
}

fn judge_peer(facts: &Facts) -> Result<(), Reason> {
    match facts.peer {
        // The sockets of the process are looked at in place of the peer. HTTP/3 comes over others than those.
        Peer::Untold if cfg!(target_os = "linux") && facts.version <= Version::HTTP_2 => Ok(()),
        Peer::Unknown | Peer::Untold => Err(Reason::NoPeer),
        Peer::Unix => Err(Reason::UnixPeer),
        Peer::Proxied => Err(Reason::Proxied),
        Peer::Ip(ip) if facts.trusted_peer || ip.is_loopback() => Ok(()),
        Peer::Ip(ip) => Err(Reason::Peer(ip)),
    }
}

fn judge_clients(facts: &Facts) -> Result<(), Reason> {
    match facts.clients.as_deref() {
        None => return Err(Reason::Unasked),
        Some(Err(doubt)) => return Err(Reason::PeerUntold(doubt.clone())),
        Some(Ok(())) => {}
    }
    judge_program(facts)
}

fn judge_owner(facts: &Facts) -> Result<(), Reason> {
    match facts.owner {
        Owner::Unasked => return Err(Reason::Unasked),
        Owner::Unreadable => return Err(Reason::Unclear(Owner::Unreadable)),
        _ => {}
    }
    judge_program(facts)?;
    if facts.trusted_peer {
        return Ok(());
    }
    match &facts.owner {
        Owner::Untold => Ok(()),
        &Owner::User { uid, .. }
            if facts.runs_as == Some(uid) || facts.trusted_users.contains(&uid) =>
        {
            Ok(())
        }
        Owner::User { uid, name } => Err(Reason::Owner {
            uid: *uid,
            name: name.clone(),
            runs_as: facts.runs_as,
        }),
        unclear => Err(Reason::Unclear(unclear.clone())),
    }
}

fn judge_program(facts: &Facts) -> Result<(), Reason> {
    match facts.runs_as.filter(|&uid| is_service(uid)) {
        Some(uid) => Err(Reason::Service(uid)),
        None => Ok(()),
    }
}

/// Users of services, as distributions number them (Debian policy 9.2.2, `login.defs`), and `nobody`.
fn is_service(uid: u32) -> bool {
    matches!(uid, 1..=999 | NOBODY)
}
