//! The removal of a preview, when its time has passed or its ref was closed.

use crate::EngineError;
use crate::ports::{StateStore, Write, WriteError};
use crate::records::{Versioned, create, read, rollout_key, stage_key};
use crate::release::Ingest;
use crate::rollout::admit::{AdmissionRequest, Precondition, admit};
use crate::rollout::compose::compose_removal;
use crate::rollout::destination::destination;
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
/// Refusals of the profile and its account; errors of the store.
pub(super) async fn removal_of(
    store: &dyn StateStore,
    head: &StageHead,
    ended_at: Timestamp,
    requested_by: &str,
    now: Timestamp,
) -> Result<Rollout, EngineError> {
    // A removal must be newer than every earlier rollout, even if the expiry was set back.
    let after = head.newest.map_or(ended_at, |newest| newest.time() + SignedDuration::from_millis(1));
    let id = RolloutId::derive(
        ended_at.max(after),
        &[head.service.as_str(), head.stage.as_str(), "preview's end"],
    );
    let destination = destination(store, &head.profile).await?;
    Ok(compose_removal(id, head, &destination, requested_by, now)?)
}

/// What the end of a ref asks of its preview.
enum Ending {
    /// There is nothing to remove, or it is being removed.
    Nothing(Option<RolloutId>),
    /// A removal.
    Removal,
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
            let ending = match is_open_again {
                true => Ending::Nothing(None),
                false => self.ending(&saved.value).await?,
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
            match ending {
                Ending::Nothing(removal) => {
                    let mut writes: Vec<Write> = vec![upload(removal)];
                    if head != saved.value {
                        writes.push(saved.write(&head, head.expires_at));
                    }
                    match self.store.write(writes).await {
                        Ok(()) => return Ok(Verdict::Closed { removal }),
                        Err(WriteError::Conflict(_)) => {}
                        Err(WriteError::Port(error)) => return Err(error.into()),
                    }
                }
                Ending::Removal => {
                    let by = format!("the end of {}", closed.git_ref);
                    let removal =
                        removal_of(self.store.as_ref(), &saved.value, marker.uploaded_at, &by, now).await?;
                    let request = AdmissionRequest {
                        closed_at: Some(marker.uploaded_at),
                        precondition: Precondition::NewestIs(head.newest),
                        beside: &[upload(Some(removal.id))],
                        ..AdmissionRequest::of(&removal, None)
                    };
                    match admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await
                    {
                        Ok(_) => return Ok(Verdict::Closed { removal: Some(removal.id) }),
                        Err(EngineError::Conflict(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
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

    /// What is to be removed of a preview whose ref was closed.
    ///
    /// # Errors
    /// [`Code::StageOutlivesRef`] when what runs at the stage was deployed while the stage was permanent.
    async fn ending(&self, head: &StageHead) -> Result<Ending, EngineError> {
        if head.is_idle() {
            return Ok(Ending::Nothing(None));
        }
        if let Some(active) = head.active.filter(|_| head.queued.is_none()) {
            let found = self.store.get(&[rollout_key(&active)]).await?.into_iter().next().flatten();
            let active = found.map(read::<Rollout>).transpose()?.map(|saved| saved.value);
            if let Some(removal) = active.filter(|rollout| rollout.kind == RolloutKind::Remove) {
                return Ok(Ending::Nothing(Some(removal.id)));
            }
        }
        if head.expires_at.is_some() {
            return Ok(Ending::Removal);
        }
        let what = format!("{}/{} was deployed as a permanent stage", head.service, head.stage);
        let fix = format!("to remove it: flotilla remove {} --stage {}", head.service, head.stage);
        Err(Refusal::new(Code::StageOutlivesRef, what, fix).into())
    }
}
