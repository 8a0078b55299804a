//! Files that are kept open, small ones with their bytes. An entry is valid as long as `fstat` of its descriptor gives the same state.
//!
//! A hit asks the kernel about the kept descriptor (once a millisecond is enough), which sees what changed in place, was renamed over or
//! unlinked. What it cannot see, a parent directory or a link that leads elsewhere now, is seen within [`TTL`]:
//! then the name is looked up again. A write through a shared memory mapping may be seen later: file systems change a
//! file's times only when they write such pages back, seconds later.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;

use crate::answer::representation::Representation;
use crate::protocol::negotiate::Preference;
use crate::settings::Limits;
use crate::source::Stamp;

/// How long a look-up of a name stays valid. Together with the same time for the root it is less than the second within
/// which every change is promised to be seen.
const TTL: Duration = Duration::from_millis(500);

/// How long the answer of an `fstat` stays valid. Clocks of file systems tick no faster, so asking more often would see no
/// more; under load many requests share one `fstat`.
const ASKED_TTL: u64 = 1;

/// An entry that was not asked for in this long is closed: a file that was deleted takes room on the disk until then.
const IDLE: Duration = Duration::from_secs(5);

/// How often caches that are not empty are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Enough shards that two threads rarely want the same one at the same moment.
const SHARDS: usize = 16;

/// How many entries are looked at for one to evict, at each insertion.
const LOOKS: usize = 4;

/// Files by the path of the request and, where siblings are negotiated, the codings it accepts.
pub(crate) struct Cache {
    limits: Limits,
    shards: Box<[RwLock<Shard>]>,
    bytes: AtomicUsize,
    descriptors: AtomicUsize,
    start: Instant,
    /// Whether the sweeper has this cache on its list.
    swept: AtomicBool,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Arc<[u8]>, Arc<CachedFile>>,
    /// The keys in the order of insertion: where eviction looks for a candidate.
    order: VecDeque<Arc<[u8]>>,
}

/// A file that is kept.
pub(crate) struct CachedFile {
    pub(crate) representation: Representation,
    /// The fields of a 304, made once.
    pub(crate) unchanged: HeaderMap,
    pub(crate) bytes: Option<Bytes>,
    pub(crate) stamp: Stamp,
    looked_up: AtomicU64,
    asked: AtomicU64,
    used: AtomicU64,
}

/// The key of an entry: the path, and whatever else decides the answer. It is on the stack, so that a look-up allocates nothing.
pub(crate) struct Key {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Key {
    const LONGEST: usize = 256;

