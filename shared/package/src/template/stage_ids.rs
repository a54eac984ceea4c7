//! Logical ids that contain the stage.
//!
//! osls and the Serverless Framework derive logical ids from names: a queue `orders-flotillastage-jobs` becomes
//! `…SQSOrdersflotillastagejobs`. CloudFormation takes no parameter there, so the neutral template keeps the placeholder, and each stage gets a
//! template of its own.

use flotilla_domain::release::package::{STAGE_PARAMETER, STAGE_PLACEHOLDER, Warning};
use flotilla_domain::release::stage_ids::{has_placeholder, with_stage};
use flotilla_domain::{Code, Refusal, StageName};
use serde_json::Value;
use std::collections::BTreeSet;

/// The sections whose keys may contain the placeholder in a finished template: Flotilla names conditions after aliases.
const SECTIONS: [&str; 3] = ["Resources", "Outputs", "Conditions"];
/// The longest reference `${Id.Attribute}` that is recognised.
const REFERENCE_BYTES_MAX: usize = 600;

/// The logical ids of a template that contain the placeholder.
pub(super) struct StageIds(BTreeSet<String>);

impl StageIds {
    /// Those of resources and outputs.
    pub(super) fn of(template: &Value) -> Self {
        Self::in_sections(template, &SECTIONS[..2])
    }

    fn in_sections(template: &Value, sections: &[&str]) -> Self {
        let sections = sections.iter().filter_map(|section| template.get(section)?.as_object());
        let ids = sections.flat_map(|section| section.keys());
        // AWS CloudFormation User Guide, "Resources syntax": a logical id is alphanumeric.
        let is_id = |id: &&String| has_placeholder(id) && id.chars().all(|c| c.is_ascii_alphanumeric());
        Self(ids.filter(is_id).cloned().collect())
    }

    /// The warning about them, at the first one.
    pub(super) fn warning(&self, template: &Value) -> Option<Warning> {
        let first = self.0.first()?;
        let section = SECTIONS.iter().find(|section| template[*section].get(first).is_some())?;
        let message = format!(
            "{} logical ids contain the stage; at a stage with hyphens, and in CDK apps, they may differ from those that the tool makes, and a stack that the tool has deployed would get new resources",
            self.0.len()
        );
        Some(Warning { code: Code::StageInIds, path: format!("{section}.{first}"), message })
    }

    /// Whether a text names one of them, as in `Ref`, `DependsOn` and `Fn::GetAtt`.
    pub(super) fn names(&self, text: &str) -> bool {
        self.0.contains(text.split('.').next().unwrap_or(text))
    }

    /// The length of the reference `${…}` to one of them with which a text begins.
    pub(super) fn reference_at(&self, text: &str) -> Option<usize> {
        let name = text.strip_prefix("${").filter(|_| !self.0.is_empty())?;
        let end = name.bytes().take(REFERENCE_BYTES_MAX).position(|byte| byte == b'}')?;
        self.names(name[..end].trim()).then_some("${".len() + end + 1)
    }

    /// A text without its references to them.
    pub(super) fn without_references(&self, text: &str) -> String {
        self.replaced(text, |_| String::new())
    }

