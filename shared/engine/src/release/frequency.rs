//! How often a service may upload: each upload takes time that the uploads of others wait for.

use crate::EngineError;
use crate::ports::StateStore;
use crate::records::{read, uploads_query};
use flotilla_domain::git_ref::RefKind;
use flotilla_domain::release::Upload;
use flotilla_domain::release::upload_key::IncomingKey;
use flotilla_domain::{Code, Refusal, ServiceName, SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Most uploads of one service within a minute.
const UPLOADS_PER_MINUTE_MAX: usize = 60;

/// Most services that are remembered.
const REMEMBERED_MAX: usize = 1_000;

/// The check, with what this process knows already: until when a service may not upload for a kind of ref. Uploads are only added, so this
/// cannot become less.
#[derive(Debug, Default)]
pub struct UploadFrequency(Mutex<BTreeMap<(ServiceName, Option<RefKind>), Timestamp>>);

impl UploadFrequency {
    /// Whether the service may have another upload of this kind of ref now. Whoever may upload for one kind, such as pull requests, does not
    /// hold up the others.
    ///
    /// # Errors
    /// [`Code::UploadsTooFrequent`] as a refusal; errors of the state store.
    pub(super) async fn check(
        &self,
        store: &dyn StateStore,
        service: &ServiceName,
        key: &str,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let subject = (service.clone(), kind(key));
        let known = self.known().get(&subject).copied().filter(|until| now < *until);
        let until = match known {
            Some(until) => Some(until),
            None => refused_until(store, service, key, now).await?,
        };
        let Some(until) = until else { return Ok(()) };
        let mut known = self.known();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(subject, until);
        let what = format!("{service} had {UPLOADS_PER_MINUTE_MAX} uploads within a minute");
        let fix = "find out what uploads so often, and upload again after a minute";
        Err(Refusal::new(Code::UploadsTooFrequent, what, fix).into())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(ServiceName, Option<RefKind>), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(key: &str) -> Option<RefKind> {
    IncomingKey::parse(key).ok().map(|key| key.git_ref().kind())
}

/// Until when the service may not upload; `None` if it may.
async fn refused_until(
    store: &dyn StateStore,
    service: &ServiceName,
    key: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, EngineError> {
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);
    let newest = uploads_query(Some(service), None, 2 * UPLOADS_PER_MINUTE_MAX);
    let (mut packages, mut all) = (0, 0);
    for item in store.query(newest).await?.items {
        let object = read::<Upload>(item)?.value.object;
        if now.duration_since(object.uploaded_at) >= MINUTE || kind(&object.key) != kind(key) {
            continue;
        }
        all += 1;
        packages += usize::from(!IncomingKey::is_marker(&object.key));
        // Markers cost little: many at once, as when old pull requests are closed, do not hold up a package.
        if packages == UPLOADS_PER_MINUTE_MAX || all == 2 * UPLOADS_PER_MINUTE_MAX {
            return Ok(object.uploaded_at.checked_add(MINUTE).ok());
        }
    }
    Ok(None)
}
