//! Whether all who can ask this process are at this machine: what Linux says of its sockets. All of it blocks.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    net::SocketAddr,
};

use super::{
    doubt::Doubt,
    owner::Owner,
    sockets::{name_of, owner_of},
    table::{self, CLOSE_WAIT, ESTABLISHED, LISTEN, Row, TIME_WAIT},
};

/// Every listening socket of this process is at a loopback address, and the client's end of every connection
/// to them belongs to one of `users`; or else the first doubt.
pub(super) fn look_up(runs_as: u32, users: &[u32]) -> Result<(), Doubt> {
    let survey = survey().map_err(|_| Doubt::Unreadable)?;
    survey.verdict(|owner| match owner {
        Owner::User { uid, .. } if uid == runs_as || users.contains(&uid) => Ok(()),
        Owner::User { uid, .. } => Err(Doubt::Owner {
            uid,
            name: name_of(uid),
            runs_as,
        }),
        owner => Err(Doubt::Unclear(owner)),
    })
}

/// Tables beside those of TCP and of Unix sockets, and the column that is the inode.
const OTHERS: [(&str, usize); 10] = [
    ("udp", 9),
    ("udp6", 9),
    ("udplite", 9),
    ("udplite6", 9),
    ("raw", 9),
    ("raw6", 9),
    ("icmp", 9),
    ("icmp6", 9),
    ("netlink", 9),
    ("packet", 8),
];

fn survey() -> io::Result<Survey> {
    let mut survey = Survey::of(our_sockets()?);
    for name in ["tcp", "tcp6"] {
        if let Some(table) = table::open(name)? {
            table::read(table, |row| survey.tcp(&row))?;
        }
    }
    if let Some(table) = table::open("unix")? {
        table::lines(table, |line| survey.unix(line))?;
    }
    for (name, column) in OTHERS {
        if survey.unlisted.is_empty() {
            break;
        }
        if let Some(table) = table::open(name)? {
            table::lines(table, |line| survey.other(line, column))?;
        }
    }
    if !survey.unlisted.is_empty() {
        // What was closed in the meantime is in no table either.
        let still_open = our_sockets()?;
        survey.unlisted.retain(|inode| still_open.contains(inode));
    }
    Ok(survey)
}

/// By inode.
fn our_sockets() -> io::Result<HashSet<u64>> {
    let mut sockets = HashSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        // What is closed by now has no link to read.
        let target = entry.and_then(|entry| fs::read_link(entry.path()));
        let target = target.unwrap_or_default();
        let inode: Option<u64> = target.to_str().and_then(|link| {
            let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse().ok()
        });
        sockets.extend(inode);
    }
    Ok(sockets)
}

/// What was read, for the verdict.
struct Survey {
    ours: HashSet<u64>,
    /// Those of ours that no table has listed yet.
    unlisted: HashSet<u64>,
    listeners: Vec<SocketAddr>,
    has_unix_listener: bool,
    /// From the end that is named first, to the other. Our end and the client's stand on two lines.
    connections: HashMap<(SocketAddr, SocketAddr), Connection>,
}

#[derive(Debug)]
struct Connection {
    owner: Owner,
    /// Whether this end can still send.
    is_open: bool,
    is_over: bool,
}

impl Survey {
    fn of(ours: HashSet<u64>) -> Self {
        Self {
            unlisted: ours.clone(),
            ours,
            listeners: Vec::new(),
            has_unix_listener: false,
            connections: HashMap::new(),
        }
    }

    fn tcp(&mut self, row: &Row<'_>) -> Option<()> {
        let ends = row.ends()?;
        let is_ours = self.ours.contains(&row.inode);
        self.unlisted.remove(&row.inode);
        if row.state != LISTEN {
            let connection = Connection {
                owner: owner_of(row.uid, row.inode),
                is_open: matches!(row.state, ESTABLISHED | CLOSE_WAIT),
                is_over: row.state == TIME_WAIT,
            };
            match self.connections.get_mut(&ends) {
                // One that is over may have the ends of one that is not.
                Some(_) if connection.is_over => {}
                Some(other) if !other.is_over => other.owner = Owner::Several,
                _ => _ = self.connections.insert(ends, connection),
            }
        } else if is_ours {
            self.listeners.push(ends.0);
        }
        Some(())
    }

