//! Rollouts under way: called off, held, let go on.

use crate::EngineError;
use crate::access::{Caller, Commands, conflict, missing};
use crate::ports::WriteError;
use crate::records::{EventRecord, keep, read, rollout_key};
use crate::step::wake;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::{Rollout, RolloutEvent};
use flotilla_domain::{Code, Refusal, RolloutId, Timestamp};

/// How often a lost race is run again.
const RACES_MAX: usize = 8;

/// What may be asked of a rollout under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Begin nothing more. What runs is finished, or stopped and rolled back.
    Cancel {
        /// Stop running updates.
        stop_running: bool,
    },
    /// Begin nothing more for now.
    Pause,
    /// Go on.
    Resume,
}

/// What the timeline says of a wish.
pub(crate) struct Told {
    pub what: &'static str,
    pub detail: Option<String>,
}

impl Told {
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
        }
    }

    /// What the timeline says.
    fn told(self) -> &'static str {
        match self {
            Self::Cancel { stop_running: false } => "cancel requested",
            Self::Cancel { stop_running: true } => "cancel and stop requested",
            Self::Pause => "paused",
            Self::Resume => "resumed",
        }
    }
}

impl Commands {
    /// Asks something of a rollout under way. Only the wish is saved, with who has it: the rollout's own
    /// next step carries it out, together with what it means for its stage.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, it has ended, or its state does not allow this.
    pub async fn control(
        &self,
        id: &RolloutId,
        control: Control,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let told = Told { what: control.told(), detail: None };
        let wished = |rollout: &Rollout, now| wish(rollout, control, caller, now);
        self.change_rollout(id, (caller, control.act()), &told, wished).await
    }

    /// Saves what somebody wants of a rollout under way, with who wants it, and wakes it.
    pub(crate) async fn change_rollout(
        &self,
        id: &RolloutId,
        (caller, act): (&Caller, Act),
        told: &Told,
        wish: impl Fn(&Rollout, Timestamp) -> Result<Rollout, EngineError>,
    ) -> Result<Rollout, EngineError> {
        for _ in 0..RACES_MAX {
            let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
            let found = found.ok_or_else(|| {
                missing(format!("there is no rollout {id}"), "list them with flotilla status")
            })?;
            let saved = read::<Rollout>(found)?;
            let scope = Scope::stage(&saved.value.service, &saved.value.stage);
            let order = self.order(caller, act, scope).await?.rollout(&saved.value);
            let now = self.clock.now();
            if saved.value.state.is_terminal() {
                let refusal = conflict(format!("the rollout is {} already", saved.value.state.name()));
                return Err(EngineError::conflict(refusal, &saved.value));
            }
            let wished = match wish(&saved.value, now) {
                Err(EngineError::Refused(own)) if own.code == Code::OwnApproval => {
                    return Err(self.refuse(order, own).await);
                }
                Err(EngineError::Refused(late))
                    if matches!(late.code, Code::Conflict | Code::PlanChanged) =>
                {
                    return Err(EngineError::conflict(late, &saved.value));
                }
                wished => wished?,
            };
            if wished == saved.value {
                return Ok(wished);
            }
            let event = EventRecord {
                rollout: *id,
                target: None,
                at: now,
                actor: caller.principal.clone(),
                what: told.what.into(),
                detail: told.detail.clone(),
            };
            let writes = vec![saved.write(&wished, Some(crate::step::due_at(now, 0))), keep(&event)];
            match self.save(&order.detail(told.text()), writes).await {
                Ok(()) => {
                    wake(self.queue.as_ref(), [*id]).await?;
                    return Ok(wished);
                }
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}

/// The rollout with the wish.
fn wish(
    rollout: &Rollout,
    control: Control,
    caller: &Caller,
    now: Timestamp,
) -> Result<Rollout, EngineError> {
    let state = rollout.state.name();
    let event = match control {
        Control::Cancel { stop_running } => {
            if !rollout.may_be_called_off() {
                return Err(conflict(format!("the rollout is {state}, which is finished")).into());
            }
            return Ok(rollout.clone().call_off(&caller.principal, stop_running));
        }
        Control::Pause => RolloutEvent::PauseRequested { by: caller.principal.clone() },
        Control::Resume => RolloutEvent::ResumeRequested,
    };
    rollout
        .clone()
        .apply(event, now)
        .map_err(|_| conflict(format!("the rollout is {state}, which is not held up")).into())
}

/// What an event makes of a rollout, or that its state does not allow it.
pub(crate) fn applied(rollout: &Rollout, event: RolloutEvent, now: Timestamp) -> Result<Rollout, Refusal> {
    let state = rollout.state.name();
    rollout.clone().apply(event, now).map_err(|_| conflict(format!("the rollout is {state}")))
}
