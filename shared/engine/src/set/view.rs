//! The API's view of sets, and of the consumers of outputs.

use crate::EngineError;
use crate::ports::Key;
use crate::records::{ConsumerRecord, consumers_query, read, rollout_key, set_key, sets_query};
use crate::status::{PageRequest, Status, cause_view, missing, next_cursor};
use flotilla_contract as view;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::{Member, MemberOutcome, MemberRollout, ServiceSet, SetKind};
use flotilla_domain::{RolloutId, ServiceName, SetId, StageName};
use std::collections::BTreeMap;

/// Most consumers that are listed.
const CONSUMERS_MAX: usize = 200;

impl Status {
    /// A set, with the states of its rollouts. Two reads.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if there is no such set.
    pub async fn set(&self, id: &SetId) -> Result<view::SetView, EngineError> {
        let found = self.store.get(&[set_key(id)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| missing(format!("there is no set {id}")))?;
        let set = read::<ServiceSet>(item)?.value;
        let awaited: Vec<RolloutId> = set.awaited().into_iter().map(|(_, id)| id).collect();
        let keys: Vec<Key> = awaited.iter().map(rollout_key).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.store.get(&keys).await? };
        let mut states = BTreeMap::new();
        for item in found.into_iter().flatten() {
            let rollout = read::<Rollout>(item)?.value;
            states.insert(rollout.id, rollout.state.name());
        }
        Ok(set_view(&set, &states))
    }

    /// Sets, newest first, without the states of rollouts in progress.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn sets(&self, page: PageRequest) -> Result<view::Page<view::SetView>, EngineError> {
        let found = self.store.query(sets_query(page.cursor, page.limit)).await?;
        let next = next_cursor(&found);
        let items = found
            .items
            .into_iter()
            .map(|item| Ok(set_view(&read::<ServiceSet>(item)?.value, &BTreeMap::new())));
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }

    /// The consumers of a stage's outputs. One query.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn consumers(
        &self,
        service: &ServiceName,
        stage: &StageName,
    ) -> Result<view::ConsumersView, EngineError> {
        let found = self.store.query(consumers_query(service, stage, CONSUMERS_MAX)).await?;
        let consumers = found.items.into_iter().map(|item| {
            let ConsumerRecord { by: (service, stage), outputs, .. } = read::<ConsumerRecord>(item)?.value;
            Ok(view::ConsumerView { service: service.to_string(), stage: stage.to_string(), outputs })
        });
        Ok(view::ConsumersView {
            service: service.to_string(),
            stage: stage.to_string(),
            consumers: consumers.collect::<Result<_, EngineError>>()?,
        })
    }
}

fn set_view(set: &ServiceSet, states: &BTreeMap<RolloutId, &'static str>) -> view::SetView {
    let of = match &set.kind {
        SetKind::Promotion { from } => from.to_string(),
        SetKind::Rollback { of, .. } => of.to_string(),
        SetKind::Redeploy { of } => of.to_string(),
    };
    view::SetView {
        id: set.id.to_string(),
        kind: set.kind.name().into(),
        of,
        status: set.state.name().into(),
        ended: set.state.is_terminal(),
        requested_by: set.requested_by.clone(),
        because: set.because.clone(),
        cancelled_by: set.cancelled.as_ref().map(|off| off.by.clone()),
        cause: set.state.cause().map(cause_view),
        created_at: set.created_at.to_string(),
        entered_at: set.entered_at.to_string(),
        members: set.members.iter().map(|member| member_view(member, states)).collect(),
    }
}

fn member_view(member: &Member, states: &BTreeMap<RolloutId, &'static str>) -> view::SetMemberView {
    let member_rollout = |member_rollout: &Option<MemberRollout>| {
        member_rollout.as_ref().map(|member_rollout| member_rollout_view(member_rollout, states))
    };
    view::SetMemberView {
        service: member.service.to_string(),
        stage: member.stage.to_string(),
        order: member.level + 1,
        release: member.release.to_string(),
        before: member.before.map(|id| id.to_string()),
        forward: member_rollout(&member.forward),
        back: member_rollout(&member.back),
    }
}

fn member_rollout_view(
    member_rollout: &MemberRollout,
    states: &BTreeMap<RolloutId, &'static str>,
) -> view::SetLegView {
    let status = match &member_rollout.end {
        // The rollout may not be admitted yet.
        None => states.get(&member_rollout.rollout).copied().unwrap_or("pending"),
        Some(end) => end.name(),
    };
    view::SetLegView {
        rollout: member_rollout.rollout.to_string(),
        status: status.into(),
        cause: member_rollout.end.as_ref().and_then(MemberOutcome::cause).map(cause_view),
    }
}
