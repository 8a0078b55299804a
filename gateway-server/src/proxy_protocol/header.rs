//! The header, from bytes to values.

use std::io;
use std::net::SocketAddr;

use gateway_core::request::Addr;
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What both versions have at the least before anything that is not theirs: the signature of version 2. The shortest
/// header of version 1, `PROXY UNKNOWN` and its line's end, has 15 bytes.
const FIRST: usize = 12;
const SIGNATURE: [u8; FIRST] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 and the command LOCAL.
const LOCAL: u8 = 0x20;
/// Section 2.1: the longest line.
const LONGEST_LINE: usize = 107;
/// Of version 2, addresses and extensions. Nothing that is in use comes near to this: certificates are not sent, only names.
const MOST_BYTES: usize = 4096;

/// What a header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Who the client is, and which address it connected to.
    pub(super) addrs: Option<(Addr, Addr)>,
    /// The client speaks TLS to the balancer.
    pub(super) is_tls: bool,
}

/// Reads a header to its end, and not a byte more.
pub(super) async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Said> {
    let mut first = [0; FIRST];
    io.read_exact(&mut first).await?;
    if first == SIGNATURE {
        let mut rest = [0; 4];
        io.read_exact(&mut rest).await?;
        let [_, _, high, low] = rest;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MOST_BYTES {
            return Err(refused("is longer than 4096 bytes"));
        }
        let mut header = Vec::with_capacity(FIRST + rest.len() + length);
        header.extend(first);
        header.extend(rest);
        let bytes = io.take(length as u64).read_to_end(&mut header).await?;
        if bytes < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        return binary(&header);
    }
    if !first.starts_with(b"PROXY ") {
        return Err(refused("is none"));
    }
    let mut line = first.to_vec();
    while !line.ends_with(b"\n") {
        // Never beyond the line: after a CR only its LF is left, before it there are both.
        let mut next = [0; 2];
        let least = if line.ends_with(b"\r") { 1 } else { 2 };
        let (next, _) = next.split_at_mut(least);
        io.read_exact(next).await?;
        line.extend_from_slice(next);
        if line.len() > LONGEST_LINE {
            return Err(refused("is longer than 107 bytes"));
        }
    }
    text(&line)
}

/// Version 1.
fn text(line: &[u8]) -> io::Result<Said> {
    let header = v1::Header::try_from(line).map_err(malformed)?;
    if header.header.len() != line.len() {
        return Err(refused("is no single line"));
    }
    Ok(Said {
        addrs: match header.addresses {
            v1::Addresses::Unknown => None,
            v1::Addresses::Tcp4(ends) => Some(pair(
                (ends.source_address, ends.source_port),
                (ends.destination_address, ends.destination_port),
            )),
            v1::Addresses::Tcp6(ends) => Some(pair(
                (ends.source_address, ends.source_port),
                (ends.destination_address, ends.destination_port),
            )),
        },
        is_tls: false,
    })
}

/// Version 2.
fn binary(header: &[u8]) -> io::Result<Said> {
    // Section 2.2: a LOCAL connection is the balancer's own, and the rest of its header is not looked at, whatever it is.
    if header.get(FIRST) == Some(&LOCAL) {
        return Ok(Said::default());
    }
    let header = v2::Header::try_from(header).map_err(malformed)?;
    let mut said = Said::default();
    for extension in header.tlvs() {
        let extension = extension.map_err(malformed)?;
        if extension.kind == u8::from(v2::Type::SSL) {
            // PP2_CLIENT_SSL, section 2.2.6.
            said.is_tls = extension.value.first().is_some_and(|flags| flags & 1 != 0);
        }
    }
    if header.protocol == v2::Protocol::Datagram {
        return Err(refused("is of a datagram"));
    }
    said.addrs = match header.addresses {
        v2::Addresses::Unspecified => None,
        v2::Addresses::IPv4(ends) => Some(pair(
            (ends.source_address, ends.source_port),
            (ends.destination_address, ends.destination_port),
        )),
        v2::Addresses::IPv6(ends) => Some(pair(
            (ends.source_address, ends.source_port),
            (ends.destination_address, ends.destination_port),
        )),
        // Of the balancer's machine, and no path of ours.
        v2::Addresses::Unix(_) => Some((Addr::Unix(None), Addr::Unix(None))),
    };
    Ok(said)
}

fn pair(client: impl Into<SocketAddr>, local: impl Into<SocketAddr>) -> (Addr, Addr) {
    (Addr::Ip(client.into()), Addr::Ip(local.into()))
}

fn refused(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the PROXY header {what}"),
    )
}

