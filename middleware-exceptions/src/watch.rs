//! What travels with a request from the call to the end of its response: one pointer.
//!
//! Futures and responses are moved a dozen times on their way through a server, and every byte of
//! them costs. So this is boxed, and the boxes are used again: a thread that has served a
//! request allocates nothing for the next.

use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Request, response::Parts};
use http_body::{Frame, SizeHint};

use crate::{
    body::Failing,
    finish::Finishing,
    future::may_append,
    layer::Config,
    summary::{Known, Seen},
};

/// So many boxes wait on a thread. More requests than that at once allocate.
const KEPT: u32 = 256;

thread_local! {
    static FREE: Cell<Option<Box<Watch>>> = const { Cell::new(None) };
}

pub(crate) struct Watch {
    /// `None` only of a body that no request is known of. While it waits, what it had before, if that is plain.
    config: Option<Arc<Config>>,
    pub(crate) seen: Seen,
    /// The failure of the handler.
    pub(crate) finishing: Option<Box<Finishing>>,
    /// What the body's first poll gave, before the head went out.
    pub(crate) first: First,
    /// The size while `first` waits.
    pub(crate) whole: SizeHint,
    /// Whether it is text that a traceback may be appended to.
    pub(crate) may_append: bool,
    /// A panic in `size_hint` or `is_end_stream`, which return no errors: the next poll does.
    pub(crate) hint_failed: Cell<bool>,
    /// The failure of the body.
    pub(crate) failing: Option<Box<Failing>>,
    next: Option<Box<Self>>,
    waiting: u32,
}

pub(crate) enum First {
    Nothing,
    Data(Bytes),
    /// Boxed: rare, and three times the size of `Bytes`.
    Trailers(Box<HeaderMap>),
    End,
}

impl First {
    /// Of a frame that is no data.
    #[cold]
    pub(crate) fn of_other(frame: Frame<Bytes>) -> Self {
        match frame.into_trailers() {
            Ok(trailers) => Self::Trailers(Box::new(trailers)),
            // There is no third kind.
            Err(_) => Self::Nothing,
        }
    }
}

impl Watch {
    #[inline(always)]
    pub(crate) fn of<B>(request: &Request<B>, method: Known, config: &Arc<Config>) -> Box<Self> {
        let mut watch = Self::take();
        // All requests of all threads share this one count: most leave it alone.
        match &watch.config {
            Some(kept) if Arc::ptr_eq(kept, config) => {}
            _ => watch.adopt(config),
        }
        watch.seen.see(request, method);
        watch
    }

    #[inline(never)]
    fn adopt(&mut self, config: &Arc<Config>) {
        self.config = Some(Arc::clone(config));
        self.seen.is_untidy |= !config.is_plain;
    }

    /// Of a request of which more is remembered than the happy path can afford.
    pub(crate) fn in_detail<B>(request: &Request<B>, config: &Arc<Config>) -> Box<Self> {
        let method = Known::of(request.method()).unwrap_or(Known::Get);
        let mut watch = Self::of(request, method, config);
        watch.seen.see_details(request, config);
        watch
    }

    /// Of a body that no request is known of.
    pub(crate) fn of_nothing() -> Box<Self> {
        let mut watch = Self::take();
        watch.config = None;
        watch
    }

    #[inline(always)]
    fn take() -> Box<Self> {
        let taken = FREE.try_with(
            #[inline(always)]
            |free| {
                let mut watch = free.take()?;
                mem::forget(free.replace(watch.next.take()));
                Some(watch)
            },
        );
        match taken {
            Ok(Some(watch)) => watch,
            _ => Self::fresh(),
        }
    }

    #[cold]
    #[inline(never)]
    fn fresh() -> Box<Self> {
        Box::new(Self {
            config: None,
            seen: Seen::nothing(),
            finishing: None,
            first: First::Nothing,
            whole: SizeHint::new(),
            may_append: false,
            hint_failed: Cell::new(false),
            failing: None,
            next: None,
            waiting: 0,
        })
    }

    /// Puts it back. What has come through a failure is dropped instead.
    #[inline(always)]
    pub(crate) fn put_back(self: Box<Self>) {
        let is_clean = self.finishing.is_none()
            && self.failing.is_none()
            && matches!(self.first, First::Nothing)
            && !self.may_append
            && !self.hint_failed.get();
        if is_clean {
            self.put_back_unused();
        } else {
            self.throw_away();
        }
    }

    /// Puts back one whose body was never handed out.
    #[inline(always)]
    pub(crate) fn put_back_unused(self: Box<Self>) {
        if self.seen.is_untidy {
            self.put_back_tidied();
        } else {
            self.wait();
        }
    }

    /// A box that waits keeps nothing alive that anybody could miss.
    #[inline(never)]
    fn put_back_tidied(mut self: Box<Self>) {
        if self.seen.is_reusable() {
            self.config = None;
            self.seen.is_untidy = false;
            self.wait();
        }
    }

    #[inline(always)]
    fn wait(mut self: Box<Self>) {
        // An error: the thread is ending.
        let Ok(next) = FREE.try_with(Cell::take) else {
            self.throw_away();
            return;
        };
        let waiting = match &next {
            Some(next) => next.waiting,
            None => 0,
        };
        if waiting >= KEPT {
            Self::put_back_all(next);
            self.throw_away();
            return;
        }
        self.waiting = waiting + 1;
        // Both were taken: nothing is there to be dropped.
        mem::forget(mem::replace(&mut self.next, next));
        Self::put_back_all(Some(self));
    }

    #[inline(always)]
    fn put_back_all(list: Option<Box<Self>>) {
        let mut list = ManuallyDrop::new(list);
        _ = FREE.try_with(|free| mem::forget(free.replace(list.take())));
    }

    #[cold]
    #[inline(never)]
    fn throw_away(self: Box<Self>) {
        drop(self);
    }

    /// Whether [`look_at`](Self::look_at) has something to look for.
    #[inline(always)]
    pub(crate) fn appends(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.append)
    }

    /// Takes and gives back: see the caller on the address of a response.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_at(&mut self, (parts,): (ManuallyDrop<Parts>,)) -> ManuallyDrop<Parts> {
        self.may_append = may_append(&parts.headers, &self.seen);
        parts
    }

    pub(crate) fn config(&self) -> Option<&Arc<Config>> {
        self.config.as_ref()
    }
}
