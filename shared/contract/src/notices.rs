//! Notices, as published to a profile's SNS topics and event buses.

use crate::views::CauseView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The progress of a rollout. A notice may be delivered twice: rollout and kind identify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeView {
    /// The version of this document. Keys may be added to a version, and are never removed or given another meaning.
    pub version: u32,
    /// `begun`, `waits`, `broken_open`, `reverting`, `succeeded`, `failed`, `reverted` or `cancelled`.
    pub kind: String,
    /// The rollout.
    pub rollout: String,
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// The profile.
    pub profile: String,
    /// Whether the rollout removes the stage.
    #[serde(default)]
    pub removes: bool,
    /// The release that is deployed; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The ref that the release was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// CI's name of the build, such as a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The set that the rollout belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The principal that requested the rollout, or what started it.
    pub requested_by: String,
    /// The reason, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What the rollout waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// The cause of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// The time of the change.
    pub at: String,
}

impl NoticeView {
    /// The version of the document.
    pub const VERSION: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    fn schema_of<T: PartialSchema>() -> Value {
        serde_json::to_value(T::schema()).unwrap_or_default()
    }

    #[test]
    fn the_published_schema_is_that_of_the_document() {
        let mut schema = schema_of::<NoticeView>();
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        schema["title"] = "Notice of a rollout".into();
        schema["$defs"] = json!({"CauseView": schema_of::<CauseView>()});
        // The order of keys is no part of a schema, and follows the features that other crates ask of serde_json.
        let expected = schema.to_string().replace("#/components/schemas/", "#/$defs/");
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let published = read(include_str!("../../../docs/notice.schema.json"));
        assert_eq!(published, read(&expected), "docs/notice.schema.json should be:\n{expected}");
    }
}
