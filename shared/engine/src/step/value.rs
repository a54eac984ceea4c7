//! A subject during a run, between two saves.

use super::Meter;
use crate::records::{EventRecord, Versioned, nth_moment};
use flotilla_domain::{RolloutId, Target, Timestamp};

/// A subject as it is stored, as it is to be saved, and its timeline entries that are not saved yet.
pub(crate) struct Step<V, N> {
    /// As it is stored.
    pub saved: Versioned<V>,
    /// As it is to be saved.
    pub now: V,
    /// Data of one run; never saved.
    pub notes: N,
    /// Timeline entries to save with it.
    pub timeline: Vec<EventRecord>,
    /// Number of entries of this run: keeps the order of entries with the same time.
    entries: usize,
}

impl<V: Clone + PartialEq, N> Step<V, N> {
    /// A subject as it was loaded.
    pub fn new(saved: Versioned<V>, notes: N) -> Self {
        Self { now: saved.value.clone(), saved, notes, timeline: Vec::new(), entries: 0 }
    }

    /// Whether there is anything to save.
    pub fn is_dirty(&self) -> bool {
        self.now != self.saved.value
    }

    /// Adds an entry to the timeline; it is saved with the next save.
    pub fn record(
        &mut self,
        rollout: RolloutId,
        target: Option<Target>,
        at: Timestamp,
        what: &str,
        detail: Option<String>,
    ) {
        self.entries += 1;
        self.timeline.push(EventRecord {
            rollout,
            target,
            at: nth_moment(at, self.entries),
            actor: "flotilla".into(),
            what: what.into(),
            detail,
        });
    }

    /// Discards what was not saved.
    pub fn discard_unsaved(&mut self) {
        self.now = self.saved.value.clone();
        self.timeline.clear();
    }

    /// Marks the current value as saved; logs and counts the transitions that were saved with it.
    pub fn was_saved(&mut self, subject: &str, due_at: Option<Timestamp>, meter: &Meter) {
        meter.transitions(self.timeline.len());
        for EventRecord { rollout, target, what, detail, .. } in self.timeline.drain(..) {
            let target = target.map(tracing::field::display);
            tracing::info!(rollout.id = %rollout, target, state = what, detail, "{subject} is {what}");
        }
        self.saved = Versioned { value: self.now.clone(), version: self.saved.version + 1, due_at };
    }
}
