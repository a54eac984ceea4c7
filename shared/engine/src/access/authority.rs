//! Callers, their permissions, and the only way for a command to change anything: in one transaction with its
//! audit entry.

use super::Commands;
use crate::config::document;
use crate::ports::{Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError};
use crate::records::{AuditRecord, ConfigRecord, Outcome, access_key, create, read};
use crate::rollout::admit::{AdmissionRequest, admit};
use crate::rollout::destination::{Destination, destination};
use crate::rollout::route::{RoutedRelease, way};
use crate::set::member::{Planned, compose_member};
use crate::{EngineError, config};
use flotilla_contract::{AccessConfig, OwnGrantView, WhoAmIView};
use flotilla_domain::access::{Act, Approver, Author, Authority, Grant, Identity, Of, Role, Scope};
use flotilla_domain::code::storable;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::{Member, ServiceSet};
use flotilla_domain::{
    Direction, ProfileName, Refusal, ReleaseId, RolloutId, ServiceName, StageName, Timestamp,
};
use std::sync::Arc;

/// A caller, their request and their permissions. The same request id is the same command.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal's ARN.
    pub principal: String,
    /// The person behind it, whom approvals and four eyes count.
    pub person: String,
    /// Unique for each request.
    pub request_id: String,
    authority: Arc<Authority>,
    identity: Arc<Identity>,
}

impl Caller {
    /// The person behind another principal.
    pub(crate) fn person_of(&self, principal: &str) -> String {
        self.identity.person(principal)
    }

    /// The person that an author in the provenance of a release is.
    pub(crate) fn author(&self, name: &str) -> Author {
        self.identity.author(name)
    }

    /// The caller, who wants to approve.
    pub(crate) fn approver(&self) -> Approver<'_> {
        Approver { person: &self.person, is_one: self.identity.is_one_person(&self.principal) }
    }

    /// Who the caller is for Flotilla, and what it may do.
    pub fn view(&self) -> WhoAmIView {
        let grant = |grant: &Grant| OwnGrantView {
            role: grant.role.name().into(),
            services: grant.services.texts(),
            stages: grant.stages.texts(),
        };
        let everything =
            || vec![OwnGrantView { role: Role::Admin.name().into(), services: vec![], stages: vec![] }];
        let granted = self.authority.grants_of(&self.principal);
        WhoAmIView {
            principal: self.principal.clone(),
            person: self.person.clone(),
            grants: granted.map_or_else(everything, |grants| grants.into_iter().map(grant).collect()),
        }
    }

    /// Whether the caller has a role in a scope.
    ///
    /// # Errors
    /// [`flotilla_domain::Code::Forbidden`].
    pub fn may(&self, role: Role, scope: Scope<'_>) -> Result<(), Refusal> {
        self.authority.allows(&self.principal, role, scope)
    }
}

/// The state store as commands see it: they read it, and write through [`Commands::save`] only.
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
    ) -> Result<RoutedRelease, EngineError> {
        way(self.0.as_ref(), service, release, stage).await
    }

    pub(crate) async fn compose_member(
        &self,
        set: &ServiceSet,
        member: &Member,
        way: (Direction, RolloutId),
        now: Timestamp,
    ) -> Result<Planned, EngineError> {
        compose_member(self.0.as_ref(), set, member, way, now).await
    }

    pub(crate) async fn destination(&self, profile: &ProfileName) -> Result<Destination, EngineError> {
        destination(self.0.as_ref(), profile).await
    }
}

/// A command that its caller may give. Every write needs one, and only [`Commands::order`] creates one.
#[derive(Debug, Clone)]
pub(crate) struct Order(AuditRecord);

impl Order {
    /// The principal that gives it.
    pub(crate) fn principal(&self) -> &str {
        &self.0.principal
    }

    /// Adds the rollout that the order is about.
    pub(crate) fn rollout(mut self, rollout: &Rollout) -> Self {
        (self.0.rollout, self.0.release) = (Some(rollout.id), rollout.release());
        self.0.detail = self.0.detail.or_else(|| rollout.because.clone());
        self
    }

    /// Adds the protected resources that the rollout may lose.
    fn may_lose(self, rollout: &Rollout) -> Self {
        let approved = &rollout.policy.safeguards.approved;
        if approved.is_empty() {
            return self;
        }
        let before = self.0.detail.as_deref().map(|detail| format!("{detail}; ")).unwrap_or_default();
        let names = approved.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.detail(format!("{before}may lose {names}"))
    }

