//! The API's view of a rollout, with its gates and deployments.

use crate::EngineError;
use crate::records::{EventRecord, deployments_query, events_query, read, rollout_key};
use crate::status::{PageRequest, Status, cause_view, missing, next_cursor};
use flotilla_contract as view;
use flotilla_domain::analysis::Counts;
use flotilla_domain::deployment::{Deployment, DeploymentKind, State};
use flotilla_domain::gate::{Approval, Blocked};
use flotilla_domain::rollout::{Rollout, RolloutKind, RolloutState};
use flotilla_domain::{Direction, RolloutId, ServiceName, Target};

pub(crate) fn rollout_view(rollout: &Rollout, deployments: &[Deployment]) -> view::RolloutView {
    let of_target = |target: &Target, direction| {
        deployments.iter().find(|d| &d.id.target == target && d.id.direction == direction)
    };
    let waves = rollout.waves.iter().zip(1..);
    let views = waves.flat_map(|(wave, number)| {
        wave.targets.iter().map(move |target| {
            let pending = view::DeploymentView {
                account: target.site.account.to_string(),
                region: target.site.region.to_string(),
                part: target.part.as_ref().map(ToString::to_string),
                wave: number,
                slot: target.slot.map(|slot| slot.to_string()),
                stack: rollout.stack(target).map(|name| name.to_string()).unwrap_or_default(),
                status: if rollout.state.is_terminal() { "skipped" } else { "pending" }.into(),
                changed: None,
                changes: None,
                cause: None,
                notes: Vec::new(),
                code_sha256: Default::default(),
                entered_at: None,
                back: None,
            };
            // Of two slots, the other one is reverted to.
            let other = target.in_slot(target.slot.map(|slot| slot.other()));
            let back = of_target(&other, Direction::Rollback)
                .map(|deployment| Box::new(deployment_view(deployment, pending.clone())));
            let forward = of_target(target, Direction::Forward)
                .map_or(pending.clone(), |deployment| deployment_view(deployment, pending));
            view::DeploymentView { back, ..forward }
        })
    });
    let superseded_by = match &rollout.state {
        RolloutState::Superseded { by } => by.map(|by| by.to_string()),
        _ => None,
    };
    view::RolloutView {
        id: rollout.id.to_string(),
        service: rollout.service.to_string(),
        stage: rollout.stage.to_string(),
        kind: match rollout.kind {
            RolloutKind::Deploy(_) => "deploy",
            RolloutKind::Remove => "remove",
        }
        .into(),
        release: rollout.release().map(|id| id.to_string()),
        git_ref: rollout.source().map(|source| source.git_ref.to_string()),
        build: rollout.source().map(|source| source.build.clone()),
        digest: rollout.package().map(|digest| digest.to_string()),
        status: rollout.state.name().into(),
        ended: rollout.state.is_terminal(),
        requested_by: rollout.requested_by.clone(),
        because: rollout.because.clone(),
        cancelled_by: rollout.cancelled.as_ref().map(|off| off.by.clone()),
        paused_by: rollout.paused_by.clone().filter(|_| !rollout.state.is_terminal()),
        promotes_to: rollout.promote_to.as_ref().map(ToString::to_string),
        retry_of: rollout.retry_of.map(|id| id.to_string()),
        set: rollout.set.map(|id| id.to_string()),
        reverts_to: rollout.revert_to.as_ref().map(|release| release.release.to_string()),
        superseded_by,
        cause: rollout.state.cause().map(cause_view),
        plan: rollout.plan().map(|plan| plan.to_string()),
        traffic: traffic_view(rollout),
        gates: gates_view(rollout),
        created_at: rollout.created_at.to_string(),
        entered_at: rollout.entered_at.to_string(),
        deployments: views.collect(),
    }
}

