//! Something that must be dropped exactly once, on a thread that may block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Counts what becomes of its [`Guest`]s.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    wrongs: Arc<Mutex<Vec<String>>>,
}

pub(crate) struct Guest {
    witness: Witness,
}

impl Witness {
    pub(crate) fn guest(&self) -> Guest {
        self.made.fetch_add(1, Ordering::SeqCst);
        Guest {
            witness: self.clone(),
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Waits for `count` drops, and then a little for one too many.
    #[track_caller]
    pub(crate) fn expect(&self, count: usize, what: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.dropped() < count && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(self.dropped(), count, "{what}: drops");
        assert_eq!(self.made(), count, "{what}: made");
        let wrongs = self.wrongs.lock().unwrap();
        assert!(wrongs.is_empty(), "{what}: {wrongs:?}");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.witness.dropped.fetch_add(1, Ordering::SeqCst);
        if !may_block() {
            let thread = format!("{:?}", std::thread::current());
            self.witness.wrongs.lock().unwrap().push(thread);
        }
    }
}

/// What tokio thinks of it: `block_on` panics on a thread that drives tasks.
pub(crate) fn may_block() -> bool {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return true;
    };
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {}))).is_ok()
}
