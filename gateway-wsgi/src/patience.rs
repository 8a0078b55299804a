//! How long a client may keep a thread waiting.

use std::time::Duration;

/// How long a client that does not move at all is waited for; a third of it while others wait for
/// its place.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// How long any client is waited for, however little it moves.
const GRACE: Duration = Duration::from_secs(10);

/// What a client that is waited for longer must have moved, in bytes for each second after the grace.
const RATE: u64 = 500;

/// What a thread has waited for one client, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    waited: Duration,
    moved: u64,
}

impl Patience {
    /// The client was waited for.
    #[must_use]
    pub(crate) fn waited(mut self, waited: Duration) -> Self {
        self.waited += waited;
        self
    }

    /// The client has sent or taken so many bytes.
    #[must_use]
    pub(crate) fn moved(mut self, bytes: u64) -> Self {
        self.moved += bytes;
        self
    }

    /// Whether the client is so slow that it must not have the thread any longer.
    pub(crate) fn is_over(self) -> bool {
        let over = self.waited.saturating_sub(GRACE).as_secs();
        over > 0 && self.moved < over * RATE
    }

    /// The same where the client has no place of its own: nothing but the grace.
    pub(crate) fn is_over_without_place(self) -> bool {
        self.waited >= GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_grace_a_client_has_to_move() {
        let seconds = Duration::from_secs;
        for (waited, moved, is_over) in [
            (10, 0, false),
            (11, 499, true),
            (11, 500, false),
            (110, 49_999, true),
            (110, 50_000, false),
        ] {
            let patience = Patience::default().waited(seconds(waited)).moved(moved);
            assert_eq!(patience.is_over(), is_over, "{patience:?}");
        }
    }

    #[test]
    fn a_client_without_a_place_has_the_grace_alone() {
        let moving = Patience::default().moved(1_000_000);
        assert!(
            !moving
                .waited(Duration::from_secs(9))
                .is_over_without_place()
        );
        assert!(
            moving
                .waited(Duration::from_secs(10))
                .is_over_without_place()
        );
    }
}
