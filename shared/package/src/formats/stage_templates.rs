//! The templates of single stages, for stacks with the stage in logical ids.

use crate::json::canonical;
use crate::template::stage_ids::at_stage;
use crate::{Limits, zip_file};
use flotilla_domain::{Digest, Refusal, StageName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Writes the templates of all stacks of a package, within its limit.
pub(super) struct StageTemplates<'a> {
    stages: &'a BTreeSet<StageName>,
    max: usize,
    written: usize,
}

impl<'a> StageTemplates<'a> {
    pub(super) fn new(stages: &'a BTreeSet<StageName>, limits: &Limits) -> Self {
        Self { stages, max: limits.stage_templates_max, written: 0 }
    }

    /// Writes those of a finished template to `templates`. Returns their digests by stage; none if its logical ids do not contain the stage.
    pub(super) fn write(
        &mut self,
        template: &Value,
        templates: &mut BTreeMap<Digest, Vec<u8>>,
    ) -> Result<BTreeMap<StageName, Digest>, Refusal> {
        let mut digests = BTreeMap::new();
        for stage in self.stages {
            let Some(written) = at_stage(template, stage)? else { break };
            self.written += 1;
            if self.written > self.max {
                return Err(zip_file::over("stage_templates_max", self.max as u64, self.written as u64));
            }
            let bytes = canonical(&written);
            let digest = Digest::of(&bytes);
            digests.insert(stage.clone(), digest);
            templates.insert(digest, bytes);
        }
        Ok(digests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::Code;
    use serde_json::json;

    #[test]
    fn as_many_are_written_as_the_limit_says_and_no_more_are_held() {
        let stages: BTreeSet<StageName> =
            ["a", "b", "c"].into_iter().map(|name| StageName::parse(name).unwrap()).collect();
        let template = json!({"Resources": {"Xflotillastage": {"Type": "T"}}});
        let limits = |stage_templates_max| Limits { stage_templates_max, ..Limits::DEFAULT };
        let mut templates = BTreeMap::new();
        let digests = StageTemplates::new(&stages, &limits(3)).write(&template, &mut templates).unwrap();
        assert_eq!((digests.len(), templates.len()), (3, 3));
        let mut held = BTreeMap::new();
        let refused = StageTemplates::new(&stages, &limits(2)).write(&template, &mut held).unwrap_err();
        assert_eq!((refused.code, held.len()), (Code::LimitExceeded, 2));
        let same = json!({"Resources": {"X": {"Type": "T"}}});
        assert!(StageTemplates::new(&stages, &limits(0)).write(&same, &mut held).unwrap().is_empty());
    }
}
