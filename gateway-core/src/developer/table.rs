//! The tables of sockets in `/proc/net`, line by line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

/// One socket of `/proc/net/tcp` or `/proc/net/tcp6`.
pub(super) struct Row<'a> {
    local: &'a str,
    remote: &'a str,
    pub(super) state: &'a str,
    pub(super) uid: u32,
    pub(super) inode: u64,
}

/// States, as `include/net/tcp_states.h` numbers them.
pub(super) const ESTABLISHED: &str = "01";
pub(super) const TIME_WAIT: &str = "06";
/// The other side has sent all it will.
pub(super) const CLOSE_WAIT: &str = "08";
pub(super) const LISTEN: &str = "0A";

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut columns = line.split_ascii_whitespace();
        let (local, remote, state) = (columns.nth(1)?, columns.next()?, columns.next()?);
        Some(Self {
            local,
            remote,
            state,
            uid: columns.nth(3)?.parse().ok()?,
            inode: columns.nth(1)?.parse().ok()?,
        })
    }

    pub(super) fn is_from(&self, end: SocketAddr) -> bool {
        is_end(self.local, end)
    }

    pub(super) fn is_to(&self, end: SocketAddr) -> bool {
        is_end(self.remote, end)
    }

    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((end(self.local)?, end(self.remote)?))
    }
}

/// A table of this name, if the kernel has it: it may be without IPv6.
pub(super) fn open(name: &str) -> io::Result<Option<BufReader<File>>> {
    match File::open(Path::new("/proc/net").join(name)) {
        Ok(table) => Ok(Some(BufReader::new(table))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hands every row on. `None` from there is an error, as is a line that is none of such a table.
pub(super) fn read(
    table: impl BufRead,
    mut each: impl FnMut(Row<'_>) -> Option<()>,
) -> io::Result<()> {
    lines(table, |line| each(Row::parse(line)?))
}

/// Hands every line but the first on, which names the columns.
pub(super) fn lines(
    mut table: impl BufRead,
    mut each: impl FnMut(&str) -> Option<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    table.read_until(b'\n', &mut line)?;
    loop {
        line.clear();
        if table.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        each(&String::from_utf8_lossy(&line)).ok_or_else(odd)?;
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no line of a table of sockets")
}

/// The port first: it rules out most lines.
fn is_end(column: &str, end: SocketAddr) -> bool {
    let Some((address, port)) = column.split_once(':') else {
        return false;
    };
    u16::from_str_radix(port, 16) == Ok(end.port()) && address_of(address) == Some(end.ip())
}

fn end(column: &str) -> Option<SocketAddr> {
    let (address, port) = column.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(address_of(address)?, port))
}

/// Words of four bytes in the machine's own order, IPv4-mapped addresses as the IPv4 addresses they are.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (at, room) in octets.chunks_exact_mut(4).enumerate() {
                room.copy_from_slice(&word(at)?);
            }
            Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

/// What tests take tables from.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(in crate::developer) const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// One line of a table, as on a machine of this byte order.
    pub(in crate::developer) fn line(
        local: &str,
        remote: &str,
        state: &str,
        uid: u32,
        inode: u32,
    ) -> String {
        let column = |addr: &str| {
            let addr: SocketAddr = addr.parse().unwrap();
            let octets = match addr.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let words = octets.chunks(4).map(|word| {
                let word: [u8; 4] = word.try_into().unwrap();
                format!("{:08X}", u32::from_ne_bytes(word))
            });
            format!("{}:{:04X}", words.collect::<String>(), addr.port())
        };
        format!(
            "   0: {} {} {state} 00000000:00000000 00:00000000 00000000 {uid:>5}        0 {inode} 1 000000006e2a9b1c 20 4 30 10 -1\n",
            column(local),
            column(remote)
        )
    }
}
