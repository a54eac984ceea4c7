//! What a preview needs before it begins: room in the profile's list of previews, and the permission of the services whose outputs
//! it uses.

use crate::EngineError;
use crate::config::{document, service_config};
use crate::ports::{Key, StateStore, Write};
use crate::reads::existing;
use crate::records::{ConfigRecord, PreviewsRecord, Versioned, previews_key, read, service_key, stage_key};
use flotilla_contract::ServiceConfigDoc;
use flotilla_domain::config::preview::{PreviewList, PreviewQuotas};
use flotilla_domain::gate::output::OutputRef;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Refusal};

/// Checks a rollout to a preview. Answers the write that lists a preview that begins; one that exists already costs no read.
///
/// # Errors
/// [`Code::PreviewQuotaReached`] and [`Code::OutputNotShared`] as refusals; errors of the store.
pub(crate) async fn begin(
    store: &dyn StateStore,
    rollout: &Rollout,
    quotas: &PreviewQuotas,
    head: &StageHead,
) -> Result<Option<Write>, EngineError> {
    check_outputs(store, rollout).await?;
    if !head.is_idle() {
        return Ok(None);
    }
    let found = store.get(&[previews_key(&rollout.profile)]).await?.into_iter().next().flatten();
    let saved = match found {
        Some(item) => read::<PreviewsRecord>(item)?,
        None => {
            Versioned::new(PreviewsRecord { profile: rollout.profile.clone(), list: PreviewList::default() })
        }
    };
    let own = (rollout.service.clone(), rollout.stage.clone());
    let mut record = saved.value.clone();
    record.list.0.remove(&own);
    if quotas.check_stages(&rollout.service, &record.list).is_err() {
        record.list = without_ended(store, record.list).await?;
        quotas.check_stages(&rollout.service, &record.list)?;
    }
    record.list.0.insert(own);
    Ok((record != saved.value).then(|| saved.write(&record, None)))
}

/// A list of previews, without those that have ended.
async fn without_ended(store: &dyn StateStore, list: PreviewList) -> Result<PreviewList, EngineError> {
    let keys = list.0.iter().map(|(service, stage)| stage_key(service, stage));
    let mut kept = PreviewList::default();
    for item in existing(store, keys.collect()).await? {
        let head = read::<StageHead>(item)?.value;
        if !head.is_idle() {
            kept.0.insert((head.service, head.stage));
        }
    }
    Ok(kept)
}

/// Whether the outputs that a preview uses are those of other previews, or shared by their services.
async fn check_outputs(store: &dyn StateStore, rollout: &Rollout) -> Result<(), EngineError> {
    let of_others = |of: &&OutputRef| of.stage_for(&rollout.stage) != &rollout.stage;
    let needed: Vec<&OutputRef> = rollout.needed().map(|(_, of)| of).filter(of_others).collect();
    let keys = needed
        .iter()
        .flat_map(|of| [service_key(&of.service), stage_key(&of.service, of.stage_for(&rollout.stage))]);
    let mut keys: Vec<Key> = keys.collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() {
        return Ok(());
    }
    let found = store.get(&keys).await?;
    let find =
        |key: &Key| keys.iter().zip(&found).find(|(k, _)| *k == key).and_then(|(_, item)| item.clone());
    for of in needed {
        let stage = of.stage_for(&rollout.stage);
        let head = find(&stage_key(&of.service, stage)).map(read::<StageHead>).transpose()?;
        if head.is_some_and(|head| head.value.expires_at.is_some()) {
            continue;
        }
        let config = find(&service_key(&of.service)).map(read::<ConfigRecord>).transpose()?;
        let shared = match config {
            Some(config) => {
                let doc = document::<ServiceConfigDoc>(config.value)?;
                service_config(of.service.clone(), &doc)?.shared_outputs.contains(&of.output)
            }
            None => false,
        };
        if !shared {
            let what = format!(
                "{}/{} is a preview and may not use the output {of} of {stage}",
                rollout.service, rollout.stage
            );
            let fix = format!(
                "use the output of a preview, or add \"{}\" to shared_outputs of the service {}",
                of.output, of.service
            );
            return Err(Refusal::new(Code::OutputNotShared, what, fix).into());
        }
    }
    Ok(())
}
