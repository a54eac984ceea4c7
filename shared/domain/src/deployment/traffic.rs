//! Traffic: which versions the aliases of a stack name, and what share of the invocations each gets.
//!
//! The update of a stack publishes the new versions while the aliases keep the old ones. The rollout then sets the share of the new
//! versions step by step, at all targets of a wave together. At the end the aliases name the new versions, and a second update of the
//! stack lets its template say so too. At every moment before, giving the old versions everything back takes one call for each alias
//! and no update: the template says that they have it.

use super::aliases::{AliasVersions, TrafficAnswer};
use super::state::{ChangeSetKind, State};
use super::{Deployment, DeploymentKind, RestoredVersion, causes};
use crate::cause::Cause;
use crate::code::Code;
use crate::release::StackRelease;
use crate::release::package::{NO_VERSION, STABLE_VERSIONS_PARAMETER};
use std::collections::BTreeMap;

impl Deployment {
    /// The release, if the update must leave the aliases where they are.
    fn shifted(&self) -> Option<&StackRelease> {
        match &self.spec.kind {
            DeploymentKind::Deploy(release) if self.spec.shifts && !self.completes => {
                Some(release).filter(|release| !release.aliases.is_empty())
            }
            _ => None,
        }
    }

    /// Whether the aliases' versions are read before the update.
    pub(super) fn reads_aliases(&self) -> bool {
        self.shifted().is_some() || !self.spec.restores.is_empty()
    }

    /// The state after the aliases were read. A rollback gives its release all traffic at once, by the versions that it had; the update, which
    /// publishes it again, follows.
    pub(super) fn aliases_read(&mut self, aliases: Vec<AliasVersions>) -> State {
        self.aliases = aliases;
        for alias in &mut self.aliases {
            let known = self.spec.restores.get(&alias.alias).filter(|known| known.from == alias.stable);
            if let Some(RestoredVersion { from, to }) = known {
                (alias.stable, alias.new) = (to.clone(), Some(from.clone()));
            }
        }
        if self.restores() { State::RestoringTraffic } else { State::Planning(ChangeSetKind::Update) }
    }

    /// Whether it gives its release the traffic before the update, or has done so.
    pub fn restores(&self) -> bool {
        !self.spec.restores.is_empty() && self.shared().next().is_some()
    }

    /// The state after the traffic cannot be restored: the update moves it.
    pub(super) fn not_restored(&mut self, cause: &Cause) -> State {
        self.note(format!("the traffic is moved by the update: {}", cause.message));
        State::Planning(ChangeSetKind::Update)
    }

    /// The value of [`STABLE_VERSIONS_PARAMETER`]; `None` if the template does not declare it. It is always given: CloudFormation
    /// would keep the value of the update before.
    pub fn stable_versions(&self) -> Option<(String, String)> {
        let DeploymentKind::Deploy(release) = &self.spec.kind else { return None };
        let kept = |alias: &str| {
            let keeps = self.spec.shifts && !self.completes;
            let known = self.aliases.iter().find(|known| known.alias == alias && keeps);
            known.map_or(NO_VERSION, |known| known.stable.as_str())
        };
        let versions: Vec<&str> = release.aliases.iter().map(|alias| kept(&alias.alias)).collect();
        (!versions.is_empty()).then(|| (STABLE_VERSIONS_PARAMETER.to_owned(), versions.join(",")))
    }

    /// The state after every function is proven to run the package's bytes, and these versions are published, by logical id.
    pub(super) fn code_proven(&mut self, changed: bool, versions: &BTreeMap<String, String>) -> State {
        let has_shares = self.spec.shifts && self.published(versions);
        if self.completes || (!has_shares && !self.switches() && !self.is_drained()) {
            // The second update changes what the template says, and not what runs.
            State::Succeeded { changed: changed || self.completes }
        } else {
            State::Shifting { percent: 0 }
        }
    }

    /// The state after the rollout's answer; `None` to keep the share, which every alias has.
    pub(super) fn answered(&mut self, percent: u8, answer: TrafficAnswer) -> Option<State> {
        match answer {
            TrafficAnswer::Wait => None,
            TrafficAnswer::Shift(share) if share == percent => None,
            TrafficAnswer::Shift(share) => {
                self.is_switched();
                self.wants_share(share);
                Some(State::Shifting { percent: share.min(100) })
            }
            TrafficAnswer::Complete if percent < 100 => {
                self.is_switched();
                self.wants_share(100);
                Some(State::Shifting { percent: 100 })
            }
            // The template says nothing about the mapping, or the record.
            TrafficAnswer::Complete if self.mapped.is_some() || self.spec.record.is_some() => {
                Some(State::Succeeded { changed: true })
            }
            TrafficAnswer::Complete => {
                self.completes = true;
                Some(State::Inspecting)
            }
            TrafficAnswer::Abort => {
                Some(State::ShiftingBack(causes::traffic_aborted(self.spec.record.as_ref())))
            }
        }
    }

    /// The state after every alias got its share, or the versions that it had; `None` to wait for the next share.
    pub(super) fn traffic_shifted(&mut self) -> Option<State> {
        if matches!(self.state, State::Shifting { .. }) {
            self.has_share();
        }
        match &self.state {
            State::RestoringTraffic => Some(State::Planning(ChangeSetKind::Update)),
            State::ShiftingBack(cause) if !self.confirms_mapping() && !self.confirms_drain() => {
                Some(State::Failed(cause.clone()))
            }
            _ => {
                self.acted = true;
                None
            }
        }
    }

    /// Records the versions that the update has published. An alias whose function did not change has nothing to shift. Returns whether any has.
    fn published(&mut self, versions: &BTreeMap<String, String>) -> bool {
        let DeploymentKind::Deploy(release) = &self.spec.kind else { return false };
        let version = |alias: &str| {
            let known = release.aliases.iter().find(|known| known.alias == alias)?;
            versions.get(&known.version).cloned()
        };
        for alias in &mut self.aliases {
            alias.new = version(&alias.alias);
        }
        self.shared().next().is_some()
    }

    /// Records the revisions of aliases that were read or set, by logical id.
    pub(super) fn has_revisions(&mut self, revisions: BTreeMap<String, String>) {
        for (alias, revision) in revisions {
            if let Some(known) = self.aliases.iter_mut().find(|known| known.alias == alias) {
                known.revision = revision;
            }
        }
    }

    /// Whether it did not succeed and its aliases name the versions that they named before: the update did not move them, and what was shifted
    /// was given back.
    pub fn keeps_traffic(&self) -> bool {
        let is_unknown = |code| matches!(code, Code::TrafficNotRestored | Code::LeaseLost);
        let ended = self.state.is_terminal() && !self.state.is_success();
        ended
            && self.spec.shifts
            && !self.completes
            && !self.aliases.is_empty()
            && !self.state.cause().is_some_and(|cause| is_unknown(cause.code))
    }

    /// The aliases whose invocations two versions share.
    pub fn shared(&self) -> impl Iterator<Item = &AliasVersions> {
        self.aliases.iter().filter(|alias| alias.new.as_ref().is_some_and(|new| *new != alias.stable))
    }
}
