//! Commands on sets: several services promoted or rolled back as one, in the order of their dependencies.

use super::member::Planned;
use crate::EngineError;
use crate::access::{Caller, Commands, Order, conflict, missing, reason};
use crate::ports::{Query, Subject, Work, WriteError};
use crate::records::{ConsumerRecord, Versioned, consumers_query, read, set_key, stage_key};
use crate::rollout::admit::held;
use crate::step::due_at;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::set::{Member, ServiceSet, SetKind, SetState, in_order};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Direction, Refusal, ReleaseId, RolloutId, ServiceName, SetId, StageName};
use std::collections::{BTreeMap, BTreeSet};

/// Which services to promote together, and between which stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPromotion {
    /// The services, each once.
    pub services: Vec<ServiceName>,
    /// The stage where their releases run.
    pub from: StageName,
    /// The stage to deploy them to.
    pub to: StageName,
    /// The reason.
    pub because: Option<String>,
}

/// Which releases to roll the services of a set back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRollback {
    /// The set that names the releases.
    pub to: SetId,
    /// Use the releases that ran before the set, instead of those that it deployed.
    pub before: bool,
    /// Use the profiles' waves and gates instead of expediting.
    pub by_waves: bool,
    /// The reason.
    pub because: Option<String>,
}

/// Attempts to save when other writers change the set concurrently.
const RACES_MAX: usize = 8;
/// Consumers that one query reads. Entries of removed previews stay.
const CONSUMERS_A_PAGE: usize = 100;
/// Most pages of consumers that are read.
const CONSUMER_PAGES_MAX: usize = 20;

/// A service, a stage, and the release to deploy to it.
type Wanted = (ServiceName, StageName, ReleaseId);

impl Commands {
    /// Promotes the stable releases of several services from one stage to another as one set. A service follows
    /// the services whose outputs it uses. If one fails, all are reverted.
    ///
    /// # Errors
    /// Refusals: those of [`Commands::promote`] for any service, before anything begins; a cycle among the
    /// services; too many services.
    pub async fn promote_set(
        &self,
        promotion: &SetPromotion,
        caller: &Caller,
    ) -> Result<ServiceSet, EngineError> {
        let because = reason(promotion.because.as_deref())?;
        let because = because.unwrap_or_else(|| format!("promoted from {}", promotion.from));
        let SetPromotion { from, to, .. } = promotion;
        let services: BTreeSet<&ServiceName> = promotion.services.iter().collect();
        let mut wanted = Vec::new();
        for service in services {
            let head = self.head_of(service, from).await?.value;
            let stable = head
                .stable
                .ok_or_else(|| conflict(format!("{service} has no stable release at {from} yet")))?;
            wanted.push((service.clone(), to.clone(), stable));
        }
        let kind = SetKind::Promotion { from: from.clone() };
        self.set_out(Act::Promote, kind, wanted, because, caller).await
    }

    /// Rolls the services of a set back to the releases that it deployed, or to those that ran before it. What
    /// runs now is held.
    ///
    /// # Errors
    /// Refusals: there is no such set, it has not ended, it has not succeeded, or one of its services had no
    /// release before; those of [`Commands::roll_back`] for any service, before anything begins.
    pub async fn roll_back_set(
        &self,
        rollback: &SetRollback,
        caller: &Caller,
    ) -> Result<ServiceSet, EngineError> {
        let because = reason(rollback.because.as_deref())?.unwrap_or_else(|| "rolled back".into());
        let set = self.recorded_set(&rollback.to).await?.value;
        if !set.state.is_terminal() {
            let refusal = conflict(format!("the set {} has not ended: it is {}", set.id, set.state.name()));
            return Err(EngineError::conflict(refusal, &set));
        }
        if !rollback.before && set.state != SetState::Succeeded {
            let what = format!("the set {} is {}: its releases never ran together", set.id, set.state.name());
            let fix = "roll back to what ran before it with --before, or to a set that has succeeded";
            return Err(EngineError::conflict(Refusal::new(Code::Conflict, what, fix), &set));
        }
        let wanted = set.members.into_iter().map(|member| {
            let release = if rollback.before { member.before } else { Some(member.release) };
            let (service, stage) = (member.service, member.stage);
            let release = release.ok_or_else(|| {
                let what = format!("{service}/{stage} had no stable release before {}", set.id);
                let fix = "roll the other services back one by one with flotilla rollback";
                Refusal::new(Code::NothingToRevertTo, what, fix)
            })?;
            Ok((service, stage, release))
        });
        let wanted = wanted.collect::<Result<Vec<Wanted>, Refusal>>()?;
        let kind = SetKind::Rollback { of: rollback.to, by_waves: rollback.by_waves };
        self.set_out(Act::RollBack, kind, wanted, because, caller).await
    }

