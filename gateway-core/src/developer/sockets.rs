//! The owner of the other end of a connection: what Linux says of its sockets. All of it blocks.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
};

use super::{
    owner::{Ends, NOBODY, Owner},
    table::{self, Row, TIME_WAIT},
};

/// The user by whom this program's sockets are made: its effective user, in the present user namespace, which is
/// how the tables below number users as well.
pub(super) fn runs_as() -> Option<u32> {
    effective_user(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Whether connections of browsers end at a relay of the system's. Under WSL they belong to root.
pub(super) fn is_relayed() -> bool {
    fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| is_wsl(&release))
}

pub(super) fn look_up(ends: Ends, runs_as: u32) -> Owner {
    match search(ends) {
        Ok(Owner::User { uid, .. }) => Owner::User {
            uid,
            name: (uid != runs_as).then(|| name_of(uid)).flatten(),
        },
        Ok(owner) => owner,
        Err(_) => Owner::Unreadable,
    }
}

fn search(ends: Ends) -> io::Result<Owner> {
    let mut search = Search::new(ends);
    search.read(BufReader::new(File::open("/proc/net/tcp")?))?;
    // An IPv6 socket that is connected to an IPv4 address stands here, and only here.
    if let Some(table) = table::open("tcp6")? {
        search.read(table)?;
    }
    Ok(search.found.unwrap_or(Owner::NotFound))
}

/// Every socket with the peer's address and port, and our end where it is known, has a say.
struct Search {
    ends: Ends,
    found: Option<Owner>,
}

impl Search {
    fn new(ends: Ends) -> Self {
        Self { ends, found: None }
    }

    fn read(&mut self, table: impl BufRead) -> io::Result<()> {
        table::read(table, |row| {
            self.row(&row);
            Some(())
        })
    }

    fn row(&mut self, row: &Row<'_>) {
        // A connection that is over on both sides has no socket any more, and hears nothing. Its port may
        // be in use again, towards another address.
        if row.state == TIME_WAIT
            || !self.ends.peer.is_some_and(|peer| row.is_from(peer))
            || !self.ends.local.is_none_or(|local| row.is_to(local))
        {
            return;
        }
        let owner = owner_of(row.uid, row.inode);
        self.found = Some(match self.found.take() {
            Some(other) if other != owner => Owner::Several,
            _ => owner,
        });
    }
}

pub(super) fn owner_of(uid: u32, inode: u64) -> Owner {
    match uid {
        // No process has it; the user it shows is root.
        _ if inode == 0 => Owner::Closed,
        NOBODY => Owner::Outside,
        uid => Owner::User { uid, name: None },
    }
}

/// `Uid:` has the real, the effective, the saved and the file system's user (proc_pid_status(5)).
fn effective_user(status: &str) -> Option<u32> {
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// `5.15.153.1-microsoft-standard-WSL2`, and `4.4.0-19041-Microsoft` of the first version.
fn is_wsl(release: &str) -> bool {
    let release = release.to_ascii_lowercase();
    release.contains("microsoft") || release.contains("wsl")
}

pub(super) fn name_of(uid: u32) -> Option<String> {
    name_in(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// The name of a user in passwd(5), if it can be shown as it is.
fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let number = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then_some(name)
    })?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=32).contains(&name.len()) && name.bytes().all(is_plain);
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

    use super::*;
    use crate::developer::table::testing::{HEAD, line};

    fn found(peer: &str, local: Option<&str>, lines: &[String]) -> Owner {
        let ends = Ends {
            peer: Some(peer.parse().unwrap()),
            local: local.map(|local| local.parse().unwrap()),
        };
        let mut search = Search::new(ends);
        let table = format!("{HEAD}{}", lines.concat());
        search.read(table.as_bytes()).unwrap();
        search.found.unwrap_or(Owner::NotFound)
    }

    fn user(uid: u32) -> Owner {
        Owner::User { uid, name: None }
    }

    #[test]
    fn the_owner_is_that_of_the_clients_end() {
        const CLIENT: &str = "127.0.0.1:4242";
        const OURS: &str = "127.0.0.1:8080";
        let client = |uid| line(CLIENT, OURS, "01", uid, 7);
        let ours = line(OURS, CLIENT, "01", 1000, 8);
        let table = [
            line("0.0.0.0:8080", "0.0.0.0:0", "0A", 1000, 6),
            ours.clone(),
            line("127.0.0.1:4243", OURS, "01", 1000, 9),
            client(33),
        ];
        assert_eq!(found(CLIENT, Some(OURS), &table), user(33));
        assert_eq!(found(CLIENT, None, &table), user(33));
        // Our own end is no evidence.
        assert_eq!(found(CLIENT, Some(OURS), &[ours]), Owner::NotFound);
        assert_eq!(
            found(CLIENT, Some("127.0.0.2:8080"), &table),
            Owner::NotFound
        );
        // The same port, towards another address.
        let other = |uid| line(CLIENT, "127.0.0.1:5432", "01", uid, 10);
        let both = [other(1000), client(33)];
        assert_eq!(found(CLIENT, Some(OURS), &both), user(33));
        assert_eq!(found(CLIENT, None, &both), Owner::Several);
        assert_eq!(found(CLIENT, None, &[other(33), client(33)]), user(33));
        // Closed by the client; closed on both sides.
        let closed = line(CLIENT, OURS, "05", 0, 0);
        assert_eq!(found(CLIENT, Some(OURS), &[closed]), Owner::Closed);
        let over = line(CLIENT, "127.0.0.1:5432", "06", 0, 0);
        assert_eq!(found(CLIENT, None, &[over, client(1000)]), user(1000));
        assert_eq!(found(CLIENT, Some(OURS), &[client(65_534)]), Owner::Outside);
    }

    #[test]
    fn mapped_addresses_are_the_addresses_they_are() {
        let lines = [line(
            "[::ffff:127.0.0.1]:4242",
            "[::ffff:127.0.0.1]:8080",
            "01",
            5,
            7,
        )];
        assert_eq!(
            found("127.0.0.1:4242", Some("127.0.0.1:8080"), &lines),
            user(5)
        );
        let lines = [line("[::1]:4242", "[::1]:8080", "01", 5, 7)];
        assert_eq!(found("[::1]:4242", Some("[::1]:8080"), &lines), user(5));
        assert_eq!(found("127.0.0.1:4242", None, &lines), Owner::NotFound);
        assert_eq!(found("[2001:db8::1]:4242", None, &lines), Owner::NotFound);
    }

    #[test]
    fn a_line_that_is_none_is_an_error() {
        let ends = Ends {
            peer: Some("127.0.0.1:1".parse().unwrap()),
            local: None,
        };
        let whole = line("127.0.0.1:1", "127.0.0.1:2", "01", 5, 7);
        let read = |line: &str| Search::new(ends).read(format!("{HEAD}{line}").as_bytes());
        read(&whole).unwrap();
        for cut in [
            "",
            "   0: ",
            "   0: 0100007F:0001 ",
            whole.split(" 00:").next().unwrap(),
        ] {
            read(&format!("{cut}\n")).unwrap_err();
        }
        read(&whole.replace(" 7 ", " seven ")).unwrap_err();
    }

    /// What this very system says of sockets of ours.
    #[test]
    fn our_own_clients_are_ours() {
        let us = runs_as().unwrap();
        for (bind, connect) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("127.0.0.1:0", "::ffff:127.0.0.1"),
            ("[::1]:0", "::1"),
        ] {
            let Ok(listener) = TcpListener::bind(bind) else {
                continue; // no IPv6 here
            };
            let ip: IpAddr = connect.parse().unwrap();
            let ours = listener.local_addr().unwrap();
            let client = TcpStream::connect((ip, ours.port())).unwrap();
            let canonical =
                |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
            let peer = canonical(client.local_addr().unwrap());
            let whole = Ends {
                peer: Some(peer),
                local: Some(ours),
            };
            assert_eq!(look_up(whole, us), user(us), "{connect}");
            let nobody = Ends {
                peer: Some(peer),
                local: Some(SocketAddr::new(ours.ip(), 1)),
            };
            assert_eq!(look_up(nobody, us), Owner::NotFound, "{connect}");
            let _accepted = listener.accept().unwrap();
            drop(client);
            assert_ne!(look_up(whole, us), user(us), "{connect}: closed");
        }
    }

    #[test]
    fn the_effective_user_counts() {
        let status = "Name:\tapp\nUmask:\t0022\nUid:\t1000\t33\t0\t0\nGid:\t5\t5\t5\t5\n";
        assert_eq!(effective_user(status), Some(33));
        assert_eq!(effective_user("Name:\tapp\n"), None);
        assert_eq!(effective_user("Uid:\t1\n"), None);
    }

    #[test]
    fn a_kernel_of_wsl_says_so() {
        for release in [
            "5.15.153.1-microsoft-standard-WSL2",
            "4.4.0-19041-Microsoft\n",
            "6.6-WSL2-own",
        ] {
            assert!(is_wsl(release), "{release}");
        }
        for release in ["6.1.0-18-amd64", "5.15.0-1053-azure", ""] {
            assert!(!is_wsl(release), "{release}");
        }
    }

    #[test]
    fn a_name_is_shown_if_it_is_one() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nwww-data:x:33:33::/:\n<b>:x:34:34::/:\n:x:35:35::/:\n";
        assert_eq!(name_in(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_in(passwd, 33).as_deref(), Some("www-data"));
        for uid in [3, 34, 35, 330] {
            assert_eq!(name_in(passwd, uid), None, "{uid}");
        }
    }
}
