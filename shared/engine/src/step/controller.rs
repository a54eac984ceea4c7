//! The loop that takes every subject forward, and the trait that a kind of subject implements.

use super::Step;
use crate::EngineError;
use flotilla_domain::Timestamp;
use std::fmt::Display;

/// What follows from one observation or act.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<E> {
    /// The subject's state machine decides about this event.
    Event(E),
    /// The subject was changed and saved already: start again with it.
    Again,
    /// Nothing can be done for this many seconds.
    Wait(u32),
    /// Another run was faster, and continues the subject.
    Lost,
}

/// Why a run ends before the subject does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nothing has changed, or nothing can have changed yet: the subject says when its next step is.
    Idle,
    /// The next step is in this many seconds.
    For(u32),
    /// The run has made as many transitions as it may: the next tick continues.
    Bound,
}

/// Takes one kind of subject forward in steps.
pub(crate) trait Controller {
    /// The identifier of a subject.
    type Id: Display;
    /// The subject, as it is stored.
    type Value: Clone + PartialEq;
    /// What its state machine decides about.
    type Event;
    /// Data of one run that is not saved.
    type Notes;

    /// Most transitions of one run, so that no run is endless.
    const STEPS_MAX: usize;

    /// Most runs of one tick that lose a race against another tick: the loser may have observed more than the winner.
    const RUNS_MAX: usize = 8;

    /// The current time.
    fn clock_now(&self) -> Timestamp;

    /// Reads a subject; `None` if it was never saved.
    async fn load(&self, id: &Self::Id) -> Result<Option<Step<Self::Value, Self::Notes>>, EngineError>;

    /// Whether the subject has ended.
    fn is_terminal(value: &Self::Value) -> bool;

    /// If the state asks for a command, saves the subject and then executes it; else observes what the state waits for.
    async fn next(&self, step: &mut Step<Self::Value, Self::Notes>)
    -> Result<Next<Self::Event>, EngineError>;

    /// The decision: the subject after an event. A pure function of the domain.
    fn apply(value: Self::Value, event: Self::Event, now: Timestamp) -> Result<Self::Value, EngineError>;

    /// Moves the subject into its new state and records the timeline entry.
    fn enter(step: &mut Step<Self::Value, Self::Notes>, after: Self::Value, now: Timestamp);

    /// Whether the effect of the last command cannot be observed yet.
    fn must_rest(&self, _step: &Step<Self::Value, Self::Notes>, _now: Timestamp) -> bool {
        false
    }

    /// Saves what has changed and makes sure that another tick is sent.
    async fn pause(&self, step: &mut Step<Self::Value, Self::Notes>, pause: Pause)
    -> Result<(), EngineError>;

    /// Saves the final state and wakes the subjects that wait for it. One that had already ended is not saved again.
    async fn finish(&self, step: &mut Step<Self::Value, Self::Notes>) -> Result<(), EngineError>;
}

/// Takes the next steps of a subject, until it has to wait.
///
/// Guarantees, wherever a crash happens:
/// - A controller never acts on state that is not saved: [`Controller::next`] saves before it acts. After a crash
///   between the two, the next tick finds the same command still due.
/// - A duplicate or late tick fails on the version of the item that it would save; there are no locks.
/// - A run that loses such a race starts again from the saved state, at most [`Controller::RUNS_MAX`] times; one that
///   finds its stack taken over, or its own save overtaken, ends and leaves the subject to the winner.
/// - A run ends with the subject saved and a tick sent, or with the subject ended. The item also says when it is
///   overdue ([`due_at`](super::due_at)), so that the sweep sends a lost tick again.
///
/// # Errors
/// Errors of the state store and the queue; [`EngineError::Contended`] after too many lost races; a defect if an
/// event does not fit the state that asked for it.
pub(crate) async fn run<C: Controller>(controller: &C, id: &C::Id) -> Result<(), EngineError> {
    for _ in 0..C::RUNS_MAX {
        match run_once(controller, id).await {
            Err(EngineError::Contended) => {}
            other => return other,
        }
    }
    Err(EngineError::Contended)
}