fn malformed(error: impl std::error::Error) -> io::Error {
    refused(&format!("is malformed: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is said, and what is left for the application.
    fn parse(bytes: &[u8]) -> io::Result<(Said, Vec<u8>)> {
        let mut rest = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let said = runtime.block_on(read(&mut rest))?;
        Ok((said, rest.to_vec()))
    }

    fn ends(client: &str, local: &str) -> Option<(Addr, Addr)> {
        Some((
            Addr::Ip(client.parse().unwrap()),
            Addr::Ip(local.parse().unwrap()),
        ))
    }

    fn version_2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        header.extend(payload);
        header
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 7, 0xDD, 0xD5, 0x01, 0xBB];

    #[test]
    fn a_header_names_the_client_and_what_it_connected_to_and_nothing_after_it_is_read() {
        let v6 = {
            let mut v6 = [0; 36];
            v6[0..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
            v6[15] = 1;
            v6[31] = 2;
            v6[33] = 80;
            v6[35] = 81;
            v6
        };
        let mut with_tls = V4.to_vec();
        // PP2_TYPE_ALPN, then PP2_TYPE_SSL with its flags and its verdict.
        with_tls.extend([1, 0, 2, b'h', b'2', 0x20, 0, 5, 0b1, 0, 0, 0, 0]);
        for (header, addrs, is_tls) in [
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.7 56789 443\r\n".to_vec(),
                ends("192.0.2.1:56789", "10.0.0.7:443"),
                false,
            ),
            (
                b"PROXY TCP6 2001:db8::1 ::2 80 81\r\n".to_vec(),
                ends("[2001:db8::1]:80", "[::2]:81"),
                false,
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None, false),
            (b"PROXY UNKNOWN ff::1 ff::2 1 2\r\n".to_vec(), None, false),
            (
                version_2(0x21, 0x11, &V4),
                ends("192.0.2.1:56789", "10.0.0.7:443"),
                false,
            ),
            (
                version_2(0x21, 0x21, &v6),
                ends("[2001:db8::1]:80", "[::2]:81"),
                false,
            ),
            (
                version_2(0x21, 0x11, &with_tls),
                ends("192.0.2.1:56789", "10.0.0.7:443"),
                true,
            ),
            // A health check, whatever else it says.
            (version_2(0x20, 0x11, &V4), None, false),
            (version_2(0x20, 0, &[]), None, false),
            // A family that there is not, addresses that are missing, an extension that goes beyond the end.
            (version_2(0x20, 0xf1, &V4), None, false),
            (version_2(0x20, 0x11, &[]), None, false),
            (version_2(0x20, 0, &[4, 0xff, 0xff, 0]), None, false),
            (version_2(0x21, 0, &[]), None, false),
            (
                version_2(0x21, 0x31, &[7; 216]),
                Some((Addr::Unix(None), Addr::Unix(None))),
                false,
            ),
        ] {
            let mut bytes = header.clone();
            bytes.extend(b"GET / HTTP/1.1\r\n");
            let (said, rest) = parse(&bytes).unwrap();
            let shown = header.escape_ascii().to_string();
            assert_eq!(said, Said { addrs, is_tls }, "{shown}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n", "{shown}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(100));
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00",
            b"proxy tcp4 192.0.2.1 10.0.0.7 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.7 1 2\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.7 1 2\rX\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.7 1\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.7 65536 2\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.7 -1 2\r\n",
            b"PROXY TCP4 192.0.2.999 10.0.0.7 1 2\r\n",
            b"PROXY TCP4 2001:db8::1 ::2 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 10.0.0.7 1 2\r\n",
            b"PROXY X\r\n\xff\xff\xff\r\nPROXY\r\n",
            long.as_bytes(),
            // No end.
            b"",
            b"PROXY",
            b"PROXY TCP4 192.0.2.1",
            &SIGNATURE,
            &version_2(0x21, 0x11, &V4)[..20],
            // Another version, command, family, protocol.
            &version_2(0x11, 0x11, &V4),
            &version_2(0x2f, 0x11, &V4),
            &version_2(0x21, 0xf1, &V4),
            &version_2(0x21, 0x1f, &V4),
            &version_2(0x21, 0x12, &V4),
            // Shorter than its addresses, longer than is read, an extension that goes beyond the end.
            &version_2(0x21, 0x11, &V4[..8]),
            &version_2(0x21, 0x11, &[0; MOST_BYTES + 1]),
            &version_2(0x21, 0x11, &[&V4[..], &[4, 0xff, 0xff, 0]].concat()),
        ] {
            assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_fatal(
            beginning in prop_oneof![
                Just(Vec::new()),
                Just(b"PROXY TCP4 ".to_vec()),
                Just(SIGNATURE.to_vec()),
                Just(version_2(0x21, 0x11, &V4)),
            ],
            cut in 0usize..40,
            rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = beginning;
            bytes.truncate(cut);
            bytes.extend(rest);
            let _ = parse(&bytes);
        }
    }
}
