//! The properties that may name local files: those that `aws cloudformation package` and `sam package` upload
//! (`awscli/customizations/cloudformation/artifact_exporter.py`, `samcli/lib/utils/resources.py`).

use super::code_places::{self, ExternalPolicy};
use super::local_paths::placed;
use crate::template::{asset_tokens, mentions};
use flotilla_domain::Refusal;
use flotilla_domain::release::package::ASSETS_BUCKET_PARAMETER;
use serde_json::{Value, json};

/// A property that may hold a local path.
pub(super) struct Row {
    /// The resource's type.
    pub kind: &'static str,
    /// The path of the property below `Properties`; `*` matches every name.
    pub property: &'static [&'static str],
    /// What the path may refer to.
    pub takes: Takes,
    /// The form of the location that replaces the path.
    pub becomes: Becomes,
}

/// What a path may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A folder or a zip; the property is required.
    Code,
    /// A folder or any file.
    Bundle,
    /// A file.
    File,
}

/// The form of a location in S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Becomes {
    /// `{"S3Bucket", "S3Key"}`.
    S3BucketAndKey,
    /// `{"Bucket", "Key"}`.
    BucketAndKey,
    /// `s3://bucket/key`.
    S3Uri,
    /// The file's text, in the sibling property of this name: for the location, SAM accepts only a literal.
    Inline(&'static str),
    /// A nested stack's template.
    Template,
}

use Becomes::{BucketAndKey, Inline, S3BucketAndKey, S3Uri, Template};
use Takes::{Bundle, Code, File};

const fn row(kind: &'static str, property: &'static [&'static str], takes: Takes, becomes: Becomes) -> Row {
    Row { kind, property, takes, becomes }
}

/// The table. `Fn::Transform` with `AWS::Include` may occur anywhere: see [`super::local_paths::includes`].
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row("AWS::Serverless::Function", &["CodeUri"], Code, BucketAndKey),
    row("AWS::Serverless::WebFunction", &["CodeUri"], Code, BucketAndKey),
    row("AWS::Serverless::LayerVersion", &["ContentUri"], Code, BucketAndKey),
    row("AWS::Serverless::Api", &["DefinitionUri"], File, BucketAndKey),
    row("AWS::Serverless::HttpApi", &["DefinitionUri"], File, BucketAndKey),
    row("AWS::Serverless::StateMachine", &["DefinitionUri"], File, BucketAndKey),
    row("AWS::Serverless::GraphQLApi", &["SchemaUri"], File, Inline("SchemaInline")),
    row("AWS::Serverless::GraphQLApi", &["Functions", "*", "CodeUri"], File, Inline("InlineCode")),
    row("AWS::Serverless::GraphQLApi", &["Resolvers", "*", "*", "CodeUri"], File, Inline("InlineCode")),
    row("AWS::Serverless::Application", &["Location"], File, Template),
    row("AWS::Lambda::Function", &["Code"], Code, S3BucketAndKey),
    row("AWS::Lambda::LayerVersion", &["Content"], Code, S3BucketAndKey),
    row("AWS::ApiGateway::RestApi", &["BodyS3Location"], File, BucketAndKey),
    row("AWS::ApiGatewayV2::Api", &["BodyS3Location"], File, BucketAndKey),
    row("AWS::StepFunctions::StateMachine", &["DefinitionS3Location"], File, BucketAndKey),
    row("AWS::AppSync::GraphQLSchema", &["DefinitionS3Location"], File, S3Uri),
    row("AWS::AppSync::Resolver", &["RequestMappingTemplateS3Location"], File, S3Uri),
    row("AWS::AppSync::Resolver", &["ResponseMappingTemplateS3Location"], File, S3Uri),
    row("AWS::AppSync::Resolver", &["CodeS3Location"], File, S3Uri),
    row("AWS::AppSync::FunctionConfiguration", &["RequestMappingTemplateS3Location"], File, S3Uri),
    row("AWS::AppSync::FunctionConfiguration", &["ResponseMappingTemplateS3Location"], File, S3Uri),
    row("AWS::AppSync::FunctionConfiguration", &["CodeS3Location"], File, S3Uri),
    row("AWS::CloudFormation::Stack", &["TemplateURL"], File, Template),
    row("AWS::CloudFormation::StackSet", &["TemplateURL"], File, Template),
    row("AWS::CloudFormation::ModuleVersion", &["ModulePackage"], Bundle, S3Uri),
    row("AWS::CloudFormation::ResourceVersion", &["SchemaHandlerPackage"], Bundle, S3Uri),
    row("AWS::CodeCommit::Repository", &["Code", "S3"], Bundle, BucketAndKey),
    row("AWS::Glue::Job", &["Command", "ScriptLocation"], File, S3Uri),
    row("AWS::ElasticBeanstalk::ApplicationVersion", &["SourceBundle"], Bundle, S3BucketAndKey),
];

