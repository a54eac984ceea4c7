//! Who asks, whether they may, and the only door through which a command changes anything: with its entry in the
//! audit, in the same transaction.

use super::Commands;
use crate::config::document;
use crate::ports::{Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError};
use crate::records::{AuditRecord, ConfigRecord, Outcome, access_key, create, read};
use crate::rollout::admit::{Arrival, accept};
use crate::rollout::compose::{Destination, destination};
use crate::rollout::route::{Way, way};
use crate::set::member::{Planned, plan_member};
use crate::{EngineError, config};
use flotilla_contract::AccessConfig;
use flotilla_domain::access::{Act, Authority, Of, Role, Scope};
use flotilla_domain::code::cut;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::{Member, ServiceSet};
use flotilla_domain::{ProfileName, Refusal, ReleaseId, RolloutId, ServiceName, StageName, Timestamp, Turn};
use std::sync::Arc;

/// Who asks, with which request, and what they may do. The same request again is the same command.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal's ARN.
    pub principal: String,
    /// Unique to the request.
    pub request_id: String,
    authority: Arc<Authority>,
}

impl Caller {
    /// Whether the caller has a role for something.
    ///
    /// # Errors
    /// [`flotilla_domain::Code::Forbidden`].
    pub fn may(&self, role: Role, scope: Scope<'_>) -> Result<(), Refusal> {
        self.authority.allows(&self.principal, role, scope)
    }
}

/// The table as commands have it: they read it, and write by [`Commands::save`] only.
#[derive(Clone)]
pub struct Ledger(Arc<dyn StateStore>);

impl Ledger {
    pub(crate) fn new(store: Arc<dyn StateStore>) -> Self {
        Self(store)
    }

    pub(crate) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, PortError> {
        self.0.get(keys).await
    }

    pub(crate) async fn query(&self, query: Query) -> Result<ItemPage, PortError> {
        self.0.query(query).await
    }

    pub(crate) async fn way(
        &self,
        service: &ServiceName,
        release: &ReleaseId,
        stage: &StageName,
    ) -> Result<Way, EngineError> {
        way(self.0.as_ref(), service, release, stage).await
    }

    pub(crate) async fn plan_member(
        &self,
        set: &ServiceSet,
        member: &Member,
        way: (Turn, RolloutId),
        now: Timestamp,
    ) -> Result<Planned, EngineError> {
        plan_member(self.0.as_ref(), set, member, way, now).await
    }

    pub(crate) async fn destination(&self, profile: &ProfileName) -> Result<Destination, EngineError> {
        destination(self.0.as_ref(), profile).await
    }
}

/// A command that its caller may give. Nothing else opens the door, and only [`Commands::order`] makes one.
#[derive(Debug, Clone)]
pub(crate) struct Order(AuditRecord);

impl Order {
    /// Who gives it.
    pub(crate) fn principal(&self) -> &str {
        &self.0.principal
    }

    /// The order, about a rollout.
    pub(crate) fn rollout(mut self, rollout: &Rollout) -> Self {
        (self.0.rollout, self.0.release) = (Some(rollout.id), rollout.release());
        self.0.detail = self.0.detail.or_else(|| rollout.because.clone());
        self
    }

    /// The order, with what its rollout may lose although a safeguard keeps it.
    fn may_lose(self, rollout: &Rollout) -> Self {
        let approved = &rollout.policy.safeguards.approved;
        if approved.is_empty() {
            return self;
        }
        let before = self.0.detail.as_deref().map(|detail| format!("{detail}; ")).unwrap_or_default();
        let names = approved.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.detail(format!("{before}may lose {names}"))
    }

    /// The order, about a release.
    pub(crate) fn release(mut self, release: Option<&ReleaseId>) -> Self {
        self.0.release = release.copied();
        self
    }

    /// The order, with more about it: never the value of a parameter.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(cut(detail.into()));
        self
    }
}

impl Commands {
    /// Looks up what a principal may do: one read.
    ///
    /// # Errors
    /// The table's.
    pub async fn caller(&self, principal: String, request_id: String) -> Result<Caller, EngineError> {
        let found = self.store.get(&[access_key()]).await?.into_iter().next().flatten();
        let authority = match found {
            None => Authority::Open,
            Some(item) => config::access(&document::<AccessConfig>(read::<ConfigRecord>(item)?.value)?)?,
        };
        Ok(Caller { principal, request_id, authority: Arc::new(authority) })
    }

    /// Whether a caller may give a command, for something. Who may not is in the audit afterwards.
    ///
    /// # Errors
    /// [`flotilla_domain::Code::Forbidden`] as a refusal; the table's.
    pub async fn check(&self, caller: &Caller, act: Act, scope: Scope<'_>) -> Result<(), EngineError> {
        self.order(caller, act, scope).await.map(drop)
    }

    /// The order to do something, if the caller may give it.
    pub(crate) async fn order(
        &self,
        caller: &Caller,
        act: Act,
        scope: Scope<'_>,
    ) -> Result<Order, EngineError> {
        let order = Order(AuditRecord {
            at: self.clock.now(),
            principal: caller.principal.clone(),
            request_id: caller.request_id.clone(),
            act: act.name().into(),
            outcome: Outcome::Accepted,
            service: if let Of::One(service) = scope.service { Some(service.clone()) } else { None },
            stage: if let Of::One(stage) = scope.stage { Some(stage.clone()) } else { None },
            rollout: None,
            release: None,
            detail: None,
        });
        match caller.may(act.role(), scope) {
            Ok(()) => Ok(order),
            Err(refusal) => Err(self.refuse(order, refusal).await),
        }
    }

    /// Writes down that an order was refused for who gave it. The refusal stands whether that works or not.
    pub(crate) async fn refuse(&self, Order(entry): Order, refusal: Refusal) -> EngineError {
        tracing::warn!(actor = entry.principal, act = entry.act, code = %refusal.code, "a command was refused");
        let detail = Some(refusal.to_string());
        let refused = create(&AuditRecord { outcome: Outcome::Refused, detail, ..entry });
        if let Err(error) = self.store.0.write(vec![refused]).await {
            tracing::error!("the refusal is not in the audit: {error}");
        }
        refusal.into()
    }

    /// Saves what an order changes, with its entry in the audit.
    pub(crate) async fn save(&self, order: &Order, mut writes: Vec<Write>) -> Result<(), WriteError> {
        writes.push(create(&order.0));
        self.store.0.write(writes).await
    }

    /// Saves what several orders change together, with their entries in the audit.
    pub(crate) async fn save_all(&self, orders: &[Order], mut writes: Vec<Write>) -> Result<(), WriteError> {
        writes.extend(orders.iter().map(|order| create(&order.0)));
        self.store.0.write(writes).await
    }

    /// Lets an order's rollout in at its stage, with its entry in the audit.
    pub(crate) async fn let_in(&self, order: Order, arrival: Arrival<'_>) -> Result<Rollout, EngineError> {
        let entry = [create(&order.rollout(arrival.rollout).may_lose(arrival.rollout).0)];
        let arrival = Arrival { beside: &entry, ..arrival };
        accept(self.store.0.as_ref(), self.queue.as_ref(), self.clock.as_ref(), arrival).await
    }
}