async fn run_once<C: Controller>(controller: &C, id: &C::Id) -> Result<(), EngineError> {
    let Some(mut step) = controller.load(id).await? else {
        tracing::warn!(subject = %id, "a tick for a subject that does not exist");
        return Ok(());
    };
    for _ in 0..C::STEPS_MAX {
        if C::is_terminal(&step.now) {
            return controller.finish(&mut step).await;
        }
        let event = match controller.next(&mut step).await? {
            Next::Event(event) => event,
            Next::Again => continue,
            Next::Wait(delay_s) => return controller.pause(&mut step, Pause::For(delay_s)).await,
            Next::Lost => return Ok(()),
        };
        let now = controller.clock_now();
        let after = C::apply(step.now.clone(), event, now)?;
        let changed = after != step.now;
        C::enter(&mut step, after, now);
        if !changed || controller.must_rest(&step, now) {
            return controller.pause(&mut step, Pause::Idle).await;
        }
    }
    // The bound is reached: the next tick continues.
    controller.pause(&mut step, Pause::Bound).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Versioned;
    use futures::executor::block_on;
    use std::sync::Mutex;

    /// Counts up to thirty. Every third count has a command.
    struct Counting {
        log: Mutex<Vec<String>>,
        /// Number of first saves that lose their race.
        races: Mutex<usize>,
        saved: Mutex<Option<u32>>,
    }

    const END: u32 = 30;

    impl Counting {
        fn from(saved: Option<u32>, races: usize) -> Self {
            Self { log: Mutex::default(), races: Mutex::new(races), saved: Mutex::new(saved) }
        }

        fn log(&self, entry: impl Into<String>) {
            self.log.lock().unwrap().push(entry.into());
        }

        fn save(&self, step: &mut Step<u32, bool>) -> Result<(), EngineError> {
            let mut races = self.races.lock().unwrap();
            if *races > 0 {
                *races -= 1;
                return Err(EngineError::Contended);
            }
            *self.saved.lock().unwrap() = Some(step.now);
            step.saved.value = step.now;
            self.log(format!("saved {}", step.now));
            Ok(())
        }

        fn ran(self) -> (Result<(), EngineError>, Vec<String>) {
            let end = block_on(run(&self, &"it"));
            (end, self.log.into_inner().unwrap())
        }
    }

    impl Controller for Counting {
        type Id = &'static str;
        type Value = u32;
        type Event = u32;
        type Notes = bool;

        const STEPS_MAX: usize = 6;

        fn clock_now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn load(&self, _: &&'static str) -> Result<Option<Step<u32, bool>>, EngineError> {
            let saved = *self.saved.lock().unwrap();
            Ok(saved.map(|value| Step::new(Versioned { value, version: 1, due_at: None }, false)))
        }

        fn is_terminal(value: &u32) -> bool {
            *value >= END
        }

        async fn next(&self, step: &mut Step<u32, bool>) -> Result<Next<u32>, EngineError> {
            step.notes = step.now % 3 == 2;
            if step.notes {
                self.save(step)?;
                self.log(format!("acted on {}", step.now));
            }
            Ok(match step.now {
                7 => Next::Event(0),
                20 => Next::Again,
                22 => Next::Wait(9),
                24 => Next::Lost,
                _ => Next::Event(1),
            })
        }

        fn apply(value: u32, event: u32, _: Timestamp) -> Result<u32, EngineError> {
            Ok(value + event)
        }

        fn enter(step: &mut Step<u32, bool>, after: u32, _: Timestamp) {
            step.now = after;
        }

        fn must_rest(&self, step: &Step<u32, bool>, _: Timestamp) -> bool {
            step.notes && step.now == 6
        }

        async fn pause(&self, step: &mut Step<u32, bool>, pause: Pause) -> Result<(), EngineError> {
            self.save(step)?;
            self.log(format!("{pause:?}"));
            Ok(())
        }

        async fn finish(&self, step: &mut Step<u32, bool>) -> Result<(), EngineError> {
            self.save(step)?;
            self.log("finished");
            Ok(())
        }
    }

    #[test]
    fn a_run_saves_before_it_acts_and_rests_where_nothing_can_be_observed_yet() {
        let (end, log) = Counting::from(Some(1), 0).ran();
        assert!(end.is_ok());
        assert_eq!(log, ["saved 2", "acted on 2", "saved 5", "acted on 5", "saved 6", "Idle"]);
    }

    #[test]
    fn a_run_that_changes_nothing_is_saved_and_pauses() {
        assert_eq!(Counting::from(Some(6), 0).ran().1, ["saved 7", "Idle"]);
    }

    #[test]
    fn a_run_takes_so_many_steps_and_leaves_the_rest_to_the_next_tick() {
        let (_, log) = Counting::from(Some(9), 0).ran();
        assert_eq!(log, ["saved 11", "acted on 11", "saved 14", "acted on 14", "saved 15", "Bound"]);
    }

    #[test]
    fn a_lost_race_is_run_again_from_what_is_saved_and_not_for_ever() {
        let (end, log) = Counting::from(Some(29), Counting::RUNS_MAX - 1).ran();
        assert!(end.is_ok());
        assert_eq!(log, ["saved 29", "acted on 29", "saved 30", "finished"]);
        let (end, log) = Counting::from(Some(29), Counting::RUNS_MAX).ran();
        assert!(matches!(end, Err(EngineError::Contended)));
        assert_eq!(log, Vec::<String>::new(), "nothing is acted on that was not saved");
    }

    #[test]
    fn a_run_ends_where_it_must_wait_or_another_was_faster() {
        assert_eq!(Counting::from(Some(22), 0).ran().1, ["saved 22", "For(9)"]);
        assert_eq!(Counting::from(Some(24), 0).ran().1, Vec::<String>::new());
    }

    #[test]
    fn a_subject_that_changes_itself_for_ever_is_stopped_by_the_bound() {
        let log = Counting::from(Some(20), 0).ran().1;
        assert_eq!(log.iter().filter(|entry| *entry == "acted on 20").count(), Counting::STEPS_MAX);
        assert_eq!(log.last().map(String::as_str), Some("Bound"));
    }

    #[test]
    fn a_tick_for_nothing_does_nothing() {
        let (end, log) = Counting::from(None, 0).ran();
        assert!(end.is_ok() && log.is_empty());
    }
}