    /// A text whose references to them are replaced.
    fn replaced(&self, text: &str, by: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let reference = self.reference_at(&rest[at..]);
            let (taken, after) = rest[at..].split_at(reference.unwrap_or(2));
            match reference {
                Some(_) => out += &by(taken),
                None => out.push_str(taken),
            }
            rest = after;
        }
        out + rest
    }

    /// Writes a stage into the ids, and into whatever names them.
    fn write(&self, template: &mut Value, stage: &StageName) -> Result<(), Refusal> {
        for section in SECTIONS {
            let Some(Value::Object(entries)) = template.get_mut(section) else { continue };
            for (id, entry) in std::mem::take(entries) {
                let written = if self.0.contains(&id) { with_stage(&id, stage) } else { id };
                if entries.insert(written.clone(), entry).is_some() {
                    let what = format!("at the stage {stage}, two logical ids are {written}");
                    let fix = "give one of the names in your source another form";
                    let at = format!("{section}.{written}");
                    return Err(Refusal::new(Code::PlaceholderMisplaced, what, fix).at(at));
                }
            }
        }
        self.write_references(template, stage);
        Ok(())
    }

    fn write_references(&self, value: &mut Value, stage: &StageName) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.write_references(item, stage)),
            Value::Object(object) => {
                for (key, value) in object.iter_mut() {
                    match (key.as_str(), &mut *value) {
                        ("Ref" | "Fn::GetAtt" | "DependsOn" | "Condition", value) => {
                            self.write_names(value, stage)
                        }
                        ("Fn::If" | "Fn::Sub", Value::Array(parts)) => {
                            if let Some(Value::String(first)) = parts.first_mut() {
                                *first = if key == "Fn::If" {
                                    self.written(first, stage)
                                } else {
                                    self.replaced(first, |reference| with_stage(reference, stage))
                                };
                            }
                        }
                        ("Fn::Sub", Value::String(text)) => {
                            *text = self.replaced(text, |reference| with_stage(reference, stage));
                        }
                        _ => {}
                    }
                    self.write_references(value, stage);
                }
            }
            _ => {}
        }
    }

    /// Names alone, or in a list.
    fn write_names(&self, value: &mut Value, stage: &StageName) {
        match value {
            Value::String(name) => *name = self.written(name, stage),
            Value::Array(names) => names
                .iter_mut()
                .filter(|name| name.is_string())
                .for_each(|name| self.write_names(name, stage)),
            _ => {}
        }
    }

    fn written(&self, name: &str, stage: &StageName) -> String {
        if self.names(name) { with_stage(name, stage) } else { name.to_owned() }
    }
}