    /// Adds the release that the order is about.
    pub(crate) fn release(mut self, release: Option<&ReleaseId>) -> Self {
        self.0.release = release.copied();
        self
    }

    /// Adds a detail, which must never contain the value of a parameter.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(storable(detail.into()));
        self
    }
}

impl Commands {
    /// Reads what a principal may do. One read.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn caller(&self, principal: String, request_id: String) -> Result<Caller, EngineError> {
        let found = self.store.get(&[access_key()]).await?.into_iter().next().flatten();
        let (authority, identity) = match found {
            None => (self.bootstrap.clone(), Identity::default()),
            Some(item) => {
                let doc: AccessConfig = document(read::<ConfigRecord>(item)?.value)?;
                (Arc::new(config::access(&doc)?), config::identity(&doc)?)
            }
        };
        let person = identity.person(&principal);
        Ok(Caller { principal, person, request_id, authority, identity: Arc::new(identity) })
    }

    /// Whether a caller may give a command in a scope. A refusal is recorded in the audit.
    ///
    /// # Errors
    /// [`flotilla_domain::Code::Forbidden`] as a refusal; errors of the state store.
    pub async fn check(&self, caller: &Caller, act: Act, scope: Scope<'_>) -> Result<(), EngineError> {
        self.order(caller, act, scope).await.map(drop)
    }

    /// Creates the order for a command, if the caller may give it.
    pub(crate) async fn order(
        &self,
        caller: &Caller,
        act: Act,
        scope: Scope<'_>,
    ) -> Result<Order, EngineError> {
        let order = self.unchecked_order(caller, act, scope);
        match caller.may(act.role(), scope) {
            Ok(()) => Ok(order),
            Err(refusal) => Err(self.refuse(order, refusal).await),
        }
    }

    fn unchecked_order(&self, caller: &Caller, act: Act, scope: Scope<'_>) -> Order {
        Order(AuditRecord {
            at: self.clock.now(),
            principal: caller.principal.clone(),
            person: (caller.person != caller.principal).then(|| caller.person.clone()),
            request_id: caller.request_id.clone(),
            act: act.name().into(),
            outcome: Outcome::Accepted,
            service: if let Of::One(service) = scope.service { Some(service.clone()) } else { None },
            stage: if let Of::One(stage) = scope.stage { Some(stage.clone()) } else { None },
            rollout: None,
            release: None,
            detail: None,
        })
    }

    /// Creates the order for what a caller does to its own session: no grant is needed.
    pub(crate) fn own_order(&self, caller: &Caller, act: Act) -> Order {
        self.unchecked_order(caller, act, Scope::ANYTHING)
    }

    /// Records a refused order in the audit. The order stays refused if this fails.
    pub(crate) async fn refuse(&self, Order(entry): Order, refusal: Refusal) -> EngineError {
        tracing::warn!(actor = entry.principal, act = entry.act, code = %refusal.code, "a command was refused");
        let detail = Some(refusal.to_string());
        let refused = create(&AuditRecord { outcome: Outcome::Refused, detail, ..entry });
        if let Err(error) = self.store.0.write(vec![refused]).await {
            tracing::error!("cannot record the refusal in the audit: {error}");
        }
        refusal.into()
    }

    /// Saves the changes of an order, with its audit entry.
    pub(crate) async fn save(&self, order: &Order, mut writes: Vec<Write>) -> Result<(), WriteError> {
        writes.push(create(&order.0));
        self.store.0.write(writes).await
    }

    /// Saves the changes of several orders in one transaction, with their audit entries.
    pub(crate) async fn save_all(&self, orders: &[Order], mut writes: Vec<Write>) -> Result<(), WriteError> {
        writes.extend(orders.iter().map(|order| create(&order.0)));
        self.store.0.write(writes).await
    }

    /// Admits an order's rollout to its stage, with its audit entry.
    pub(crate) async fn admit(
        &self,
        order: Order,
        request: AdmissionRequest<'_>,
    ) -> Result<Rollout, EngineError> {
        let entry = [create(&order.rollout(request.rollout).may_lose(request.rollout).0)];
        let request = AdmissionRequest { beside: &entry, ..request };
        admit(self.store.0.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await
    }
}