    /// `None` for a path too long to be worth keeping.
    pub(crate) fn new(path: &[u8], preference: Preference) -> Option<Self> {
        let length = path.len() + 3;
        let mut bytes = [0; Self::LONGEST];
        let (place, rest) = bytes.get_mut(..length)?.split_at_mut_checked(path.len())?;
        place.copy_from_slice(path);
        // Paths hold no NUL, so a path with a code never equals another path.
        let [high, low] = preference.code().to_be_bytes();
        rest.copy_from_slice(&[0, high, low]);
        Some(Self { bytes, length })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The result of a look-up in the cache.
pub(crate) enum Hit {
    /// The file, unchanged: its descriptor gives the same state.
    Fresh(Arc<CachedFile>),
    /// The name has to be looked up again. If it leads to the same file in the same state, call [`Cache::renew`].
    Stale(Arc<CachedFile>),
}

impl Cache {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            bytes: AtomicUsize::new(0),
            descriptors: AtomicUsize::new(0),
            start: Instant::now(),
            swept: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn shard(&self, key: &[u8]) -> Option<&RwLock<Shard>> {
        // This hash only spreads keys over shards. A client that makes all keys fall into one shard gains nothing: the limits
        // are those of the whole cache, and the map inside hashes with a secret.
        let sum = key.iter().fold(0_usize, |sum, &byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.shards.get(sum % SHARDS)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Hit> {
        let now = self.now();
        let key = key.as_bytes();
        let shard = self
            .shard(key)?
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let kept = shard.entries.get(key).cloned()?;
        drop(shard);
        // Both threads want the same few files: a store that changes nothing would still take the line away from the other.
        if kept.used.load(Ordering::Relaxed) != now {
            kept.used.store(now, Ordering::Relaxed);
        }
        let known = now.saturating_sub(kept.looked_up.load(Ordering::Relaxed)) < millis(TTL);
        if known && now.saturating_sub(kept.asked.load(Ordering::Relaxed)) < ASKED_TTL {
            return Some(Hit::Fresh(kept));
        }
        if known
            && matches!(kept.representation.content.stamp(), Some(Ok(stamp)) if stamp == kept.stamp)
        {
            kept.asked.store(now, Ordering::Relaxed);
            Some(Hit::Fresh(kept))
        } else {
            Some(Hit::Stale(kept))
        }
    }

    /// The name still leads to the same file in the same state.
    pub(crate) fn renew(&self, kept: &CachedFile) {
        kept.looked_up.store(self.now(), Ordering::Relaxed);
    }

    /// Whether a file of this length may be kept with its bytes.
    pub(crate) fn takes_bytes(&self, length: u64) -> bool {
        length <= crate::source::pool::CHUNK as u64 && length <= self.limits.bytes as u64
    }

    pub(crate) fn insert(
        self: &Arc<Self>,
        key: &Key,
        representation: Representation,
        stamp: Stamp,
        bytes: Option<Bytes>,
    ) {
        let key = key.as_bytes();
        let Some(shard) = self.shard(key) else { return };
        let now = self.now();
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        self.remove_from(&mut shard, key);
        let size = bytes.as_ref().map_or(0, Bytes::len);
        if !self.make_room(&mut shard, size, now) {
            return;
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        self.descriptors.fetch_add(1, Ordering::Relaxed);
        let unchanged = crate::answer::prepared::unchanged(representation.head.clone());
        let [looked_up, asked, used] = [now; 3].map(AtomicU64::new);
        let kept = CachedFile {
            representation,
            unchanged,
            bytes,
            stamp,
            looked_up,
            asked,
            used,
        };
        let key: Arc<[u8]> = key.into();
        shard.order.push_back(Arc::clone(&key));
        shard.entries.insert(key, Arc::new(kept));
        drop(shard);
        // In the opposite order to `leaves_sweeper`: one of both sees what the other did.
        fence(Ordering::SeqCst);
        if !self.swept.swap(true, Ordering::SeqCst) {
            sweep_from_now_on(self);
        }
    }

    /// A full cache takes a new file only in place of one that was not asked for during a second. Otherwise more files
    /// than fit, all in use, would push each other out, and each be opened, kept and closed for nothing.
    fn make_room(&self, shard: &mut RwLockWriteGuard<'_, Shard>, size: usize, now: u64) -> bool {
        let full = |size| {
            self.bytes.load(Ordering::Relaxed) + size > self.limits.bytes
                || self.descriptors.load(Ordering::Relaxed) + 1 > self.limits.descriptors
        };
        for _ in 0..LOOKS {
            if !full(size) {
                return true;
            }
            let Some(key) = shard.order.pop_front() else {
                return false;
            };
            let wanted = shard.entries.get(&key).is_some_and(|kept| {
                now.saturating_sub(kept.used.load(Ordering::Relaxed))
                    < millis(Duration::from_secs(1))
            });
            if wanted {
                shard.order.push_back(key);
            } else {
                self.remove_from(shard, &key);
            }
        }
        !full(size)
    }

    pub(crate) fn remove(&self, key: &Key) {
        let key = key.as_bytes();
        if let Some(shard) = self.shard(key) {
            self.remove_from(
                &mut shard.write().unwrap_or_else(PoisonError::into_inner),
                key,
            );
        }
    }

    fn remove_from(&self, shard: &mut RwLockWriteGuard<'_, Shard>, key: &[u8]) {
        if let Some(kept) = shard.entries.remove(key) {
            self.bytes
                .fetch_sub(kept.bytes.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
            self.descriptors.fetch_sub(1, Ordering::Relaxed);
            // A name may come and go many times before its turn in the order comes.
            shard.order.retain(|other| **other != *key);
        }
    }

    /// Closes all files, because other code needs the descriptors.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            self.keep_if(
                &mut shard.write().unwrap_or_else(PoisonError::into_inner),
                |_| false,
            );
        }
    }

    /// Closes what was not asked for in so long. Whether nothing is left.
    fn sweep(&self) -> bool {
        let now = self.now();
        for shard in &self.shards {
            self.keep_if(
                &mut shard.write().unwrap_or_else(PoisonError::into_inner),
                |kept| now.saturating_sub(kept.used.load(Ordering::Relaxed)) < millis(IDLE),
            );
        }
        self.is_empty()
    }

    /// Whether the sweeper may forget it. What is inserted from now on makes itself known again.
    fn leaves_sweeper(&self) -> bool {
        self.swept.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.is_empty() || self.swept.swap(true, Ordering::SeqCst)
    }

    fn is_empty(&self) -> bool {
        self.descriptors.load(Ordering::Relaxed) == 0
    }

    fn keep_if(&self, shard: &mut RwLockWriteGuard<'_, Shard>, keep: impl Fn(&CachedFile) -> bool) {
        let shard = &mut **shard;
        shard.entries.retain(|_, kept| {
            let stays = keep(kept);
            if !stays {
                self.bytes
                    .fetch_sub(kept.bytes.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
                self.descriptors.fetch_sub(1, Ordering::Relaxed);
            }
            stays
        });
        shard.order.retain(|key| shard.entries.contains_key(key));
    }
}

/// The caches of this process that hold something. One thread looks at them, and ends when there are none: a server that
/// is idle holds no file open, and runs nothing.
static SWEPT: Mutex<Vec<Weak<Cache>>> = Mutex::new(Vec::new());

fn swept() -> MutexGuard<'static, Vec<Weak<Cache>>> {
    SWEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sweep_from_now_on(cache: &Arc<Cache>) {
    let mut caches = swept();
    caches.push(Arc::downgrade(cache));
    if caches.len() == 1 {
        let sweeper = thread::Builder::new().name("static-sweep".to_owned());
        if sweeper.spawn(sweep_until_empty).is_err() {
            // Without threads: at the next insertion once more.
            caches.clear();
            cache.swept.store(false, Ordering::Relaxed);
        }
    }
}

fn sweep_until_empty() {
    loop {
        thread::sleep(SWEEP_EVERY);
        // Sweep outside the list's lock: closing a file may be slow.
        let caches: Vec<_> = swept().iter().filter_map(Weak::upgrade).collect();
        let empty: Vec<_> = caches.into_iter().filter(|cache| cache.sweep()).collect();
        let mut caches = swept();
        caches.retain(|known| {
            known.strong_count() > 0
                && !empty.iter().any(|cache| {
                    let done = Weak::ptr_eq(known, &Arc::downgrade(cache));
                    done && cache.leaves_sweeper()
                })
        });
        if caches.is_empty() {
            return;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
