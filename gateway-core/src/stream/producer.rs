//! What the producer of a body is doing, as a function from events to effects.
//!
//! No threads, no locks and no bytes: [`handoff`](super::handoff) performs the effects, and the model test below
//! drives [`Producer::on`] through random schedules. `S` is what makes the pieces, `F` is a failure.

/// What the producer is doing.
#[derive(Debug)]
pub(super) enum Producer<S, F> {
    /// It has not begun, or enough is queued: no thread has it, and none comes for it.
    Parked(S),
    /// A thread was asked for.
    Scheduled(S),
    /// A thread makes pieces.
    Running,
    /// A thread waits for the client to take some.
    WaitsForRoom,
    /// It has ended. `Some`: it failed, and the reader has yet to take the failure.
    Ended(Option<F>),
    /// The reader is gone. `Some`: a thread has yet to drop the source.
    Abandoned(Option<S>),
}

pub(super) enum Event<S, F> {
    /// The reader has found the queue empty.
    Awaited,
    /// The reader has made room that is worth a turn of the producer.
    RoomMade,
    /// The reader is gone.
    Dropped,
    /// A thread comes for the source.
    Begun,
    /// The thread has made enough for now.
    Filled(S),
    /// Others need the thread, and the client could take more.
    GaveWay(S),
    /// The thread has made more than fits, and cannot leave.
    FoundNoRoom,
    /// The thread does not wait any longer.
    GaveUp,
    /// The source has no more pieces.
    Ended(Option<F>),
}

/// What is to be done once the lock is released.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect<S, F> {
    Nothing,
    /// Find a thread for the source at once.
    Schedule,
    /// Find a thread that is awake: the reader still has pieces to send.
    ScheduleSoon,
    /// The reader waits for a thread that was asked for.
    Hurry,
    /// Tell the thread that there is room.
    WakeWriter,
    /// Make pieces of it, on this thread.
    Produce(S),
    /// Drop it on this thread: nothing reads its pieces.
    Drop(S),
    /// Have the source dropped by a thread that may block: one comes already, if it was `scheduled`.
    DropElsewhere {
        scheduled: bool,
    },
    /// Drop a failure that nothing will hear of.
    Discard(F),
    /// Tell the reader.
    Complete,
    Fail(F),
}

