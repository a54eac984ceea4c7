//! What operators ask for. Who asks is written down in the same transaction as what changes.

use crate::EngineError;
use crate::accept::{accept, destination, document, keep, plan_rollout, wake};
use crate::configure;
use crate::ports::{Clock, Expect, Item, Key, StateStore, WorkQueue, Write, WriteError};
use crate::records::{
    ConfigRecord, EventRecord, Versioned, account_key, create, index_key, profile_key, read, release_key,
    rollout_key, service_key, stage_key,
};
use flotilla_contract::{AccountConfig, ProfileConfig, ServiceConfigDoc};
use flotilla_domain::release::Release;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::rules::Route;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{
    AccountId, Code, ProfileName, Refusal, ReleaseId, RolloutId, ServiceName, StageName, Timestamp,
};
use serde::Serialize;
use std::sync::Arc;

/// The use case and what it needs.
pub struct Commands {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
}

/// Who asks, and with which request: the same request again is the same command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The principal's ARN.
    pub principal: String,
    /// Unique to the request.
    pub request_id: String,
}

impl Commands {
    /// Puts a service's configuration. With `expected` only if that is its version (0 for none yet).
    ///
    /// # Errors
    /// Refusals: invalid, an unknown profile, or another version.
    pub async fn put_service(
        &self,
        service: &ServiceName,
        doc: &ServiceConfigDoc,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let config = configure::service_config(service.clone(), doc)?;
        for (n, rule) in config.rules.iter().enumerate() {
            if self.store.get(&[profile_key(&rule.profile)]).await?.into_iter().next().flatten().is_none() {
                let what = format!("the profile {} is not configured", rule.profile);
                let refusal =
                    Refusal::new(Code::ProfileUnknown, what, "put the profile first, or correct its name");
                return Err(refusal.at(format!("rules.{n}.profile")).into());
            }
        }
        self.put(service_key(service), Some(index_key("services", service.as_str())), doc, expected, caller)
            .await
    }

    /// Puts a profile.
    ///
    /// # Errors
    /// Refusals: invalid, an unknown region, or another version.
    pub async fn put_profile(
        &self,
        name: &ProfileName,
        doc: &ProfileConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        configure::profile(name.clone(), doc)?;
        self.put(profile_key(name), Some(index_key("profiles", name.as_str())), doc, expected, caller).await
    }

    /// Registers an account.
    ///
    /// # Errors
    /// Refusals: invalid, or another version.
    pub async fn put_account(
        &self,
        id: &AccountId,
        doc: &AccountConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        configure::account(id.clone(), doc)?;
        self.put(account_key(id), None, doc, expected, caller).await
    }

    /// Saves a document with its history. The same document again changes nothing.
    async fn put<T: Serialize>(
        &self,
        key: Key,
        index: Option<Key>,
        doc: &T,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let document = serde_json::to_value(doc).map_err(|e| EngineError::Defect(e.to_string()))?;
        let found = self.store.get(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let before = found.map(read::<ConfigRecord>).transpose()?;
        let version = before.as_ref().map_or(0, |b| b.value.config_version);
        if expected.is_some_and(|expected| expected != version) {
            return Err(conflict(format!("the configuration has version {version} now")).into());
        }
        if let Some(same) = before.as_ref().filter(|before| before.value.document == document) {
            return Ok(same.value.clone());
        }
        let record = ConfigRecord {
            key,
            config_version: version + 1,
            changed_by: caller.principal.clone(),
            changed_at: self.clock.now(),
            document,
        };
        let saved = before.unwrap_or_else(|| Versioned::new(record.clone()));
        let mut writes = vec![saved.write(&record, None), create(&record.history())];
        writes.extend(index.map(index_entry));
        match self.store.write(writes).await {
            Ok(()) => {
                tracing::info!(
                    key = record.key.pk,
                    version = record.config_version,
                    actor = caller.principal,
                    "configuration changed"
                );
                Ok(record)
            }
            Err(WriteError::Conflict(_)) => {
                Err(conflict("somebody else changed the configuration meanwhile".into()).into())
            }
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }

    /// Starts a rollout of a release of the service to one of its stages.
    ///
    /// # Errors
    /// Refusals: there is no such release, no rule knows the stage, or the package does not fit it.
    pub async fn start(
        &self,
        service: &ServiceName,
        id: &ReleaseId,
        stage: &StageName,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let keys = [release_key(service, id), service_key(service), stage_key(service, stage)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let (release, config, head) = (next(), next(), next());
        let release = release.ok_or_else(|| {
            missing(format!("{service} has no release {id}"), "list them with flotilla releases")
        })?;
        let release = read::<Release>(release)?.value;
        let config = config.ok_or_else(|| {
            missing(format!("the service {service} is not configured"), "add it with flotilla apply")
        })?;
        let config = configure::service_config(
            service.clone(),
            &document::<ServiceConfigDoc>(read::<ConfigRecord>(config)?.value)?,
        )?;
        let by_rule = config
            .rules
            .iter()
            .find(|rule| !rule.stage.is_per_ref() && rule.stage.as_str() == stage.as_str());
        let head = head.map(read::<StageHead>).transpose()?.map(|head| head.value);
        let route = match (by_rule, config.route(&release.git_ref).ok(), head) {
            (Some(rule), ..) => {
                Route { stage: stage.clone(), profile: rule.profile.clone(), ttl_h: rule.ttl_h }
            }
            (None, Some(route), _) if route.stage == *stage => route,
            (None, _, Some(head)) if head.expires_at.is_none() => {
                Route { stage: stage.clone(), profile: head.profile, ttl_h: None }
            }
            _ => {
                return Err(missing(
                    format!("no rule of {service} knows the stage {stage}"),
                    "add a rule for it with flotilla apply",
                )
                .into());
            }
        };
        let destination = destination(self.store.as_ref(), &route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let rollout = plan_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        accept(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), &rollout, route.ttl_h, &[])
            .await
    }

    /// Calls a rollout off: what has begun is finished, nothing more is begun.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, or it has ended.
    pub async fn cancel(&self, id: &RolloutId, caller: &Caller) -> Result<Rollout, EngineError> {
        for _ in 0..8 {
            let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
            let found = found.ok_or_else(|| {
                missing(format!("there is no rollout {id}"), "list them with flotilla status")
            })?;
            let saved = read::<Rollout>(found)?;
            let now = self.clock.now();
            let state = saved.value.state.name();
            if saved.value.state.is_terminal() {
                return Err(conflict(format!("the rollout is {state} already")).into());
            }
            // Only the wish is saved here: the rollout's own next step ends it, together with its place
            // at the stage's head.
            let mut wished = saved.value.clone();
            wished.cancelled_by.get_or_insert_with(|| caller.principal.clone());
            let event = EventRecord {
                rollout: *id,
                target: None,
                at: now,
                actor: caller.principal.clone(),
                what: "cancel requested".into(),
                detail: None,
            };
            match self
                .store
                .write(vec![saved.write(&wished, Some(crate::drive::due_at(now, 0))), keep(&event)])
                .await
            {
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

fn index_entry(key: Key) -> Write {
    let body = [("format".to_owned(), 1.into())].into_iter().collect();
    let item = Item { key, version: 1, due_at: None::<Timestamp>, expires_at: None, body };
    Write { item, expect: Expect::Anything }
}

fn missing(what: String, fix: &str) -> Refusal {
    Refusal::new(Code::NotFound, what, fix)
}

fn conflict(what: String) -> Refusal {
    Refusal::new(Code::Conflict, what, "look at its present state, then decide again")
}