/// Writes a stage into the logical ids of a finished template, and nowhere else. `None` if they do not contain it.
///
/// # Errors
/// [`Code::PlaceholderMisplaced`] if two ids become the same, or the placeholder stands in another place: nothing checked that place with the
/// stage in it.
pub fn at_stage(template: &Value, stage: &StageName) -> Result<Option<Value>, Refusal> {
    let ids = StageIds::in_sections(template, &SECTIONS);
    let mut written = template.clone();
    ids.write(&mut written, stage)?;
    if has_placeholder(&written.to_string()) {
        let what = format!("{STAGE_PLACEHOLDER} stands outside of logical ids");
        let fix = "leave the stage out of this name in your source, or pack again with flotilla pack";
        return Err(Refusal::new(Code::PlaceholderMisplaced, what, fix));
    }
    Ok(Some(written).filter(|_| !ids.0.is_empty()))
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
        let warned = &found.warnings[0];
        assert_eq!(
            (warned.code, warned.path.as_str()),
            (Code::StageInIds, "Resources.ApiGatewayResourceFlotillastage")
        );
        assert!(warned.message.starts_with("3 logical ids"), "{}", warned.message);
        let written = at_stage(&neutral, &stage("staging")).unwrap().unwrap();
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
        let preview = at_stage(&neutral, &stage("pr-42")).unwrap().unwrap();
        assert!(preview["Resources"].get("SNSTopicOrderspr42topic").is_some(), "{preview}");
    }

    #[test]
    fn a_template_without_them_is_the_same_at_every_stage() {
        let template = json!({"Resources": {"A": {"Ref": "FlotillaStage"}}});
        assert_eq!(at_stage(&template, &stage("staging")), Ok(None));
    }

    #[test]
    fn two_ids_that_become_the_same_are_refused() {
        let twice = json!({"Resources": {"Aflotillastage": {}, "Astaging": {}}});
        assert_eq!(at_stage(&twice, &stage("staging")).unwrap_err().code, Code::PlaceholderMisplaced);
        assert!(at_stage(&twice, &stage("production")).unwrap().is_some());
    }

    #[test]
    fn a_stage_never_becomes_the_name_of_an_attribute_or_a_value() {
        // At the stage pr-operties, the placeholder would become `Properties`, after all checks.
        let hidden = [
            json!({"Resources": {"A": {"Type": "AWS::Lambda::Function", "Flotillastage": {"Code": {"S3Bucket": "foreign", "S3Key": "k"}}}}}),
            json!({"Resources": {"A": {"Type": "T", "Properties": {"Flotillastage": 1}}}}),
            json!({"Resources": {"Xflotillastage": {"Type": "T", "Properties": {"A": "Xflotillastage.Arn"}}}}),
            json!({"Resources": {"FlotillastageX": {"Type": "T", "Properties": {"Key": "FlotillastageX"}}}}),
            json!({"Mappings": {"M": {"Flotillastage": {}}}, "Resources": {}}),
        ];
        for template in hidden {
            let refused = at_stage(&template, &stage("pr-operties")).unwrap_err();
            assert_eq!(refused.code, Code::PlaceholderMisplaced, "{template}");
        }
        for template in [
            json!({"Resources": {"A": {"Type": "T", "Flotillastage": {}}}}),
            json!({"Resources": {"A": {"Type": "T", "Properties": {"Flotillastage": 1}}}}),
            json!({"Resources": {"FlotillastageX": {"Type": "T", "Properties": {"Key": "FlotillastageX"}}}}),
        ] {
            let refused = neutralise(&mut template.clone(), &MadeFor::default()).unwrap_err();
            assert_eq!(refused.code, Code::PlaceholderMisplaced, "{template}");
            assert!(refused.path.is_some_and(|path| path.starts_with("Resources.")), "{template}");
        }
    }

    #[test]
    fn a_brace_in_a_text_that_is_no_substitution_names_nothing() {
        let code = |text: &str| json!({"Resources": {"Xflotillastage": {"Type": "T", "Properties": {"Code": text}}}});
        let mut template = code("`${Xflotillastage}`");
        neutralise(&mut template, &MadeFor::default()).unwrap();
        let joined = json!(["", ["`${X", {"Ref": "FlotillaStage"}, "}`"]]);
        assert_eq!(
            template["Resources"]["Xflotillastage"]["Properties"]["Code"],
            json!({"Fn::Join": joined})
        );
        assert!(at_stage(&template, &stage("staging")).unwrap().is_some());
        let mut capitals = json!({"Resources": {"FlotillastageX": {"Type": "T", "Properties": {"Code": "`${FlotillastageX}`"}}}});
        assert_eq!(
            neutralise(&mut capitals, &MadeFor::default()).unwrap_err().code,
            Code::PlaceholderMisplaced
        );
    }

    #[test]
    fn conditions_that_are_named_after_an_id_are_written_too() {
        let template = json!({
            "Conditions": {"KeepsXflotillastage": {"Fn::Equals": ["a", "b"]}},
            "Resources": {"Xflotillastage": {"Type": "T", "Condition": "KeepsXflotillastage", "Properties": {
                "A": {"Fn::If": ["KeepsXflotillastage", {"Ref": "Xflotillastage"}, ""]}}}}});
        let written = at_stage(&template, &stage("staging")).unwrap().unwrap();
        let resource = &written["Resources"]["Xstaging"];
        assert_eq!(resource["Condition"], "KeepsXstaging");
        assert_eq!(
            resource["Properties"]["A"],
            json!({"Fn::If": ["KeepsXstaging", {"Ref": "Xstaging"}, ""]})
        );
        assert!(written["Conditions"].get("KeepsXstaging").is_some());
    }

    #[test]
    fn p04_many_braces_are_looked_at_once() {
        let text = "${".repeat(500_000);
        let ids = StageIds::of(&template());
        assert_eq!(ids.without_references(&text).len(), text.len());
        let far = format!("{}}}", "${".repeat(300_000));
        let mut template = json!({"Resources": {"R": {"Type": "T", "Properties": {"A": {"Fn::Sub": far}}}}});
        neutralise(&mut template, &MadeFor::default()).unwrap();
    }

    #[test]
    fn what_is_no_reference_stays_in_a_text() {
        let ids = StageIds::of(&template());
        let text =
            "a${SNSTopicOrdersflotillastagetopic}b${Other}c${ SNSTopicOrdersflotillastagetopic.Arn }d${";
        assert_eq!(ids.without_references(text), "ab${Other}cd${");
    }
}
