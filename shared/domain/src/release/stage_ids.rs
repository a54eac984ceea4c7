//! Logical ids that contain the stage: in a neutral template they contain its placeholder, and each stage has a template of its own.

use super::package::{FunctionAlias, FunctionCode, STAGE_PLACEHOLDER};
use crate::names::StageName;

/// The placeholder at the beginning of a name that a tool capitalises.
const CAPITALISED: &str = "Flotillastage";

/// Whether a text contains the placeholder as it stands in logical ids.
pub fn has_placeholder(text: &str) -> bool {
    text.contains(STAGE_PLACEHOLDER) || text.contains(CAPITALISED)
}

/// Writes a stage in place of the placeholder, as osls and the Serverless Framework write it into logical ids: without hyphens, and capitalised
/// where the placeholder is (`normalizeNameToAlphaNumericOnly` in their `naming.js`). The same text and stage always give the same result.
pub fn with_stage(text: &str, stage: &StageName) -> String {
    let plain = stage.as_str().replace('-', "");
    let capitalised = plain[..1].to_ascii_uppercase() + &plain[1..];
    text.replace(STAGE_PLACEHOLDER, &plain).replace(CAPITALISED, &capitalised)
}

impl FunctionCode {
    /// The same with the logical id that the function has at a stage.
    pub fn at_stage(&self, stage: &StageName) -> Self {
        Self { logical_id: with_stage(&self.logical_id, stage), asset: self.asset }
    }
}

impl FunctionAlias {
    /// The same with the logical ids at a stage.
    pub fn at_stage(&self, stage: &StageName) -> Self {
        let at = |id: &String| with_stage(id, stage);
        Self { alias: at(&self.alias), function: at(&self.function), version: at(&self.version) }
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