fn deployment_view(deployment: &Deployment, pending: view::DeploymentView) -> view::DeploymentView {
    let code_sha256 = match &deployment.spec.kind {
        DeploymentKind::Deploy(release) => {
            release.functions.iter().map(|f| (f.logical_id.clone(), f.asset.to_string())).collect()
        }
        DeploymentKind::Remove => Default::default(),
    };
    view::DeploymentView {
        stack: deployment.spec.stack.to_string(),
        status: deployment.state.name().into(),
        changed: match deployment.state {
            State::Succeeded { changed } | State::Verifying { changed } => Some(changed),
            _ => None,
        },
        changes: deployment.changes.map(|c| view::ChangesView {
            add: c.add,
            modify: c.modify,
            replace: c.replace,
            remove: c.remove,
        }),
        cause: deployment.state.cause().map(cause_view),
        notes: deployment.notes.clone(),
        code_sha256,
        entered_at: Some(deployment.entered_at.to_string()),
        ..pending
    }
}

/// Its traffic, while that is shifted.
fn traffic_view(rollout: &Rollout) -> Option<view::TrafficView> {
    let RolloutState::Shifting(shift) = &rollout.state else { return None };
    let steps = rollout.traffic.as_ref().map_or(0, |traffic| traffic.steps.len());
    Some(view::TrafficView {
        wave: shift.wave + 1,
        percent: shift.percent,
        step: (shift.step + 1).min(steps),
        steps,
        until: rollout.step_ends_at().map(|at| at.to_string()),
        measured: shift.reading.map(|reading| view::TrafficMeasuredView {
            at: reading.at.to_string(),
            new: invocations(reading.new),
            stable: invocations(reading.stable),
        }),
    })
}

fn invocations(counts: Counts) -> view::InvocationsView {
    let Counts { invocations, errors, slow } = counts;
    view::InvocationsView { invocations, errors, slow }
}

/// Its gates, if the next wave has any or a break-glass has opened them.
fn gates_view(rollout: &Rollout) -> Option<view::GatesView> {
    let wave = rollout.next_wave().filter(|_| !rollout.plan_only);
    let approval = |approval: &Approval| view::ApprovalView {
        person: (approval.person != approval.by).then(|| approval.person.clone()),
        by: approval.by.clone(),
        because: approval.because.clone(),
        at: approval.at.to_string(),
        wave: approval.wave + 1,
        package: approval.package.to_string(),
        plan: approval.plan.map(|plan| plan.to_string()),
    };
    let closed = |closed: &Blocked| view::ClosedView {
        gate: closed.gate.name().into(),
        why: closed.why.clone(),
        until: closed.until.map(|at| at.to_string()),
    };
    let needed = wave.map_or(0, |wave| rollout.approvals_of(wave));
    let word = rollout.break_glass.as_ref();
    let view = view::GatesView {
        wave: wave.map(|wave| wave + 1),
        approvals_needed: needed,
        approvals: rollout.approvals.iter().map(approval).collect(),
        closed: rollout.blocked_by.iter().map(closed).collect(),
        broken_open: word.map(|word| format!("{} at {}: {}", word.by, word.at, word.because)),
    };
    let nothing = needed == 0 && view.approvals.is_empty() && view.closed.is_empty() && word.is_none();
    (!nothing).then_some(view)
}

fn event_view(event: EventRecord) -> view::EventView {
    view::EventView {
        at: event.at.to_string(),
        actor: event.actor,
        target: event.target.map(|target| target.to_string()),
        what: event.what,
        detail: event.detail,
    }
}

impl Status {
    /// A rollout with its deployments.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if there is no such rollout.
    pub async fn rollout(&self, id: &RolloutId) -> Result<view::RolloutView, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| missing(format!("there is no rollout {id}")))?;
        let rollout = read::<Rollout>(item)?.value;
        let found = self.store.query(deployments_query(id, 1_000)).await?;
        let deployments = found.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
        Ok(rollout_view(&rollout, &deployments.collect::<Result<Vec<_>, EngineError>>()?))
    }

    /// The service of a rollout.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if there is no such rollout.
    pub async fn service_of(&self, id: &RolloutId) -> Result<ServiceName, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| missing(format!("there is no rollout {id}")))?;
        Ok(read::<Rollout>(item)?.value.service)
    }

    /// A rollout's timeline, oldest first.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn events(
        &self,
        id: &RolloutId,
        page: PageRequest,
    ) -> Result<view::Page<view::EventView>, EngineError> {
        let found = self.store.query(events_query(id, page.cursor, page.limit)).await?;
        let next = next_cursor(&found);
        let items = found.items.into_iter().map(|item| Ok(event_view(read::<EventRecord>(item)?.value)));
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }
}