    /// `Num RefCount Protocol Flags Type St Inode Path`.
    fn unix(&mut self, line: &str) -> Option<()> {
        /// `__SO_ACCEPTCON` of `include/linux/net.h`.
        const LISTENS: u32 = 1 << 16;
        let mut columns = line.split_ascii_whitespace();
        let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
        let inode = columns.nth(2)?.parse().ok()?;
        self.unlisted.remove(&inode);
        self.has_unix_listener |= flags & LISTENS != 0 && self.ours.contains(&inode);
        Some(())
    }

    fn other(&mut self, line: &str, column: usize) -> Option<()> {
        let inode = line.split_ascii_whitespace().nth(column)?.parse().ok()?;
        self.unlisted.remove(&inode);
        Some(())
    }

    fn verdict(&self, check: impl Fn(Owner) -> Result<(), Doubt>) -> Result<(), Doubt> {
        if let Some(elsewhere) = self.listeners.iter().find(|addr| !addr.ip().is_loopback()) {
            return Err(Doubt::Listener(*elsewhere));
        }
        if self.has_unix_listener {
            return Err(Doubt::UnixListener);
        }
        if self.listeners.is_empty() {
            return Err(Doubt::NoListener);
        }
        if !self.unlisted.is_empty() {
            return Err(Doubt::Unlisted);
        }
        let mut answered = Err(Doubt::NoConnection);
        for ((ours, theirs), connection) in &self.connections {
            if connection.is_open && self.listeners.contains(ours) {
                match self.connections.get(&(*theirs, *ours)) {
                    // The client has closed it: no process reads what it is sent.
                    Some(client) if client.is_over || client.owner == Owner::Closed => {}
                    Some(client) => {
                        check(client.owner.clone())?;
                        answered = Ok(());
                    }
                    None => check(Owner::NotFound)?,
                }
            }
        }
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::developer::table::testing::{HEAD, line};

    const UNIX_HEAD: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";

    /// Of user 5, who trusts user 6.
    fn verdict(ours: &[u64], tcp: &[String], unix: &str) -> Result<(), Doubt> {
        let mut survey = Survey::of(ours.iter().copied().collect());
        let tcp = format!("{HEAD}{}", tcp.concat());
        table::read(tcp.as_bytes(), |row| survey.tcp(&row)).unwrap();
        let unix = format!("{UNIX_HEAD}{unix}");
        table::lines(unix.as_bytes(), |line| survey.unix(line)).unwrap();
        survey.verdict(|owner| match owner {
            Owner::User { uid: 5 | 6, .. } => Ok(()),
            owner => Err(Doubt::Unclear(owner)),
        })
    }

    const OURS: &str = "127.0.0.1:8080";

    fn listener(at: &str, inode: u32) -> String {
        line(at, "0.0.0.0:0", LISTEN, 5, inode)
    }

    /// Both ends, ours first.
    fn connection(client: &str, states: [&str; 2], uid: u32, inode: u32) -> String {
        line(OURS, client, states[0], 5, 2) + &line(client, OURS, states[1], uid, inode)
    }

    fn open(client: &str, uid: u32) -> String {
        connection(client, [ESTABLISHED; 2], uid, 9)
    }

    #[test]
    fn all_listeners_are_loopback_and_all_clients_the_users() {
        let listener = listener(OURS, 1);
        let mine = open("127.0.0.1:4242", 5);
        let doubt = |rows: &[&String], ours: &[u64], unix: &str| {
            let rows: Vec<_> = rows.iter().map(|row| (*row).clone()).collect();
            verdict(ours, &rows, unix).err()
        };
        let unclear = |owner| Some(Doubt::Unclear(owner));
        let user = |uid| Owner::User { uid, name: None };
        assert_eq!(doubt(&[&listener, &mine], &[1, 2], ""), None);
        assert_eq!(doubt(&[&mine, &listener], &[1, 2], ""), None);
        let trusted = open("127.0.0.1:4243", 6);
        assert_eq!(doubt(&[&listener, &mine, &trusted], &[1], ""), None);
        let other = open("127.0.0.1:4243", 33);
        let found = doubt(&[&listener, &mine, &other], &[1], "");
        assert_eq!(found, unclear(user(33)));
        let outside = open("127.0.0.1:4243", 65534);
        let found = doubt(&[&listener, &outside, &mine], &[1], "");
        assert_eq!(found, unclear(Owner::Outside));

        // Another machine's, by way of a firewall that rewrites addresses; or in another namespace.
        let far = line(OURS, "192.0.2.1:4242", ESTABLISHED, 5, 2);
        let found = doubt(&[&listener, &mine, &far], &[1], "");
        assert_eq!(found, unclear(Owner::NotFound));
        // It has said all, and may still read.
        let far = line(OURS, "192.0.2.1:4242", CLOSE_WAIT, 5, 2);
        let found = doubt(&[&listener, &mine, &far], &[1], "");
        assert_eq!(found, unclear(Owner::NotFound));
        let half = connection("127.0.0.1:4243", [CLOSE_WAIT, "05"], 33, 9);
        let found = doubt(&[&listener, &mine, &half], &[1], "");
        assert_eq!(found, unclear(user(33)));

        // The client has closed its end; ours is closed; it is over.
        for gone in [
            connection("127.0.0.1:4243", [CLOSE_WAIT, "05"], 0, 0),
            connection("127.0.0.1:4243", ["05", CLOSE_WAIT], 33, 9),
            connection("127.0.0.1:4243", [TIME_WAIT, TIME_WAIT], 0, 0),
        ] {
            assert_eq!(doubt(&[&listener, &mine, &gone], &[1], ""), None, "{gone}");
            let found = doubt(&[&listener, &gone], &[1], "");
            assert_eq!(found, Some(Doubt::NoConnection), "{gone}");
        }

        // Connections of this process to others, and of others, say nothing.
        let outgoing = line("192.0.2.9:5000", "192.0.2.1:5432", ESTABLISHED, 5, 3);
        let others = line("0.0.0.0:80", "0.0.0.0:0", LISTEN, 0, 77);
        let rows = [&listener, &mine, &outgoing, &others];
        assert_eq!(doubt(&rows, &[1, 2, 3], ""), None);
    }

    #[test]
    fn each_listener_that_is_not_loopback_is_a_doubt() {
        let mine = open("127.0.0.1:4242", 5);
        for at in [
            "0.0.0.0:8080",
            "[::]:8080",
            "192.0.2.1:80",
            "[2001:db8::1]:80",
        ] {
            let rows = [listener(OURS, 1), listener(at, 4), mine.clone()];
            let found = verdict(&[1, 2, 4], &rows, "");
            assert_eq!(found, Err(Doubt::Listener(at.parse().unwrap())), "{at}");
            assert_eq!(
                verdict(&[1, 2], &rows, ""),
                Ok(()),
                "{at} of another process"
            );
        }
        let rows = [listener(OURS, 1), listener("[::1]:8080", 4), mine];
        assert_eq!(verdict(&[1, 4], &rows, ""), Ok(()));
        assert_eq!(verdict(&[], &rows, ""), Err(Doubt::NoListener));
    }

    #[test]
    fn sockets_of_other_kinds_are_a_doubt_where_they_may_listen() {
        let rows = [listener(OURS, 1), open("127.0.0.1:4242", 5)];
        let unix = "0000000000000000: 00000002 00000000 00010000 0001 01 8 /run/my app.sock\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03 7\n";
        assert_eq!(verdict(&[1, 2, 7], &rows, unix), Ok(()), "a socket pair");
        assert_eq!(verdict(&[1, 8], &rows, unix), Err(Doubt::UnixListener));
        assert_eq!(verdict(&[1, 99], &rows, unix), Err(Doubt::Unlisted));
    }
}
