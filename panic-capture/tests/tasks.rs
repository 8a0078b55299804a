//! Panics of tokio's tasks, found by the number of the task.
#![expect(clippy::panic, reason = "panics are what is tested")]

use std::{
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use panic_capture::{Capture, Missing, guard, install, of_task};
use tokio::task::{self, JoinError, LocalSet};

/// Those that are expected say nothing.
fn prepare() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>();
            if text.is_some_and(|text| text.starts_with("assertion") || text.starts_with("called"))
            {
                before(info);
            }
        }));
        install();
    });
}

fn behind(failed: &JoinError) -> Result<Capture, Missing> {
    of_task(failed.id().to_string().parse().unwrap())
}

fn line_of(capture: &Capture) -> u32 {
    capture.place().unwrap().line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_a_task_was_started_its_id_leads_to_its_frames() {
    prepare();
    const LINE: u32 = line!() + 2;
    fn boom(n: u32) {
        panic!("boom {}", black_box(n));
    }
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(5);
        }
    }
    let local = LocalSet::new();
    let aborted = tokio::spawn(async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    });
    task::yield_now().await;
    aborted.abort();
    for (how, failed) in [
        ("spawn", tokio::spawn(async { boom(1) }).await),
        ("spawn_blocking", task::spawn_blocking(|| boom(2)).await),
        (
            "spawn_local",
            local
                .run_until(async { task::spawn_local(async { boom(3) }).await })
                .await,
        ),
        (
            "block_in_place",
            tokio::spawn(async { task::block_in_place(|| boom(4)) }).await,
        ),
        ("abort", aborted.await),
    ] {
        let failed = failed.unwrap_err();
        if !failed.is_panic() {
            // Aborted before it ran: there was no bomb yet.
            assert_eq!(how, "abort");
            continue;
        }
        let capture = behind(&failed).unwrap();
        assert_eq!(line_of(&capture), LINE, "{how}");
        assert_eq!(capture.doubt(), None, "{how}");
        assert!(!capture.frames().is_empty(), "{how}");
        assert!(capture.message().unwrap().starts_with("boom "), "{how}");
        assert_eq!(capture.task().unwrap().to_string(), failed.id().to_string());
        // Asked again, it answers again.
        assert!(behind(&failed).is_ok(), "{how}");
    }
}

#[tokio::test]
async fn of_a_task_that_caught_one_panic_and_died_of_another_the_newest_counts() {
    prepare();
    let task = tokio::spawn(async {
        _ = catch_unwind(|| panic!("caught {}", black_box(1)));
        panic!("died of {}", black_box(2));
    });
    let capture = behind(&task.await.unwrap_err()).unwrap();
    assert_eq!(capture.message(), Some("died of 2"));
}

#[tokio::test]
async fn a_panic_that_a_guard_has_caught_and_resumed_is_that_of_the_task_it_ends() {
    prepare();
    let task = tokio::spawn(async {
        let far_away = std::thread::spawn(|| guard(|| panic!("far away {}", black_box(1))));
        let Err(mut caught) = far_away.join().unwrap();
        caught.set_mark(77);
        caught.resume();
    });
    let failed = task.await.unwrap_err();
    let capture = behind(&failed).unwrap();
    assert_eq!(capture.message(), Some("far away 1"));
    assert_eq!(capture.mark(), Some(77));
    assert!(!capture.frames().is_empty());
    // The payload has it as well.
    let payload = AssertUnwindSafe(failed.into_panic());
    let caught = guard(move || resume_unwind({ payload }.0)).unwrap_err();
    assert_eq!(caught.capture.unwrap().mark(), Some(77));
}

#[tokio::test]
async fn a_panic_that_no_hook_saw_has_the_mark_that_was_left() {
    prepare();
    let task = tokio::spawn(async {
        let mut caught = guard(|| resume_unwind(Box::new(5))).unwrap_err();
        assert_eq!(caught.capture.as_ref().unwrap_err(), &Missing::Unseen);
        caught.set_mark(78);
        caught.resume();
    });
    let capture = behind(&task.await.unwrap_err()).unwrap();
    assert_eq!(
        (capture.mark(), capture.doubt()),
        (Some(78), Some(Missing::Unseen))
    );
    assert_eq!(capture.place(), None);
}

#[tokio::test]
async fn a_task_that_ran_below_a_guard_is_found_on_its_thread() {
    prepare();
    let failed = task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let below = guard(|| {
            runtime.block_on(async {
                let task = tokio::spawn(async { panic!("below a guard {}", black_box(1)) });
                let failed: Result<(), _> = task.await;
                behind(&failed.unwrap_err()).unwrap()
            })
        });
        below.unwrap()
    });
    assert_eq!(failed.await.unwrap().message(), Some("below a guard 1"));
}

#[tokio::test]
async fn of_a_task_that_did_not_panic_nothing_is_known() {
    prepare();
    let task = tokio::spawn(std::future::pending::<()>());
    task.abort();
    assert_eq!(
        behind(&task.await.unwrap_err()).unwrap_err(),
        Missing::Unseen
    );
    assert_eq!(of_task(u64::MAX).unwrap_err(), Missing::Unseen);
}

/// Two panics of one literal, one of them found by its task: the payload of the other is no longer ambiguous.
#[tokio::test]
async fn what_was_found_by_its_task_is_no_candidate_for_another_payload() {
    prepare();
    async fn fail(first: bool) -> JoinError {
        let first_one = async { panic!("the same literal") };
        let second_one = async { panic!("the same literal") };
        if first {
            tokio::spawn(first_one).await.unwrap_err()
        } else {
            tokio::spawn(second_one).await.unwrap_err()
        }
    }
    let (first, second) = (fail(true).await, fail(false).await);
    assert_eq!(behind(&first).unwrap().doubt(), None);
    let payload = AssertUnwindSafe(second.into_panic());
    let caught = guard(move || resume_unwind({ payload }.0)).unwrap_err();
    let capture = caught.capture.unwrap();
    assert_eq!(capture.doubt(), None);
    assert_ne!(line_of(&capture), line_of(&behind(&first).unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_that_panic_at_once_keep_their_frames() {
    prepare();
    let tasks: Vec<_> = (0..1000)
        .map(|n| tokio::spawn(async move { panic!("number {}", black_box(n)) }))
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let failed: Result<(), _> = task.await;
        let capture = behind(&failed.unwrap_err()).unwrap();
        assert_eq!(capture.message(), Some(&*format!("number {n}")));
        match capture.doubt() {
            None => assert!(!capture.frames().is_empty()),
            Some(doubt) => assert_eq!(doubt, Missing::TooMany),
        }
    }
}
