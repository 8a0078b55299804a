//! As much of an ELF file as it takes to say where an address is in it (System V ABI, chapters 4 and 5).

use std::fmt::Write as _;

/// What is loaded from a file, and what the linker calls the build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    segments: Vec<Segment>,
    pub(crate) build_id: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

const SEGMENTS: u64 = 256;
/// In bytes.
const NOTES: u64 = 64 * 1024;
const BUILD_ID: u64 = 64;

const PT_LOAD: u64 = 1;
const PT_NOTE: u64 = 4;
const NT_GNU_BUILD_ID: u64 = 3;

impl Elf {
    /// Of a file of this machine's word size or another, in its byte order. `read` gives so many bytes at an offset.
    pub(crate) fn parse(read: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Option<Self> {
        let head = read(0, 64)?;
        let is_little = cfg!(target_endian = "little");
        let is_ours = head.get(5) == Some(if is_little { &1 } else { &2 });
        let wide = match head.get(..5)? {
            [0x7f, b'E', b'L', b'F', 2] if is_ours => true,
            [0x7f, b'E', b'L', b'F', 1] if is_ours => false,
            _ => return None,
        };
        let field = |bytes: &[u8], at: (usize, usize), size: (usize, usize)| match wide {
            true => number(bytes, at.0, size.0),
            false => number(bytes, at.1, size.1),
        };
        let table = field(&head, (32, 28), (8, 4))?;
        let size = field(&head, (54, 42), (2, 2))?;
        let count = field(&head, (56, 44), (2, 2))?.min(SEGMENTS);
        let mut elf = Self::default();
        for n in 0..count {
            let entry = read(table.checked_add(n * size)?, size)?;
            let kind = number(&entry, 0, 4)?;
            let segment = Segment {
                offset: field(&entry, (8, 4), (8, 4))?,
                size: field(&entry, (32, 16), (8, 4))?,
                address: field(&entry, (16, 8), (8, 4))?,
            };
            match kind {
                PT_LOAD => elf.segments.push(segment),
                PT_NOTE if elf.build_id.is_none() => {
                    let notes = read(segment.offset, segment.size.min(NOTES));
                    elf.build_id = notes.and_then(|notes| build_id(&notes));
                }
                _ => {}
            }
        }
        Some(elf)
    }

    /// The address that tools mean, of a byte at an offset of the file.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let within = offset.checked_sub(segment.offset)?;
            (within < segment.size).then(|| segment.address.wrapping_add(within))
        })
    }
}

/// In hexadecimal, as tools write it.
fn build_id(mut notes: &[u8]) -> Option<String> {
    loop {
        let (name, size, kind) = (
            number(notes, 0, 4)?,
            number(notes, 4, 4)?,
            number(notes, 8, 4)?,
        );
        let name_end = 12 + usize::try_from(name).ok()?;
        let start = name_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        if kind == NT_GNU_BUILD_ID && size <= BUILD_ID && notes.get(12..name_end)? == b"GNU\0" {
            let mut id = String::new();
            for byte in notes.get(start..end)? {
                _ = write!(id, "{byte:02x}");
            }
            return Some(id);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

/// In the machine's own byte order.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    let mut whole = [0; 8];
    let room = match cfg!(target_endian = "little") {
        true => whole.get_mut(..size),
        false => whole.get_mut(8 - size..),
    };
    room?.copy_from_slice(bytes);
    Some(u64::from_ne_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(file: &mut [u8], at: usize, size: usize, value: u64) {
        let bytes = value.to_ne_bytes();
        let bytes = match cfg!(target_endian = "little") {
            true => &bytes[..size],
            false => &bytes[8 - size..],
        };
        file[at..at + size].copy_from_slice(bytes);
    }

    /// With two segments and a note behind another.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 0x300];
        file[..5].copy_from_slice(b"\x7fELF\x02");
        file[5] = if cfg!(target_endian = "little") { 1 } else { 2 };
        put(&mut file, 32, 8, 64);
        put(&mut file, 54, 2, 56);
        put(&mut file, 56, 2, 3);
        let segments = [
            (PT_LOAD, 0, 0, 0x100),
            (PT_NOTE, 0x200, 0, 0x40),
            (PT_LOAD, 0x1000, 0x2000, 0x500),
        ];
        for (n, (kind, offset, address, size)) in segments.into_iter().enumerate() {
            let at = 64 + n * 56;
            put(&mut file, at, 4, kind);
            put(&mut file, at + 8, 8, offset);
            put(&mut file, at + 16, 8, address);
            put(&mut file, at + 32, 8, size);
        }
        let notes = [
            (0x200, 5, b"GNU\0", [9; 4]),
            (0x214, 3, b"GNU\0", [0xab, 1, 2, 0xff]),
        ];
        for (at, kind, name, id) in notes {
            put(&mut file, at, 4, 4);
            put(&mut file, at + 4, 4, 4);
            put(&mut file, at + 8, 4, kind);
            file[at + 12..at + 16].copy_from_slice(name);
            file[at + 16..at + 20].copy_from_slice(&id);
        }
        file
    }

    fn parse(file: &[u8]) -> Option<Elf> {
        Elf::parse(|at, size| {
            let start = usize::try_from(at).ok()?;
            let end = start.checked_add(usize::try_from(size).ok()?)?;
            Some(file.get(start..end)?.to_vec())
        })
    }

    #[test]
    fn an_offset_is_an_address_of_its_segment() {
        let elf = parse(&file()).unwrap();
        assert_eq!(elf.build_id.as_deref(), Some("ab0102ff"));
        for (offset, address) in [
            (0, Some(0)),
            (0xff, Some(0xff)),
            (0x100, None),
            (0x1000, Some(0x2000)),
            (0x14ff, Some(0x24ff)),
            (0x1500, None),
            (u64::MAX, None),
        ] {
            assert_eq!(elf.address_of(offset), address, "{offset:#x}");
        }
    }

    /// Each byte of it cut off, or turned into something else.
    #[test]
    fn a_file_that_is_none_is_none() {
        let whole = file();
        for len in 0..whole.len() {
            _ = parse(&whole[..len]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut odd = whole.clone();
                odd[at] = value;
                if let Some(elf) = parse(&odd) {
                    assert!(elf.build_id.is_none_or(|id| id.len() <= 128));
                }
            }
        }
        assert_eq!(parse(b"#!/bin/sh\n"), None);
    }
}
