//! Logical ids that contain the stage: in a neutral template they contain its placeholder, and each stage has a template of its own.

use super::package::{FunctionAlias, FunctionCode, PackagedStack, STAGE_PLACEHOLDER};
use crate::names::StageName;

/// The placeholder at the beginning of a name that a tool capitalises.
const CAPITALISED: &str = "Flotillastage";

/// Whether a text contains the placeholder as it stands in logical ids.
pub fn has_placeholder(text: &str) -> bool {
    text.contains(STAGE_PLACEHOLDER) || text.contains(CAPITALISED)
}

/// Writes a stage in place of the placeholder: without hyphens, and capitalised where the placeholder is. For a stage without hyphens that is what osls
/// and the Serverless Framework write; of one with hyphens they make `eustaging` in the ids of topics, queues and buckets
/// (`normalizeNameToAlphaNumericOnly` in their `naming.js`), and `euDashstaging` in those of paths. The same text and stage always give the same result.
pub fn with_stage(text: &str, stage: &StageName) -> String {
    let plain = stage.as_str().replace('-', "");
    let capitalised = plain[..1].to_ascii_uppercase() + &plain[1..];
    text.replace(STAGE_PLACEHOLDER, &plain).replace(CAPITALISED, &capitalised)
}

impl PackagedStack {
    /// The stack with the template and the logical ids that it has at a stage. Most stacks are the same at all stages.
    pub fn at_stage(&self, stage: &StageName) -> Self {
        let Some(template) = self.stage_templates.get(stage) else { return self.clone() };
        let at = |id: &String| with_stage(id, stage);
        let function = |f: &FunctionCode| FunctionCode { logical_id: at(&f.logical_id), asset: f.asset };
        let alias = |a: &FunctionAlias| FunctionAlias {
            alias: at(&a.alias),
            function: at(&a.function),
            version: at(&a.version),
        };
        Self {
            template: *template,
            functions: self.functions.iter().map(function).collect(),
            aliases: self.aliases.iter().map(alias).collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_written_without_hyphens_and_capitalised_where_the_placeholder_is() {
        let stage = StageName::parse("eu-staging").unwrap();
        let written = with_stage("S3BucketOrdersflotillastagefiles Flotillastage FlotillaStage", &stage);
        assert_eq!(written, "S3BucketOrderseustagingfiles Eustaging FlotillaStage");
        assert!(has_placeholder("Xflotillastage") && has_placeholder("FlotillastageX"));
        assert!(!has_placeholder("FlotillaStage flotilla stage"));
    }
}
