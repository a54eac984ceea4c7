//! A stack's lease: `STK#<account>#<region>` / `<stack name>`.
//!
//! It is never read before it is taken: the condition of the write decides.

use crate::ports::{Expect, Item, Key, Write};
use flotilla_domain::deployment::Deployment;
use flotilla_domain::{DeploymentId, RolloutId, StackName, Target, Timestamp};
use serde_json::{Map, json};

/// The field that names the holder.
const HOLDER: &str = "holder";
/// The holder of a free lease.
const NOBODY: &str = "-";

/// The key of a stack's lease.
pub fn lease_key(target: &Target, stack: &StackName) -> Key {
    Key::new(format!("STK#{}#{}", target.account, target.region), stack.as_str())
}

/// Takes the lease for a deployment, if it is free or already its own.
pub fn take_lease(deployment: &Deployment, now: Timestamp) -> Write {
    let holder = deployment.id.to_string();
    let expect = Expect::AbsentOrFieldIn(HOLDER, vec![NOBODY.into(), holder.clone()]);
    Write { item: lease_item(deployment, &holder, now), expect }
}

/// Gives the lease of a deployment back. Another one's is never touched.
pub fn release_lease(deployment: &Deployment, now: Timestamp) -> Write {
    let expect = Expect::AbsentOrFieldIn(HOLDER, vec![deployment.id.to_string()]);
    Write { item: lease_item(deployment, NOBODY, now), expect }
}

/// The deployment that holds a lease, read from its item.
pub fn lease_holder(item: &Item) -> Option<DeploymentId> {
    let (rollout, target) = item.body.get(HOLDER)?.as_str()?.split_once('/')?;
    Some(DeploymentId { rollout: RolloutId::parse(rollout).ok()?, target: Target::parse(target).ok()? })
}

fn lease_item(deployment: &Deployment, holder: &str, now: Timestamp) -> Item {
    let mut body = Map::new();
    body.insert("format".into(), json!(1));
    body.insert(HOLDER.into(), json!(holder));
    body.insert("since".into(), json!(now.to_string()));
    body.insert("deployment".into(), json!(deployment.id.to_string()));
    Item {
        key: lease_key(&deployment.id.target, &deployment.spec.stack),
        version: 1,
        due_at: None,
        expires_at: None,
        body,
    }
}
