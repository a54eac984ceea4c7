//! Logical ids that contain the stage.
//!
//! osls and the Serverless Framework derive logical ids from names: a queue `orders-flotillastage-jobs` becomes
//! `…SQSOrdersflotillastagejobs`. CloudFormation takes no parameter there, so the neutral template keeps the placeholder, and each stage gets a
//! template of its own.

use crate::json::{canonical, parse_strict};
use flotilla_domain::release::package::{STAGE_PARAMETER, STAGE_PLACEHOLDER};
use flotilla_domain::release::stage_ids::{has_placeholder, with_stage};
use flotilla_domain::{Code, Refusal, StageName};
use serde_json::Value;
use std::collections::BTreeSet;

/// The logical ids of a template that contain the placeholder.
pub(super) struct StageIds(BTreeSet<String>);

impl StageIds {
    /// Those of resources and outputs.
    pub(super) fn of(template: &Value) -> Self {
        let sections =
            ["Resources", "Outputs"].into_iter().filter_map(|section| template.get(section)?.as_object());
        let ids = sections.flat_map(|section| section.keys());
        // AWS CloudFormation User Guide, "Resources syntax": a logical id is alphanumeric.
        let is_id = |id: &&String| has_placeholder(id) && id.chars().all(|c| c.is_ascii_alphanumeric());
        Self(ids.filter(is_id).cloned().collect())
    }

    /// Whether a text names one of them, as in `Ref`, `DependsOn` and `Fn::GetAtt`.
    pub(super) fn names(&self, text: &str) -> bool {
        self.0.contains(text.split('.').next().unwrap_or(text))
    }

    /// The length of the reference `${…}` to one of them with which a text begins.
    pub(super) fn reference_at(&self, text: &str) -> Option<usize> {
        let (name, _) = text.strip_prefix("${")?.split_once('}')?;
        self.names(name.trim()).then_some("${".len() + name.len() + 1)
    }

    /// A text without its references to them.
    pub(super) fn without_references(&self, text: &str) -> String {
        let mut left = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            left.push_str(&rest[..at]);
            let bytes = self.reference_at(&rest[at..]);
            let (kept, after) = rest[at..].split_at(bytes.unwrap_or(2));
            if bytes.is_none() {
                left.push_str(kept);
            }
            rest = after;
        }
        left + rest
    }
}

/// Writes a stage into the logical ids of a finished template. `None` if they do not contain it.
///
/// # Errors
/// [`Code::PlaceholderMisplaced`] if two ids become the same.
pub fn at_stage(template: &[u8], stage: &StageName) -> Result<Option<Vec<u8>>, Refusal> {
    let text = String::from_utf8_lossy(template);
    if !has_placeholder(&text) {
        return Ok(None);
    }
    match parse_strict(with_stage(&text, stage).as_bytes()) {
        Ok(template) => Ok(Some(canonical(&template))),
        Err(error) => {
            let what = format!("with the stage {stage} in them, two logical ids are the same: {error}");
            let fix = "give one of the names in your source another form";
            Err(Refusal::new(Code::PlaceholderMisplaced, what, fix))
        }
    }
}

