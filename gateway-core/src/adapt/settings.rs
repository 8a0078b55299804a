use std::sync::Arc;
use std::time::Duration;

use crate::stream::patience::{MINIMUM_RATE, Patience, STALL};
use crate::threads::lend::Lender;
use crate::threads::pool::Pool;
use crate::threads::work::Limits;

const INPUT_BUFFER: usize = 64 * 1024;

/// The application, its threads, and how they are used.
pub(super) struct Threads<A> {
    pub(super) application: Arc<A>,
    pub(super) lender: Lender,
    pub(super) settings: Settings,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) threads: usize,
    pub(super) held_threads: Option<usize>,
    pub(super) input_buffer: usize,
    pub(super) output_buffer: Option<usize>,
    pub(super) stall_timeout: Duration,
    pub(super) minimum_rate: u32,
    pub(super) wait_timeout: Option<Duration>,
    pub(super) paced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: Limits::default().threads,
            held_threads: None,
            input_buffer: INPUT_BUFFER,
            output_buffer: None,
            stall_timeout: STALL,
            minimum_rate: MINIMUM_RATE,
            wait_timeout: None,
            paced: true,
        }
    }
}

impl<A> Threads<A> {
    pub(super) fn new(application: Arc<A>, settings: Settings) -> Self {
        let held = settings.held_threads.unwrap_or(settings.threads / 4);
        let limits = Limits {
            threads: settings.threads,
            held: held.clamp(1, settings.threads),
            paced: settings.paced,
        };
        Self {
            application,
            lender: Lender::new(limits),
            settings,
        }
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        self.lender.pool()
    }

    /// For a client that sends.
    pub(super) fn reading_patience(&self) -> Patience {
        self.patience().among(self.pool().reading_contended())
    }

    /// For a client that takes.
    pub(super) fn writing_patience(&self) -> Patience {
        self.patience().among(self.pool().writing_contended())
    }

    fn patience(&self) -> Patience {
        let Settings {
            stall_timeout,
            minimum_rate,
            ..
        } = self.settings;
        Patience::new(stall_timeout).with_rate(minimum_rate)
    }

    pub(super) fn input_buffer(&self) -> usize {
        self.settings.input_buffer
    }
}
