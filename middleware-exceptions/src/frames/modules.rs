//! Where an address is in the file that it was loaded from: what `addr2line` and `llvm-symbolizer` ask for.

use std::{fmt, sync::Arc};

/// A place in a program or library, where its symbols do not say more.
///
/// Its text is the file, the address in it as `addr2line` and `llvm-symbolizer` take it, and the build id by which
/// the unstripped file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    pub(crate) module: Arc<str>,
    pub(crate) address: u64,
    pub(crate) build_id: Option<Arc<str>>,
    pub(crate) is_of_program: bool,
}

impl Offset {
    /// The file of the program or library.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The address of the call, as the file counts: not where it was loaded.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// What the linker calls this build, in hexadecimal.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// `shop 0x1b2c3` of `/srv/shop`.
    pub(crate) fn short(&self) -> String {
        format!("{} {:#x}", self.file_name(), self.address)
    }

    fn file_name(&self) -> &str {
        self.module.rsplit('/').next().unwrap_or_default()
    }

    /// `libc` of `/lib/x86_64-linux-gnu/libc.so.6`.
    pub(crate) fn library(&self) -> &str {
        self.file_name().split(".so").next().unwrap_or_default()
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x}", self.module, self.address)?;
        match &self.build_id {
            Some(id) => write!(f, " (build id {id})"),
            None => Ok(()),
        }
    }
}

/// The files that are loaded, looked up for one traceback.
#[derive(Default)]
pub(crate) struct Modules {
    #[cfg(target_os = "linux")]
    loaded: Option<linux::Loaded>,
}

impl Modules {
    /// Where a call returns to is behind it.
    #[cfg(target_os = "linux")]
    pub(crate) fn call_before(&mut self, address: usize) -> Option<Offset> {
        let loaded = self.loaded.get_or_insert_with(linux::Loaded::read);
        loaded.find(u64::try_from(address.checked_sub(1)?).ok()?)
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn call_before(&mut self, _: usize) -> Option<Offset> {
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        collections::HashMap,
        fs::{self, File},
        os::unix::fs::FileExt as _,
        sync::Arc,
    };

    use super::Offset;
    use crate::{frames::elf::Elf, text::shown};

    const PROGRAM: &str = "/proc/self/exe";

    pub(super) struct Loaded {
        mappings: Vec<Mapping>,
        program: String,
        /// By path.
        files: HashMap<String, Option<Module>>,
    }

    struct Module {
        shown: Arc<str>,
        build_id: Option<Arc<str>>,
        elf: Elf,
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Mapping {
        start: u64,
        end: u64,
        offset: u64,
        path: String,
    }

    impl Loaded {
        pub(super) fn read() -> Self {
            let maps = fs::read("/proc/self/maps").unwrap_or_default();
            let maps = String::from_utf8_lossy(&maps);
            let program = fs::read_link(PROGRAM).unwrap_or_default();
            Self {
                mappings: maps.lines().filter_map(mapping).collect(),
                program: program.to_string_lossy().into_owned(),
                files: HashMap::new(),
            }
        }

        pub(super) fn find(&mut self, address: u64) -> Option<Offset> {
            let is_in = |mapping: &&Mapping| (mapping.start..mapping.end).contains(&address);
            let mapping = self.mappings.iter().find(is_in)?;
            let is_of_program = mapping.path == self.program;
            let module = self.files.entry(mapping.path.clone());
            let module = module.or_insert_with(|| {
                // The program's own file may have been replaced by another build, or deleted.
                let elf = open(if is_of_program {
                    PROGRAM
                } else {
                    &mapping.path
                })?;
                let path = mapping.path.strip_suffix(" (deleted)");
                Some(Module {
                    shown: shown::line(path.unwrap_or(&mapping.path), 512).into(),
                    build_id: elf.build_id.as_deref().map(Into::into),
                    elf,
                })
            });
            let module = module.as_ref()?;
            let offset = (address - mapping.start).checked_add(mapping.offset)?;
            Some(Offset {
                module: Arc::clone(&module.shown),
                address: module.elf.address_of(offset)?,
                build_id: module.build_id.clone(),
                is_of_program,
            })
        }
    }

    fn open(path: &str) -> Option<Elf> {
        // Check before the open, because the path may name a pipe by now.
        if !fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        Elf::parse(|at, len| {
            let mut bytes = vec![0; usize::try_from(len).ok()?];
            file.read_exact_at(&mut bytes, at).ok()?;
            Some(bytes)
        })
    }

    /// `55d0c8a00000-55d0c8a2c000 r-xp 00002000 08:01 1234      /srv/my shop` (proc_pid_maps(5)).
    fn mapping(line: &str) -> Option<Mapping> {
        let mut columns = line.splitn(6, ' ');
        let (start, end) = columns.next()?.split_once('-')?;
        let offset = columns.nth(1)?;
        let path = columns.nth(2)?.trim_start();
        let number = |hex| u64::from_str_radix(hex, 16).ok();
        path.starts_with('/').then_some(Mapping {
            start: number(start)?,
            end: number(end)?,
            offset: number(offset)?,
            path: path.to_owned(),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_line_of_the_map_names_a_file_or_none() {
            let line =
                "55d0c8a00000-55d0c8a2c000 r-xp 00002000 08:01 1234      /srv/my shop (deleted)";
            let found = mapping(line).unwrap();
            assert_eq!(
                (found.start, found.end),
                (0x55d0_c8a0_0000, 0x55d0_c8a2_c000)
            );
            assert_eq!(
                (found.offset, &*found.path),
                (0x2000, "/srv/my shop (deleted)")
            );
            for none in [
                "7ffc0d5e0000-7ffc0d601000 rw-p 00000000 00:00 0          [stack]",
                "7ffc0d5e0000-7ffc0d601000 rw-p 00000000 00:00 0 ",
                "x-y r-xp 00000000 08:01 1 /srv/shop",
                "",
            ] {
                assert_eq!(mapping(none), None, "{none}");
            }
        }

        #[test]
        fn a_function_of_ours_is_in_this_program_and_one_of_libc_in_that() {
            fn here() {}
            let mut loaded = Loaded::read();
            let ours = loaded.find(here as fn() as usize as u64).unwrap();
            assert!(ours.is_of_program, "{ours}");
            let program = std::env::current_exe().unwrap();
            assert_eq!(*ours.module, *program.to_str().unwrap());
            assert_eq!(loaded.find(8), None);
        }
    }
}