impl<S, F> Producer<S, F> {
    /// A thread has the source, or comes for it: perhaps there is a piece soon.
    pub(super) fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Scheduled(_) | Self::Running | Self::WaitsForRoom
        )
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self, Self::Abandoned(_))
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self, Self::WaitsForRoom)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self, Self::Ended(None))
    }

    pub(super) fn on(&mut self, event: Event<S, F>) -> Effect<S, F> {
        // Left here only by a panic, and nothing below panics.
        let before = std::mem::replace(self, Self::Abandoned(None));
        let (after, effect) = before.after(event);
        *self = after;
        effect
    }

    fn after(self, event: Event<S, F>) -> (Self, Effect<S, F>) {
        use Effect as Do;
        use Event as On;
        match (self, event) {
            (Self::Parked(source), On::Awaited) => (Self::Scheduled(source), Do::Schedule),
            (Self::Scheduled(source), On::Awaited) => (Self::Scheduled(source), Do::Hurry),
            (Self::Ended(None), On::Awaited) => (Self::Ended(None), Do::Complete),
            (Self::Ended(Some(failed)), On::Awaited) => (Self::Ended(None), Do::Fail(failed)),

            (Self::Parked(source), On::RoomMade) => (Self::Scheduled(source), Do::ScheduleSoon),
            (Self::WaitsForRoom, On::RoomMade) => (Self::Running, Do::WakeWriter),

            (Self::Parked(source), On::Dropped) => (
                Self::Abandoned(Some(source)),
                Do::DropElsewhere { scheduled: false },
            ),
            (Self::Scheduled(source), On::Dropped) => (
                Self::Abandoned(Some(source)),
                Do::DropElsewhere { scheduled: true },
            ),
            (Self::WaitsForRoom, On::Dropped) => (Self::Abandoned(None), Do::WakeWriter),
            (Self::Ended(Some(failed)), On::Dropped) => {
                (Self::Abandoned(None), Do::Discard(failed))
            }
            (Self::Running | Self::Ended(None), On::Dropped) => {
                (Self::Abandoned(None), Do::Nothing)
            }

            (Self::Parked(source) | Self::Scheduled(source), On::Begun) => {
                (Self::Running, Do::Produce(source))
            }
            (Self::Abandoned(Some(source)), On::Begun) => (Self::Abandoned(None), Do::Drop(source)),

            (Self::Abandoned(left), On::Filled(source) | On::GaveWay(source)) => {
                (Self::Abandoned(left), Do::Drop(source))
            }
            (_, On::Filled(source)) => (Self::Parked(source), Do::Nothing),
            (_, On::GaveWay(source)) => (Self::Scheduled(source), Do::ScheduleSoon),

            (Self::Running | Self::WaitsForRoom, On::FoundNoRoom) => {
                (Self::WaitsForRoom, Do::Nothing)
            }
            (Self::WaitsForRoom, On::GaveUp) => (Self::Running, Do::Nothing),

            (Self::Abandoned(left), On::Ended(Some(failed))) => {
                (Self::Abandoned(left), Do::Discard(failed))
            }
            (Self::Abandoned(left), On::Ended(None)) => (Self::Abandoned(left), Do::Nothing),
            (_, On::Ended(failed)) => (Self::Ended(failed), Do::Nothing),

            // The reader knows already, or the thread does.
            (
                same,
                On::Awaited | On::RoomMade | On::Dropped | On::Begun | On::FoundNoRoom | On::GaveUp,
            ) => (same, Do::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source: not `Clone`, so that there is one.
    #[derive(Debug, PartialEq, Eq)]
    struct Only;

    type Machine = Producer<Only, &'static str>;
    use Event as On;

    #[test]
    fn a_reader_that_waits_calls_one_thread() {
        let mut producer = Machine::Parked(Only);
        assert_eq!(producer.on(On::Awaited), Effect::Schedule);
        assert_eq!(producer.on(On::Awaited), Effect::Hurry);
        assert_eq!(producer.on(On::Begun), Effect::Produce(Only));
        assert_eq!(producer.on(On::Awaited), Effect::Nothing);
    }

    #[test]
    fn an_iterator_is_parked_until_there_is_room_and_a_writer_waits() {
        let mut iterator = Machine::Running;
        assert_eq!(iterator.on(On::Filled(Only)), Effect::Nothing);
        assert_eq!(iterator.on(On::RoomMade), Effect::ScheduleSoon);
        assert_eq!(iterator.on(On::RoomMade), Effect::Nothing);
        let mut writer = Machine::Running;
        assert_eq!(writer.on(On::FoundNoRoom), Effect::Nothing);
        assert!(writer.is_waiting());
        assert_eq!(writer.on(On::RoomMade), Effect::WakeWriter);
        assert_eq!(writer.on(On::RoomMade), Effect::Nothing);
    }

    #[test]
    fn a_failure_is_told_once_and_the_end_as_often_as_it_is_asked_for() {
        let mut producer = Machine::Running;
        assert_eq!(producer.on(On::Ended(Some("why"))), Effect::Nothing);
        assert!(producer.is_ended() && !producer.is_complete());
        assert_eq!(producer.on(On::Awaited), Effect::Fail("why"));
        assert_eq!(producer.on(On::Awaited), Effect::Complete);
        assert_eq!(producer.on(On::Awaited), Effect::Complete);
    }

    /// A reader, a thread that is called, and the thread that has the source.
    struct World {
        random: u64,
        producer: Machine,
        /// A thread was asked for, and is not here yet.
        coming: bool,
        /// The source, while a thread has it; and whether it waits in a `write`.
        produces: Option<Only>,
        waits: bool,
        reads: bool,
        /// The reader waits for a wake-up.
        reader_waits: bool,
        queued: usize,
        dropped: usize,
        told: usize,
    }

    impl World {
        fn below(&mut self, limit: u64) -> u64 {
            self.random ^= self.random >> 12;
            self.random ^= self.random << 25;
            self.random ^= self.random >> 27;
            (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
        }

        fn on(&mut self, event: Event<Only, &'static str>) {
            match self.producer.on(event) {
                Effect::Nothing | Effect::Discard(_) => {}
                Effect::Schedule | Effect::ScheduleSoon => {
                    assert!(!self.coming, "two threads come for one source");
                    self.coming = true;
                }
                Effect::Hurry => assert!(self.coming, "what was hurried does not come"),
                Effect::WakeWriter => self.waits = false,
                Effect::Produce(source) => self.produces = Some(source),
                Effect::Drop(Only) => self.dropped += 1,
                Effect::DropElsewhere { scheduled } => {
                    assert_eq!(scheduled, self.coming);
                    self.coming = true;
                }
                Effect::Complete => self.reader_waits = false,
                Effect::Fail(_) => {
                    self.told += 1;
                    self.reader_waits = false;
                }
            }
        }

        fn read(&mut self) {
            if self.queued > 0 {
                self.queued -= 1;
                self.on(On::RoomMade);
            } else {
                self.reader_waits = true;
                self.on(On::Awaited);
            }
        }

        /// A turn of the thread that has the source, or of the one that comes for it.
        fn work(&mut self) {
            if std::mem::take(&mut self.coming) {
                self.on(On::Begun);
            }
            if self.waits || self.produces.is_none() {
                return;
            }
            let ends = self.below(5) == 0;
            if ends {
                self.dropped += 1;
                self.produces = None;
                let failed = (self.below(2) == 0).then_some("why");
                self.on(On::Ended(failed));
                self.reader_waits = false;
                return;
            }
            if self.producer.is_abandoned() {
                // As a thread finds out with its next piece.
                self.dropped += 1;
                self.produces = None;
                return;
            }
            self.queued += 1;
            self.reader_waits = false;
            match self.below(4) {
                0 => {
                    let source = self.produces.take().unwrap();
                    self.on(On::Filled(source));
                }
                1 => {
                    let source = self.produces.take().unwrap();
                    self.on(On::GaveWay(source));
                }
                2 => {
                    self.waits = true;
                    self.on(On::FoundNoRoom);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn no_reader_waits_in_vain_and_each_source_is_dropped_once() {
        for seed in 1..20_000 {
            let mut world = World {
                random: seed * 0x9E37_79B9 + 1,
                producer: Machine::Parked(Only),
                coming: false,
                produces: None,
                waits: false,
                reads: true,
                reader_waits: false,
                queued: 0,
                dropped: 0,
                told: 0,
            };
            let leaves_after = world.below(30);
            for step in 0..60 {
                if step == leaves_after && world.below(2) == 0 {
                    world.reads = false;
                    world.reader_waits = false;
                    world.on(On::Dropped);
                    if world.producer.is_abandoned() && world.waits {
                        panic!("seed {seed}: a writer waits for a reader that is gone");
                    }
                }
                match world.below(2) {
                    0 if world.reads && !world.reader_waits => world.read(),
                    _ => world.work(),
                }
                let may_move = world.coming || (world.produces.is_some() && !world.waits);
                assert!(
                    may_move || !world.reader_waits,
                    "seed {seed}: the reader waits and nothing comes"
                );
                let has_source = matches!(
                    world.producer,
                    Producer::Parked(_) | Producer::Scheduled(_) | Producer::Abandoned(Some(_))
                );
                let places =
                    usize::from(has_source) + usize::from(world.produces.is_some()) + world.dropped;
                assert_eq!(places, 1, "seed {seed}: the source is in {places} places");
            }
            if world.reads {
                continue;
            }
            while world.coming || world.produces.is_some() {
                world.work();
            }
            assert_eq!(world.dropped, 1, "seed {seed}: the source was not dropped");
            assert!(world.told <= 1, "seed {seed}");
        }
    }
}
