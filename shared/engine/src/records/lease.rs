//! A stack's lease: `STK#<account>#<region>` / `<stack name>`.
//!
//! Its version is its number, the fence. It grows each time the lease changes hands, and every save of a
//! deployment is conditional on the number that it took.

use crate::ports::{Expect, Item, Key, Write};
use flotilla_domain::deployment::Deployment;
use flotilla_domain::deployment::lease::StackLease;
use flotilla_domain::{DeploymentId, Site, StackName, Timestamp};
use serde_json::{Map, json};

/// The field that names the holder.
const HOLDER: &str = "holder";
/// The holder field of a free lease.
const NOBODY: &str = "-";
/// The field that says how long the last execution took, in seconds.
const TOOK: &str = "took_s";

/// The key of a stack's lease.
pub fn lease_key(site: &Site, stack: &StackName) -> Key {
    Key::new(format!("STK#{}#{}", site.account, site.region), stack.as_str())
}

/// Reads a lease from its item. A stack without an item is free, with number 0.
pub fn read_lease(item: Option<&Item>) -> StackLease {
    let Some(item) = item else { return StackLease::NONE };
    let took_s = item.body.get(TOOK).and_then(serde_json::Value::as_u64);
    StackLease {
        number: item.version,
        holder: lease_holder(item),
        took_s: took_s.and_then(|s| u32::try_from(s).ok()),
    }
}

/// Takes a lease for a deployment, on the condition that its number is unchanged.
pub fn take_lease(lease: &StackLease, deployment: &Deployment, now: Timestamp) -> Write {
    let expect = if lease.number == 0 { Expect::Absent } else { Expect::Version(lease.number) };
    let holder = deployment.id.to_string();
    Write::put(lease_item(deployment, lease.number + 1, &holder, lease.took_s, now), expect)
}

/// Makes a transaction conditional on a deployment's lease.
pub fn keep_lease(deployment: &Deployment) -> Write {
    let key = lease_key(&deployment.id.target.site, &deployment.spec.stack);
    Write::check(key, Expect::Version(deployment.fence))
}

/// Releases the lease of a deployment, and stores how long its execution took.
pub fn release_lease(deployment: &Deployment, now: Timestamp) -> Write {
    let item = lease_item(deployment, deployment.fence + 1, NOBODY, deployment.expected_s, now);
    Write::put(item, Expect::Version(deployment.fence))
}

/// The deployment that holds a lease, read from its item.
pub fn lease_holder(item: &Item) -> Option<DeploymentId> {
    DeploymentId::parse(item.body.get(HOLDER)?.as_str()?)
}

fn lease_item(
    deployment: &Deployment,
    number: u64,
    holder: &str,
    took_s: Option<u32>,
    now: Timestamp,
) -> Item {
    let mut body = Map::new();
    body.insert("format".into(), json!(1));
    body.insert(HOLDER.into(), json!(holder));
    body.insert("since".into(), json!(now.to_string()));
    body.insert("deployment".into(), json!(deployment.id.to_string()));
    if let Some(took_s) = took_s {
        body.insert(TOOK.into(), json!(took_s));
    }
    Item {
        key: lease_key(&deployment.id.target.site, &deployment.spec.stack),
        version: number,
        due_at: None,
        expires_at: None,
        body,
    }
}