/// Refuses a nested stack whose logical ids contain the stage: the outer template names it by its digest, which would differ at every stage.
///
/// # Errors
/// [`Code::PlaceholderMisplaced`].
pub fn refuse_in_nested(template: &Value) -> Result<(), Refusal> {
    match StageIds::of(template).0.first() {
        None => Ok(()),
        Some(id) => {
            let what = format!(
                "the logical id {id} of a nested stack contains {STAGE_PLACEHOLDER}, which works in the outer stack only"
            );
            let fix = format!(
                "leave the stage out of the name that the id is made of, or take the parameter {STAGE_PARAMETER} there"
            );
            Err(Refusal::new(Code::PlaceholderMisplaced, what, fix).at(id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{MadeFor, neutralise};
    use serde_json::json;

    fn stage(name: &str) -> StageName {
        StageName::parse(name).unwrap()
    }

    fn template() -> Value {
        json!({
            "Resources": {
                "SNSTopicOrdersflotillastagetopic": {"Type": "AWS::SNS::Topic",
                    "Properties": {"TopicName": "orders-flotillastage-topic"}},
                "ApiGatewayResourceFlotillastage": {"Type": "AWS::ApiGateway::Resource",
                    "DependsOn": ["SNSTopicOrdersflotillastagetopic"],
                    "Properties": {"PathPart": "flotillastage",
                        "A": {"Ref": "SNSTopicOrdersflotillastagetopic"},
                        "B": {"Fn::GetAtt": ["SNSTopicOrdersflotillastagetopic", "TopicName"]},
                        "C": {"Fn::Sub": "x-flotillastage-${SNSTopicOrdersflotillastagetopic.TopicName}-${AWS::Region}"}}},
            },
            "Outputs": {"Topicflotillastage": {"Value": {"Fn::GetAtt": "ApiGatewayResourceFlotillastage.Id"}}},
        })
    }

    #[test]
    fn a_stage_is_written_into_ids_and_whatever_names_them() {
        let mut neutral = template();
        let found = neutralise(&mut neutral, &MadeFor::default()).unwrap();
        let listed: Vec<&str> = found.rewrites.iter().map(|rewrite| rewrite.path.as_str()).collect();
        assert!(listed.contains(&"Resources.ApiGatewayResourceFlotillastage"), "{listed:?}");
        assert!(listed.contains(&"Outputs.Topicflotillastage"), "{listed:?}");
        let bytes = canonical(&neutral);
        let written = at_stage(&bytes, &stage("staging")).unwrap().unwrap();
        let written: Value = serde_json::from_slice(&written).unwrap();
        let api = &written["Resources"]["ApiGatewayResourceStaging"];
        assert_eq!(api["DependsOn"], json!(["SNSTopicOrdersstagingtopic"]));
        assert_eq!(
            api["Properties"],
            json!({
            "PathPart": {"Ref": "FlotillaStage"},
            "A": {"Ref": "SNSTopicOrdersstagingtopic"},
            "B": {"Fn::GetAtt": ["SNSTopicOrdersstagingtopic", "TopicName"]},
            "C": {"Fn::Sub": "x-${FlotillaStage}-${SNSTopicOrdersstagingtopic.TopicName}-${AWS::Region}"}})
        );
        assert_eq!(
            written["Outputs"],
            json!({"Topicstaging": {"Value": {"Fn::GetAtt": "ApiGatewayResourceStaging.Id"}}})
        );
        assert!(!has_placeholder(&written.to_string()));
        // A hyphen is left out, as in the ids that the tool derives from names of buckets, queues and topics.
        let preview = String::from_utf8(at_stage(&bytes, &stage("pr-42")).unwrap().unwrap()).unwrap();
        assert!(
            preview.contains("\"SNSTopicOrderspr42topic\"") && preview.contains("\"ApiGatewayResourcePr42\""),
            "{preview}"
        );
    }

    #[test]
    fn a_template_without_them_is_the_same_at_every_stage() {
        assert_eq!(at_stage(br#"{"Resources":{"A":{"Ref":"FlotillaStage"}}}"#, &stage("staging")), Ok(None));
    }

    #[test]
    fn two_ids_that_become_the_same_are_refused() {
        let twice = br#"{"Resources":{"Aflotillastage":{},"Astaging":{}}}"#;
        assert_eq!(at_stage(twice, &stage("staging")).unwrap_err().code, Code::PlaceholderMisplaced);
        assert!(at_stage(twice, &stage("production")).unwrap().is_some());
    }

    #[test]
    fn what_is_no_reference_stays_in_a_text() {
        let ids = StageIds::of(&template());
        let text =
            "a${SNSTopicOrdersflotillastagetopic}b${Other}c${ SNSTopicOrdersflotillastagetopic.Arn }d${";
        assert_eq!(ids.without_references(text), "ab${Other}cd${");
    }
}
