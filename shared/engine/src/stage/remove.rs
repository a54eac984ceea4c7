//! The end of a stage: its removal, and a later end of a preview.

use crate::EngineError;
use crate::access::{Caller, Commands, conflict, reason};
use crate::plan::AllowedLosses;
use crate::ports::WriteError;
use crate::rollout::admit::{AdmissionRequest, Precondition};
use crate::rollout::compose::{compose_removal, is_preview};
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::config::preview::PreviewQuotas;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Refusal, RolloutId, ServiceName, SignedDuration, StageName};

/// Attempts to save a stage's head when other writers change it concurrently.
const RACES_MAX: usize = 8;

/// A stage to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRemoval {
    /// The stage.
    pub stage: StageName,
    /// For a permanent stage: its name again.
    pub confirm: Option<StageName>,
    /// The reason.
    pub because: Option<String>,
    /// Resources of a permanent stage that may be deleted although they hold data.
    pub allow: AllowedLosses,
}

/// A later end of a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// So many hours from now.
    Hours(u32),
    /// As late as the profile allows.
    Longest,
}

impl Commands {
    /// Removes a stage: its stacks are deleted in every region. What is being deployed to it is cancelled. A permanent stage needs an
    /// admin, its name a second time, the approvals that a wave of its profile needs, and the name of every resource that holds data.
    ///
    /// # Errors
    /// Refusals: nothing was ever rolled out to the stage, nothing is left of it, or the confirmation is missing.
    pub async fn remove_stage(
        &self,
        service: &ServiceName,
        removal: &StageRemoval,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let stage = &removal.stage;
        let scope = Scope::stage(service, stage);
        let order = self.order(caller, Act::RemovePreview, scope).await?;
        let because = reason(removal.because.as_deref())?;
        let head = self.head_of(service, stage).await?.value;
        if head.is_idle() {
            return Err(EngineError::conflict(
                conflict(format!("nothing is left of {service}/{stage}")),
                &head,
            ));
        }
        let destination = self.store.destination(&head.profile).await?;
        let order = match is_preview(&head, &destination.profile) {
            true => order,
            false => {
                let order = self.order(caller, Act::RemoveStage, scope).await?;
                check_confirmation(service, removal)?;
                order
            }
        };
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let mut rollout = compose_removal(id, &head, &destination, &caller.principal, now)?;
        rollout.because = because;
        removal.allow.apply_to(&mut rollout)?;
        let precondition = Precondition::NewestIs(head.newest);
        self.admit(order, AdmissionRequest { precondition, ..AdmissionRequest::of(&rollout, None) }).await
    }

    /// Lets a preview end later. It never ends earlier than before.
    ///
    /// # Errors
    /// Refusals: there is no such preview, it is being removed, or the profile does not allow so long a lifetime.
    pub async fn extend_preview(
        &self,
        service: &ServiceName,
        stage: &StageName,
        extension: Extension,
        caller: &Caller,
    ) -> Result<StageHead, EngineError> {
        let order = self.order(caller, Act::ExtendPreview, Scope::stage(service, stage)).await?;
        for _ in 0..RACES_MAX {
            let saved = self.head_of(service, stage).await?;
            let mut head = saved.value.clone();
            if head.expires_at.is_none() || head.is_idle() {
                let why = format!("{service}/{stage} is no preview, or it is being removed");
                return Err(EngineError::conflict(conflict(why), &head));
            }
            let profile = self.store.destination(&head.profile).await?.profile;
            let hours = hours_within(extension, &profile.previews.unwrap_or_default())?;
            let now = self.clock.now();
            let to = now.saturating_add(SignedDuration::from_hours(hours.into())).unwrap_or(now);
            if !head.extend(to) {
                return Ok(head);
            }
            let until = format!("until {to}");
            match self.save(&order.clone().detail(until), vec![saved.write(&head, head.expires_at)]).await {
                Ok(()) => return Ok(head),
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}

/// Whether the name of a permanent stage was given twice.
fn check_confirmation(service: &ServiceName, removal: &StageRemoval) -> Result<(), Refusal> {
    let stage = &removal.stage;
    if removal.confirm.as_ref() == Some(stage) {
        return Ok(());
    }
    let what = format!("{service}/{stage} is a permanent stage, and its removal is not confirmed");
    let fix = format!("give its name a second time: flotilla remove {service} --stage {stage} --yes");
    Err(Refusal::new(Code::RequestInvalid, what, fix).at("confirm"))
}

/// The hours of an extension, within the profile's quota.
fn hours_within(extension: Extension, quotas: &PreviewQuotas) -> Result<u32, Refusal> {
    let hours = match extension {
        Extension::Longest => quotas.hours,
        Extension::Hours(hours) => hours,
    };
    if (1..=quotas.hours).contains(&hours) {
        return Ok(hours);
    }
    let what =
        format!("{hours} hours are outside of 1 to {}, the longest lifetime of a preview", quotas.hours);
    let fix = "ask for less, or raise hours in the profile's preview_quotas";
    Err(Refusal::new(Code::PreviewQuotaReached, what, fix).at("hours"))
}
