//! Cancel, pause and resume of rollouts in progress.

use crate::EngineError;
use crate::access::{Caller, Commands, conflict, missing};
use crate::ports::WriteError;
use crate::records::{EventRecord, Versioned, keep, read, rollout_key};
use crate::step::wake;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::{Rollout, RolloutEvent, TrafficOrder};
use flotilla_domain::{Code, Refusal, RolloutId, Timestamp};

/// Attempts to save when other writers change the rollout concurrently.
const RACES_MAX: usize = 8;

/// What an operator can request of a rollout in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// End the rollout. Running updates finish, or are cancelled and rolled back.
    Cancel {
        /// Cancel running updates.
        stop_running: bool,
    },
    /// Begin nothing until the rollout is resumed.
    Pause,
    /// Continue.
    Resume,
    /// Set the share of the new versions, give them everything, or shift all traffic back.
    Traffic(TrafficOrder),
}

/// The timeline entry of a request.
pub(crate) struct TimelineText {
    pub what: &'static str,
    pub detail: Option<String>,
}

impl TimelineText {
    fn text(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.what),
            None => self.what.to_owned(),
        }
    }
}

impl Control {
    fn act(self) -> Act {
        match self {
            Self::Cancel { .. } => Act::Cancel,
            Self::Pause => Act::Pause,
            Self::Resume => Act::Resume,
            Self::Traffic(_) => Act::ShiftTraffic,
        }
    }

    /// The timeline's event name.
    fn entry(self) -> &'static str {
        match self {
            Self::Cancel { stop_running: false } => "cancel requested",
            Self::Cancel { stop_running: true } => "cancel and stop requested",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Traffic(TrafficOrder::Set(_)) => "traffic set",
            Self::Traffic(TrafficOrder::Promote) => "traffic promoted",
            Self::Traffic(TrafficOrder::Abort) => "traffic aborted",
        }
    }

    fn detail(self) -> Option<String> {
        match self {
            Self::Traffic(TrafficOrder::Set(percent)) => Some(format!("{percent} %")),
            _ => None,
        }
    }
}

impl Commands {
    /// Requests something of a rollout in progress. Only the request is saved, with its operator. The rollout's
    /// next step carries it out, and updates the stage with it.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, it has ended, or its state does not allow this.
    pub async fn control(
        &self,
        id: &RolloutId,
        control: Control,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let entry = |_: &Rollout| TimelineText { what: control.entry(), detail: control.detail() };
        let changed = |rollout: &Rollout, now| change(rollout, control, caller, now);
        self.change_rollout(id, (caller, control.act()), &entry, changed).await
    }

    /// Loads a rollout, or refuses if there is none.
    pub(crate) async fn rollout(&self, id: &RolloutId) -> Result<Versioned<Rollout>, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let found = found
            .ok_or_else(|| missing(format!("there is no rollout {id}"), "list them with flotilla status"))?;
        Ok(read::<Rollout>(found)?)
    }

    /// Saves an operator's request on a rollout in progress, and wakes the rollout. The timeline entry is made of the rollout before the request.
    pub(crate) async fn change_rollout(
        &self,
        id: &RolloutId,
        (caller, act): (&Caller, Act),
        entry: &(dyn Fn(&Rollout) -> TimelineText + Sync),
        change: impl Fn(&Rollout, Timestamp) -> Result<Rollout, EngineError>,
    ) -> Result<Rollout, EngineError> {
        for _ in 0..RACES_MAX {
            let saved = self.rollout(id).await?;
            let scope = Scope::stage(&saved.value.service, &saved.value.stage);
            let order = self.order(caller, act, scope).await?.rollout(&saved.value);
            let now = self.clock.now();
            if saved.value.state.is_terminal() {
                let refusal = conflict(format!("the rollout has ended: it is {}", saved.value.state.name()));
                return Err(EngineError::conflict(refusal, &saved.value));
            }
            let changed = match change(&saved.value, now) {
                Err(EngineError::Refused(own)) if own.code == Code::OwnApproval => {
                    return Err(self.refuse(order, own).await);
                }
                Err(EngineError::Refused(late))
                    if matches!(late.code, Code::Conflict | Code::PlanChanged) =>
                {
                    return Err(EngineError::conflict(late, &saved.value));
                }
                changed => changed?,
            };
            if changed == saved.value {
                return Ok(changed);
            }
            let entry = entry(&saved.value);
            let event = EventRecord {
                rollout: *id,
                target: None,
                at: now,
                actor: caller.principal.clone(),
                what: entry.what.into(),
                detail: entry.detail.clone(),
            };
            let writes = vec![saved.write(&changed, Some(crate::step::due_at(now, 0))), keep(&event)];
            match self.save(&order.detail(entry.text()), writes).await {
                Ok(()) => {
                    wake(self.queue.as_ref(), [*id]).await?;
                    return Ok(changed);
                }
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}

/// The rollout with the request applied.
fn change(
    rollout: &Rollout,
    control: Control,
    caller: &Caller,
    now: Timestamp,
) -> Result<Rollout, EngineError> {
    let state = rollout.state.name();
    let event = match control {
        Control::Cancel { stop_running } => {
            if !rollout.is_cancellable() {
                return Err(conflict(format!("the rollout is {state} and cannot be cancelled")).into());
            }
            return Ok(rollout.clone().cancel(&caller.principal, stop_running));
        }
        Control::Traffic(TrafficOrder::Set(_)) if rollout.has_slots() => {
            let what = "an API mapping has no percentages: promote or abort".to_owned();
            return Err(conflict(what).into());
        }
        Control::Pause => RolloutEvent::PauseRequested { by: caller.principal.clone() },
        Control::Resume => RolloutEvent::ResumeRequested,
        Control::Traffic(order) => RolloutEvent::TrafficOrdered { order, by: caller.principal.clone() },
    };
    let what = match control {
        Control::Traffic(_) => "no traffic is being shifted",
        _ => "it cannot be paused or resumed",
    };
    rollout.clone().apply(event, now).map_err(|_| conflict(format!("the rollout is {state}: {what}")).into())
}

/// Applies an event, or refuses it if the rollout's state does not allow it.
pub(crate) fn applied(rollout: &Rollout, event: RolloutEvent, now: Timestamp) -> Result<Rollout, Refusal> {
    let state = rollout.state.name();
    rollout.clone().apply(event, now).map_err(|_| conflict(format!("the rollout is {state}")))
}