/// Checks a template that already contains tokens: each property of the table must refer to the package, unless its code is kept
/// elsewhere. `at` prefixes the places of refusals.
///
/// # Errors
/// [`flotilla_domain::Code::CodeOutsidePackage`] with the place.
pub(super) fn check_located(template: &Value, external: &ExternalPolicy, at: &str) -> Result<(), Refusal> {
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        let rows = TABLE.iter().filter(|row| Some(row.kind) == resource["Type"].as_str());
        for row in rows.filter(|row| !matches!(row.becomes, Inline(_))) {
            let path = placed(at, &format!("Resources.{id}.Properties"));
            let is_kept = |value: &Value| row.takes == Takes::Code && code_places::is_kept(external, value);
            let is_good = |value: &Value| is_kept(value) || may_be(value, row, 0);
            check_below(&resource["Properties"], row.property, &path, &is_good)?;
        }
    }
    Ok(())
}

fn check_below(
    value: &Value,
    property: &[&str],
    path: &str,
    is_good: &dyn Fn(&Value) -> bool,
) -> Result<(), Refusal> {
    match property {
        // The tools leave an empty text as it is.
        [] if value.is_null() || value == "" || is_inline(value) || is_good(value) => Ok(()),
        [] => {
            let what = "its location is not in the package, so its bytes cannot be proven";
            let fix = "put the file into the package and name it by its path, in a template of CloudFormation or SAM; write the resources of a nested stack into the template";
            Err(Refusal::new(flotilla_domain::Code::CodeOutsidePackage, what, fix).at(path))
        }
        ["*", rest @ ..] => value
            .as_object()
            .into_iter()
            .flatten()
            .try_for_each(|(name, value)| check_below(value, rest, &format!("{path}.{name}"), is_good)),
        [name, rest @ ..] => check_below(&value[*name], rest, &format!("{path}.{name}"), is_good),
    }
}

/// Whether a value refers to a file of the package, whatever CloudFormation chooses. That of code is accepted as a whole only.
fn may_be(value: &Value, row: &Row, depth: usize) -> bool {
    // Deeper than anybody writes; the bound of the template's reader is larger.
    const DEPTH_MAX: usize = 16;
    let chosen = value.get("Fn::If").and_then(Value::as_array).filter(|parts| parts.len() == 3);
    match chosen.filter(|_| row.takes != Takes::Code && depth < DEPTH_MAX) {
        Some(parts) => parts[1..].iter().all(|value| may_be(value, row, depth + 1)),
        None if row.takes != Takes::Code && value["Ref"] == "AWS::NoValue" => true,
        None => is_located(value, row),
    }
}

/// Whether a value refers to a file of the package in the artifact bucket of its own account and region.
fn is_located(value: &Value, row: &Row) -> bool {
    let Some(source) = asset_tokens::source_in(value) else { return false };
    let key = json!(asset_tokens::token(source));
    let is_pair = |[bucket, name]: [&str; 2]| {
        value[bucket] == json!({"Ref": ASSETS_BUCKET_PARAMETER}) && value[name] == key
    };
    match row.becomes {
        Template => *value == asset_tokens::url(source),
        _ if value.get("S3Bucket").is_some() => is_pair(["S3Bucket", "S3Key"]),
        _ if value.get("Bucket").is_some() => is_pair(["Bucket", "Key"]),
        // CDK joins them in several ways.
        _ => mentions(value, ASSETS_BUCKET_PARAMETER),
    }
}

/// Whether a value is inline code, a container image, or an application of the Serverless Application Repository.
fn is_inline(value: &Value) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|key| value.get(key).is_some());
    has(&["ZipFile", "ImageUri", "ApplicationId"]) && !has(&["S3Bucket", "S3Key", "Bucket", "Key"])
}
