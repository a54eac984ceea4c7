//! The weighted records of the world.

use std::collections::BTreeMap;

/// A weighted record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub weight: u8,
    pub ttl_s: u32,
    /// When its weight was last changed.
    pub since_ms: i64,
}

/// All of them, by zone and name, then by set identifier; and when all name servers have each change.
#[derive(Debug, Default)]
pub struct Dns {
    pub records: BTreeMap<(String, String), BTreeMap<String, Record>>,
    pub changes: BTreeMap<String, i64>,
}

impl Dns {
    /// A change that all name servers have at this time.
    pub fn change(&mut self, synced_at_ms: i64) -> String {
        let id = format!("C{}", self.changes.len() + 1);
        self.changes.insert(id.clone(), synced_at_ms);
        id
    }
}
