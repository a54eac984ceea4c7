//! Previews get less than stages that stay: quotas.

use crate::code::{Code, Refusal};
use crate::names::{ServiceName, StageName};
use crate::release::package::Package;
use crate::stage::StageHead;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What the previews of a profile may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewQuotas {
    /// Most previews of one service.
    pub stages_per_service: usize,
    /// Most previews of all services that use the profile.
    pub stages: usize,
    /// Most stacks of one preview in a region.
    pub stacks: usize,
    /// Most resources of one preview in a region, nested stacks not counted.
    pub resources: usize,
    /// Longest lifetime after the last upload, in hours.
    pub hours: u32,
    /// Most uploads to one preview in an hour.
    pub uploads_per_hour: u32,
}

impl Default for PreviewQuotas {
    fn default() -> Self {
        Self {
            stages_per_service: 20,
            stages: 200,
            stacks: 10,
            resources: 500,
            hours: 24 * 14,
            uploads_per_hour: 30,
        }
    }
}

/// What applies to a rollout to a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewTerms {
    /// The lifetime in hours, which the rollout starts again.
    pub ttl_h: u32,
    /// What the previews of the profile may use.
    pub quotas: PreviewQuotas,
}

/// The previews of a profile, by service and stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreviewList(pub BTreeSet<(ServiceName, StageName)>);

impl PreviewQuotas {
    /// Most previews of a profile: they are listed in one item of the table.
    pub const STAGES_MAX: usize = 1_000;
    /// Most stacks, and most resources, of one preview.
    pub const PARTS_MAX: usize = 10_000;
    /// Most uploads to one preview in an hour.
    pub const UPLOADS_MAX: u32 = 1_000;

    /// Whether a package is small enough for a preview.
    ///
    /// # Errors
    /// [`Code::PreviewQuotaReached`].
    pub fn check_package(&self, package: &Package) -> Result<(), Refusal> {
        let (stacks, resources) =
            (package.stacks.len(), package.stacks.iter().map(|stack| stack.resources).sum::<usize>());
        let reached = |what: String, field: &str| {
            let fix =
                format!("preview less of the service, or raise {field} in the profile's preview_quotas");
            Err(Refusal::new(Code::PreviewQuotaReached, what, fix).at(field))
        };
        if stacks > self.stacks {
            return reached(
                format!("the package has {stacks} stacks, and a preview may have {}", self.stacks),
                "stacks",
            );
        }
        if resources > self.resources {
            let what =
                format!("the package has {resources} resources, and a preview may have {}", self.resources);
            return reached(what, "resources");
        }
        Ok(())
    }

    /// Whether another preview may begin beside those that exist.
    ///
    /// # Errors
    /// [`Code::PreviewQuotaReached`].
    pub fn check_stages(&self, service: &ServiceName, others: &PreviewList) -> Result<(), Refusal> {
        let reached = |what: String, field: &str| {
            let fix = format!("wait until a preview ends, or raise {field} in the profile's preview_quotas");
            Err(Refusal::new(Code::PreviewQuotaReached, what, fix).at(field))
        };
        let of_service = others.0.iter().filter(|(other, _)| other == service).count();
        if of_service >= self.stages_per_service {
            return reached(format!("{service} has {of_service} previews already"), "stages_per_service");
        }
        if others.0.len() >= self.stages {
            return reached(format!("the profile has {} previews already", others.0.len()), "stages");
        }
        Ok(())
    }

    /// Whether another upload may be deployed to a preview now.
    ///
    /// # Errors
    /// [`Code::UploadsTooFrequent`].
    pub fn check_rate(&self, head: &StageHead, now: Timestamp) -> Result<(), Refusal> {
        let uploads = head.uploads.at(now);
        if uploads < self.uploads_per_hour {
            return Ok(());
        }
        let what = format!("{}/{} had {uploads} uploads within an hour", head.service, head.stage);
        let fix = "upload again later, or raise uploads_per_hour in the profile's preview_quotas";
        Err(Refusal::new(Code::UploadsTooFrequent, what, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ProfileName;

    fn service(name: &str) -> ServiceName {
        ServiceName::parse(name).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_hour_of_uploads_begins_with_its_first_one() {
        let quotas = PreviewQuotas { uploads_per_hour: 2, ..PreviewQuotas::default() };
        let profile = ProfileName::parse("previews").unwrap();
        let mut head = StageHead::new(service("orders"), StageName::parse("pr-1").unwrap(), profile);
        for second in [0, 3_599] {
            quotas.check_rate(&head, at(second)).unwrap();
            head.uploads.add(at(second));
        }
        let refused = quotas.check_rate(&head, at(3_599)).unwrap_err();
        assert_eq!(refused.code, Code::UploadsTooFrequent);
        quotas.check_rate(&head, at(3_600)).unwrap();
    }

    #[test]
    fn the_previews_of_one_service_leave_room_for_others() {
        let quotas = PreviewQuotas { stages_per_service: 2, stages: 3, ..PreviewQuotas::default() };
        let stage = |n: usize| StageName::parse(&format!("pr-{n}")).unwrap();
        let mut list = PreviewList((0..2).map(|n| (service("orders"), stage(n))).collect());
        let path = |refusal: Refusal| refusal.path.unwrap();
        assert_eq!(path(quotas.check_stages(&service("orders"), &list).unwrap_err()), "stages_per_service");
        quotas.check_stages(&service("billing"), &list).unwrap();
        list.0.insert((service("billing"), stage(0)));
        assert_eq!(path(quotas.check_stages(&service("users"), &list).unwrap_err()), "stages");
    }
}