    /// Deploys the stable releases of all consumers of a stage again, direct and indirect.
    ///
    /// # Errors
    /// Refusals: there are no consumers; those of [`Commands::start`] for any of them, before anything begins.
    pub async fn redeploy_consumers(
        &self,
        service: &ServiceName,
        stage: &StageName,
        because: Option<&str>,
        caller: &Caller,
    ) -> Result<ServiceSet, EngineError> {
        let because = reason(because)?.unwrap_or_else(|| format!("outputs of {service}/{stage}"));
        let mut found = BTreeMap::new();
        let mut open = vec![(service.clone(), stage.clone())];
        while let Some((service, stage)) = open.pop() {
            for (by, stable) in self.running_consumers(&service, &stage).await? {
                if found.insert(by.clone(), stable).is_none() {
                    open.push(by);
                }
            }
            if found.len() > ServiceSet::MEMBERS_MAX {
                check_count(found.len())?;
            }
        }
        found.remove(&(service.clone(), stage.clone()));
        let wanted: Vec<Wanted> =
            found.into_iter().map(|((service, stage), stable)| (service, stage, stable)).collect();
        if wanted.is_empty() {
            let what = format!("no running service uses outputs of {service}/{stage}");
            return Err(missing(what, "list all recorded consumers with flotilla consumers").into());
        }
        let kind = SetKind::Redeploy { of: service.clone() };
        self.set_out(Act::Start, kind, wanted, because, caller).await
    }

    /// The consumers of a stage that have a stable release, with that release. Others use no outputs now.
    async fn running_consumers(
        &self,
        service: &ServiceName,
        stage: &StageName,
    ) -> Result<Vec<((ServiceName, StageName), ReleaseId)>, EngineError> {
        let (mut running, mut after) = (Vec::new(), None);
        for _ in 0..CONSUMER_PAGES_MAX {
            let query = Query { after, ..consumers_query(service, stage, CONSUMERS_A_PAGE) };
            let page = self.store.query(query).await?;
            after = page.items.last().filter(|_| page.more).map(|item| item.key.sk.clone());
            let by = |item| Ok::<_, EngineError>(read::<ConsumerRecord>(item)?.value.by);
            let by = page.items.into_iter().map(by).collect::<Result<Vec<_>, _>>()?;
            let keys: Vec<_> = by.iter().map(|(service, stage)| stage_key(service, stage)).collect();
            let heads = if keys.is_empty() { Vec::new() } else { self.store.get(&keys).await? };
            for (by, head) in by.into_iter().zip(heads) {
                let head = head.map(read::<StageHead>).transpose()?;
                running.extend(head.and_then(|head| head.value.stable).map(|stable| (by, stable)));
            }
            if after.is_none() {
                break;
            }
        }
        Ok(running)
    }

