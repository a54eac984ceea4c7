//! The API's views of uploads, rollouts and stages.

use super::{World, orders};
use flotilla_contract::{Page, RolloutView, StageView, UploadView};
use flotilla_domain::{RolloutId, StageName};
use flotilla_engine::status::PageRequest;
use futures::executor::block_on;

impl World {
    /// The result of an upload, if there is one.
    pub fn verdict(&self, version: &str) -> Option<UploadView> {
        let page = || PageRequest { cursor: None, limit: 100 };
        let pages = self
            .services
            .iter()
            .map(|service| self.calm(|w| block_on(w.driver.status.uploads(service.as_ref(), page()))));
        pages.flat_map(|page: Page<UploadView>| page.items).find(|upload| upload.version_id == version)
    }

    /// The rollout that an upload started, if there is one.
    pub fn rollout(&self, version: &str) -> Option<RolloutView> {
        let id = self.verdict(version)?.rollout?;
        Some(self.rollout_by_id(&id))
    }

    /// A rollout.
    pub fn rollout_by_id(&self, id: &str) -> RolloutView {
        let id = RolloutId::parse(id).expect("a rollout's id");
        self.calm(|w| block_on(w.driver.status.rollout(&id)))
    }

    /// Runs until an upload's rollout has ended, and returns it.
    #[track_caller]
    pub fn end_of(&mut self, version: &str) -> RolloutView {
        self.until("the rollout's end", |world| world.rollout(version).is_some_and(|rollout| rollout.ended));
        self.rollout(version).expect("it has just been seen")
    }

    /// Like `end_of`, for operations that take hours.
    #[track_caller]
    pub fn end_of_within_hours(&mut self, version: &str, hours: i64) -> RolloutView {
        let deadline_ms = self.now_ms() + hours * 3_600_000;
        while !self.rollout(version).is_some_and(|rollout| rollout.ended) {
            assert!(self.now_ms() < deadline_ms, "the rollout did not end");
            self.steps(20);
        }
        self.rollout(version).expect("it has just been seen")
    }

    /// A stage.
    pub fn stage(&self, stage: &str) -> StageView {
        let stage = StageName::parse(stage).expect("a stage's name");
        self.calm(|w| block_on(w.driver.status.stage(&orders(), &stage)))
    }

    /// Whether nothing is left of a stage, in any region. The empty stack of a change set that a stalled function creates afterwards
    /// does not count: see `leftovers`.
    pub fn is_gone(&self, stage: &str) -> bool {
        let name = format!("orders-{stage}");
        let is_its = |stack: &str| stack == name || stack.starts_with(&format!("{name}-"));
        let state = self.driver.shared.lock();
        let mut its = state.stacks.live.iter().filter(|((_, stack), _)| is_its(stack));
        let has_stack = its.any(|(_, stack)| stack.status != "REVIEW_IN_PROGRESS");
        drop(state);
        !has_stack && self.stage(stage).targets.is_empty()
    }

    /// A rollout's timeline, in order, with the region of each entry's target.
    pub fn timeline(&self, id: &str) -> Vec<String> {
        let id = RolloutId::parse(id).expect("a rollout's id");
        let page =
            self.calm(|w| block_on(w.driver.status.events(&id, PageRequest { cursor: None, limit: 100 })));
        let line = |event: flotilla_contract::EventView| match event.target {
            Some(target) => format!("{} {}", target.split('/').nth(1).unwrap_or_default(), event.what),
            None => event.what,
        };
        page.items.into_iter().map(line).collect()
    }
}
