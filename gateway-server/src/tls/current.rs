use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::rustls::ServerConfig;
use tracing::info;

use super::config::Config;
use super::files::PemFiles;
use crate::log::operator;

/// How often it is looked whether files have changed, at most.
const LOOK: Duration = Duration::from_secs(1);

/// What new connections go by, and where it comes from.
#[derive(Debug)]
pub(super) struct Current {
    config: RwLock<Config>,
    // `None`: the program's own.
    files: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    files: PemFiles,
    look: Mutex<Look>,
    // One at a time: the last to begin is the last to be heard.
    reading: Mutex<()>,
}

#[derive(Debug)]
struct Look {
    next: Instant,
    // On a thread, perhaps on a file system that does not answer: one is enough.
    under_way: bool,
    // What was seen at the last reading.
    seen: Vec<Option<Stamp>>,
}

impl Current {
    pub(super) fn own(config: Arc<ServerConfig>) -> Self {
        Self {
            config: RwLock::new(Config::own(config)),
            files: None,
        }
    }

    pub(super) fn read(files: PemFiles) -> io::Result<Self> {
        // Before they are read: what changes meanwhile is seen as changed.
        let seen = stamps(&files);
        let config = files.read()?;
        let next = Instant::now() + LOOK;
        Ok(Self {
            config: RwLock::new(config),
            files: Some(Watched {
                files,
                look: Mutex::new(Look {
                    next,
                    under_way: false,
                    seen,
                }),
                reading: Mutex::default(),
            }),
        })
    }

    #[cfg(unix)]
    pub(super) fn hears_hangup(&self) -> bool {
        let files = self.files.as_ref();
        files.is_some_and(|watched| watched.files.hears_hangup())
    }

    pub(super) fn get(&self) -> Config {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        config.clone()
    }

    pub(super) fn replace(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The present one, after a look at the files if the last is a second ago. Others who come meanwhile do not wait
    /// for the look: a file system that hangs must not hold up all.
    pub(super) async fn fresh(self: &Arc<Self>) -> Config {
        if self.is_time_to_look() {
            let this = Arc::clone(self);
            // Where the runtime ends, so does the server.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
        self.get()
    }

    fn is_time_to_look(&self) -> bool {
        let Some(watched) = &self.files else {
            return false;
        };
        let mut look = watched.look();
        let now = Instant::now();
        let is_time = now >= look.next && !look.under_way;
        look.under_way |= is_time;
        is_time
    }

    /// Reads the files if they have changed.
    fn look(&self) {
        let Some(watched) = &self.files else {
            return;
        };
        let stamps = stamps(&watched.files);
        let has_changed = {
            let mut look = watched.look();
            look.under_way = false;
            look.next = Instant::now() + LOOK;
            stamps != look.seen
        };
        if has_changed {
            // What is wrong with them was told.
            let _ = self.reload();
        }
    }

    /// Reads the files. What is wrong with them leaves all as it is, and is told the operator.
    pub(super) fn reload(&self) -> io::Result<()> {
        let Some(watched) = &self.files else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the configuration is the program's own: there are no files to read",
            ));
        };
        let reading = watched.reading.lock();
        let _reading = reading.unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&watched.files);
        let read = watched.files.read();
        watched.look().seen = stamps;
        match read {
            Ok(config) => {
                self.replace(config);
                info!("TLS certificates read again");
                Ok(())
            }
            Err(error) => {
                operator::warn(&format!(
                    "TLS certificates stay as they were, the new ones are not right: {error}"
                ));
                Err(error)
            }
        }
    }
}

impl Watched {
    fn look(&self) -> std::sync::MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What differs where a file was changed, or another has taken its name.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    identity: (u64, u64, i64, i64),
}

fn stamps(files: &PemFiles) -> Vec<Option<Stamp>> {
    files.paths().map(stamp).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = path.metadata().ok()?;
    Some(Stamp {
        modified: metadata.modified().ok(),
        length: metadata.len(),
        #[cfg(unix)]
        identity: {
            use std::os::unix::fs::MetadataExt;
            let of = &metadata;
            (of.dev(), of.ino(), of.ctime(), of.ctime_nsec())
        },
    })
}
