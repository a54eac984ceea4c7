//! The removal of a preview, when its time has passed or its ref was closed.

use crate::EngineError;
use crate::ports::{Write, WriteError};
use crate::records::{Versioned, create, read, rollout_key, stage_key};
use crate::release::Ingest;
use crate::rollout::admit::{AdmissionRequest, Precondition, admit};
use crate::rollout::compose::{compose_removal, is_preview};
use crate::rollout::destination::{Destination, destination};
use flotilla_domain::config::service::Route;
use flotilla_domain::release::upload_key::RefOfService;
use flotilla_domain::release::{ObjectVersion, Upload, Verdict};
use flotilla_domain::rollout::{Rollout, RolloutKind};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Refusal, RolloutId, SignedDuration, Timestamp};

/// Attempts to save a stage's head when other writers change it concurrently.
const RACES_MAX: usize = 8;

/// Composes the removal of a preview that has ended. Its id is the same for every attempt at the same head.
///
/// # Errors
/// Refusals of the account.
pub(super) fn removal_of(
    head: &StageHead,
    destination: &Destination,
    ended_at: Timestamp,
    requested_by: &str,
    now: Timestamp,
) -> Result<Rollout, Refusal> {
    // A removal must be newer than every earlier rollout, even if the expiry was set back.
    let after = head.newest.map_or(ended_at, |newest| newest.time() + SignedDuration::from_millis(1));
    let id = RolloutId::derive(
        ended_at.max(after),
        &[head.service.as_str(), head.stage.as_str(), "preview's end"],
    );
    compose_removal(id, head, destination, requested_by, now)
}

impl Ingest {
    /// Ends the preview of a ref that was closed. Repeated, it ends nothing that was uploaded after the marker.
    pub(crate) async fn close(
        &self,
        closed: &RefOfService,
        marker: &ObjectVersion,
    ) -> Result<Verdict, EngineError> {
        let route = self.service(&closed.service).await?.route_of_closed(&closed.git_ref)?;
        for _ in 0..RACES_MAX {
            let now = self.clock.now();
            let saved = self.head_or_new(closed, &route).await?;
            let mut head = saved.value.clone();
            let is_open_again = !head.close(marker.uploaded_at);
            // What is removed already, by this rollout; nothing if there is nothing to remove.
            let removed_by = match is_open_again || head.is_idle() {
                true => Some(None),
                false => self.active_removal(&head).await?.map(Some),
            };
            let upload = |removal| {
                create(&Upload {
                    id: marker.upload_id(),
                    service: Some(closed.service.clone()),
                    object: marker.clone(),
                    verdict: Verdict::Closed { removal },
                    decided_at: now,
                })
            };
            if let Some(removal) = removed_by {
                let mut writes: Vec<Write> = vec![upload(removal)];
                if head != saved.value {
                    writes.push(saved.write(&head, head.expires_at));
                }
                match self.store.write(writes).await {
                    Ok(()) => return Ok(Verdict::Closed { removal }),
                    Err(WriteError::Conflict(_)) => continue,
                    Err(WriteError::Port(error)) => return Err(error.into()),
                }
            }
            let destination = destination(self.store.as_ref(), &head.profile).await?;
            check_ends(closed, &head, &destination)?;
            let by = format!("the end of {}", closed.git_ref);
            let removal = removal_of(&saved.value, &destination, marker.uploaded_at, &by, now)?;
            let request = AdmissionRequest {
                closed_at: Some(marker.uploaded_at),
                precondition: Precondition::NewestIs(head.newest),
                beside: &[upload(Some(removal.id))],
                ..AdmissionRequest::of(&removal, None)
            };
            match admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await {
                Ok(_) => return Ok(Verdict::Closed { removal: Some(removal.id) }),
                Err(EngineError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Contended)
    }

    async fn head_or_new(
        &self,
        closed: &RefOfService,
        route: &Route,
    ) -> Result<Versioned<StageHead>, EngineError> {
        let key = stage_key(&closed.service, &route.stage);
        match self.store.get(&[key]).await?.into_iter().next().flatten() {
            Some(item) => Ok(read::<StageHead>(item)?),
            None => Ok(Versioned::new(StageHead::new(
                closed.service.clone(),
                route.stage.clone(),
                route.profile.clone(),
            ))),
        }
    }

    /// The active rollout if it is a removal that nothing waits for.
    async fn active_removal(&self, head: &StageHead) -> Result<Option<RolloutId>, EngineError> {
        let Some(active) = head.active.filter(|_| head.queued.is_none()) else { return Ok(None) };
        let found = self.store.get(&[rollout_key(&active)]).await?.into_iter().next().flatten();
        let active = found.map(read::<Rollout>).transpose()?.map(|saved| saved.value);
        Ok(active.filter(|rollout| rollout.kind == RolloutKind::Remove).map(|removal| removal.id))
    }
}

/// Whether what runs at a stage ends with a ref.
///
/// # Errors
/// [`Code::StageOutlivesRef`] when it was deployed while the stage was permanent, or from another ref.
fn check_ends(closed: &RefOfService, head: &StageHead, destination: &Destination) -> Result<(), Refusal> {
    let StageHead { service, stage, .. } = head;
    let why = match &head.uploaded {
        _ if !is_preview(head, &destination.profile) => "it was deployed as a permanent stage".to_owned(),
        Some((git_ref, _)) if *git_ref != closed.git_ref => format!("it was last deployed from {git_ref}"),
        _ => return Ok(()),
    };
    let what = format!("{service}/{stage} does not end with {}: {why}", closed.git_ref);
    let fix = format!("to remove it: flotilla remove {service} --stage {stage}");
    Err(Refusal::new(Code::StageOutlivesRef, what, fix))
}