    /// Cancels a set: its rollouts in progress are cancelled, no other one begins, and a promotion is reverted.
    /// Only the request is saved; the set's next step carries it out.
    ///
    /// # Errors
    /// Refusals: there is no such set, it has ended, or is reverting already.
    pub async fn cancel_set(
        &self,
        id: &SetId,
        stop_running: bool,
        caller: &Caller,
    ) -> Result<ServiceSet, EngineError> {
        for _ in 0..RACES_MAX {
            let saved = self.recorded_set(id).await?;
            let mut orders = Vec::new();
            for member in &saved.value.members {
                let order =
                    self.order(caller, Act::Cancel, Scope::stage(&member.service, &member.stage)).await?;
                orders.push(order.detail(id.to_string()));
            }
            if !matches!(saved.value.state, SetState::Rolling { .. }) {
                let refusal =
                    conflict(format!("the set {id} is {} and cannot be cancelled", saved.value.state.name()));
                return Err(EngineError::conflict(refusal, &saved.value));
            }
            let set = saved.value.clone().cancel(&caller.principal, stop_running);
            if set == saved.value {
                return Ok(set);
            }
            let write = saved.write(&set, Some(due_at(self.clock.now(), 0)));
            match self.save_all(&orders, vec![write]).await {
                Ok(()) => {
                    self.queue.send(vec![(Work::Tick(Subject::Set(*id)), 0)]).await?;
                    return Ok(set);
                }
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    /// Saves a new set, after checking that each member's rollout could be admitted now, with an audit entry
    /// for each member, and wakes it.
    async fn set_out(
        &self,
        act: Act,
        kind: SetKind,
        wanted: Vec<Wanted>,
        because: String,
        caller: &Caller,
    ) -> Result<ServiceSet, EngineError> {
        check_count(wanted.len())?;
        let mut orders = Vec::new();
        for (service, stage, release) in &wanted {
            let order = self.order(caller, act, Scope::stage(service, stage)).await?;
            orders.push(order.release(Some(release)));
        }
        let now = self.clock.now();
        let set = ServiceSet {
            id: SetId::derive(now, &[&caller.request_id]),
            kind,
            members: wanted.into_iter().map(member).collect(),
            state: SetState::Rolling { level: 0 },
            acted: false,
            cancelled: None,
            requested_by: caller.principal.clone(),
            because,
            created_at: now,
            entered_at: now,
        };
        let set = self.in_order(set).await?.set_out(now);
        let detail = format!("{}: {}", set.id, set.because);
        let orders: Vec<Order> = orders.into_iter().map(|order| order.detail(&detail)).collect();
        let write = Versioned::new(set.clone()).write(&set, Some(due_at(now, 0)));
        self.save_all(&orders, vec![write]).await?;
        tracing::info!(set.id = %set.id, kind = set.kind.name(), members = set.members.len(), by = set.requested_by, "set accepted");
        self.queue.send(vec![(Work::Tick(Subject::Set(set.id)), 0)]).await?;
        Ok(set)
    }

    /// Gives each member its level, by the outputs that its rollout needs, and records the state of its stage.
    async fn in_order(&self, mut set: ServiceSet) -> Result<ServiceSet, EngineError> {
        let mut plans: Vec<Planned> = Vec::new();
        for member in &set.members {
            let id = RolloutId::derive(set.created_at, &[&set.id.to_string()]);
            let plan =
                self.store.compose_member(&set, member, (Direction::Forward, id), set.created_at).await?;
            held(&plan.rollout, plan.head.as_ref())?;
            if !matches!(set.kind, SetKind::Rollback { .. }) {
                nothing_under_way(member, plan.head.as_ref())?;
            }
            plans.push(plan);
        }
        let places: BTreeMap<_, usize> = set
            .members
            .iter()
            .enumerate()
            .map(|(at, member)| ((member.service.clone(), member.stage.clone()), at))
            .collect();
        let given = set.members.iter().zip(&plans).map(|(member, plan)| {
            let needs = plan.rollout.needed().map(|(_, of)| of);
            let needs =
                needs.filter_map(|of| places.get(&(of.service.clone(), of.stage_for(&member.stage).clone())));
            (format!("{}/{}", member.service, member.stage), needs.copied().collect())
        });
        let levels = in_order(&given.collect::<Vec<_>>())?;
        for ((member, plan), level) in set.members.iter_mut().zip(plans).zip(levels) {
            member.level = level;
            member.before = plan.head.as_ref().and_then(|head| head.stable);
            member.newest = plan.head.and_then(|head| head.newest);
        }
        set.members.sort_by(|a, b| (a.level, &a.service, &a.stage).cmp(&(b.level, &b.service, &b.stage)));
        Ok(set)
    }

    async fn recorded_set(&self, id: &SetId) -> Result<Versioned<ServiceSet>, EngineError> {
        let found = self.store.get(&[set_key(id)]).await?.into_iter().next().flatten();
        let found = found
            .ok_or_else(|| missing(format!("there is no set {id}"), "list them with flotilla set list"))?;
        Ok(read::<ServiceSet>(found)?)
    }
}

fn member((service, stage, release): Wanted) -> Member {
    Member { service, stage, level: 0, release, before: None, newest: None, forward: None, back: None }
}

/// Whether no rollout is active at a member's stage. What runs there must not change before the set reaches the
/// member.
fn nothing_under_way(member: &Member, head: Option<&StageHead>) -> Result<(), EngineError> {
    let Some((head, active)) = head.and_then(|head| Some((head, head.active?))) else { return Ok(()) };
    let what = format!("{active} is in progress at {}/{}", member.service, member.stage);
    let fix = format!("wait until it ends (flotilla watch {active}) or cancel it, then repeat the command");
    Err(EngineError::conflict(Refusal::new(Code::Conflict, what, fix), head))
}

fn check_count(members: usize) -> Result<(), Refusal> {
    let max = ServiceSet::MEMBERS_MAX;
    if (1..=max).contains(&members) {
        return Ok(());
    }
    let what = format!("{members} services in one set");
    let fix = format!("name 1 to {max} services, or use several sets");
    Err(Refusal::new(Code::RequestInvalid, what, fix).at("services"))
}
