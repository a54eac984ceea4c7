//! Plugins of the Serverless Framework: most write into the template or the zips, and some act by API calls when the tool deploys, which
//! Flotilla never does.

use flotilla_domain::Code;
use flotilla_domain::release::package::Warning;
use serde_json::Value;

/// Plugins that act when the tool deploys: what is lost, and what to do instead.
const AT_DEPLOYMENT: [(&str, &str); 17] = [
    (
        "serverless-domain-manager",
        "no custom domain is created: declare AWS::ApiGateway::DomainName and a mapping under resources",
    ),
    (
        "serverless-s3-sync",
        "no files are synchronised: upload them in CI after the rollout, or by a custom resource",
    ),
    (
        "serverless-s3-deploy",
        "no files are uploaded: upload them in CI after the rollout, or by a custom resource",
    ),
    (
        "serverless-s3bucket-sync",
        "no files are synchronised: upload them in CI after the rollout, or by a custom resource",
    ),
    (
        "serverless-finch",
        "no files are uploaded: upload them in CI after the rollout, or by a custom resource",
    ),
    (
        "serverless-single-page-app-plugin",
        "no files are uploaded: upload them in CI after the rollout, or by a custom resource",
    ),
    (
        "serverless-cloudfront-invalidate",
        "nothing is invalidated: invalidate in CI after the rollout, or give files names with digests",
    ),
    (
        "serverless-cloudfront-distribution-invalidate",
        "nothing is invalidated: invalidate in CI after the rollout, or give files names with digests",
    ),
    (
        "serverless-prune-plugin",
        "old versions of functions stay: set versionFunctions to false, or remove them by a schedule of your own",
    ),
    (
        "serverless-api-gateway-caching",
        "no cache is set: declare an AWS::ApiGateway::Stage with it under resources",
    ),
    (
        "serverless-api-gateway-throttling",
        "no throttling is set: declare an AWS::ApiGateway::Stage with it under resources",
    ),
    (
        "serverless-associate-waf",
        "no web ACL is associated: declare AWS::WAFv2::WebACLAssociation under resources",
    ),
    (
        "serverless-stack-termination-protection",
        "the stack is not protected: switch the protection on yourself; Flotilla respects it",
    ),
    (
        "serverless-plugin-scripts",
        "its scripts do not run after the deployment: run them in CI after the rollout",
    ),
    (
        "serverless-hooks-plugin",
        "its scripts do not run after the deployment: run them in CI after the rollout",
    ),
    (
        "serverless-scriptable-plugin",
        "its scripts do not run after the deployment: run them in CI after the rollout",
    ),
    (
        "serverless-dynamodb-seed",
        "no table is filled: fill it by a custom resource, or in CI after the rollout",
    ),
];

/// Plugins that write into the template and the zips only, or act elsewhere than at a deployment.
const IN_PACKAGE: [&str; 34] = [
    "@serverless/typescript",
    "osls",
    "serverless-apigateway-service-proxy",
    "serverless-appsync-plugin",
    "serverless-better-credentials",
    "serverless-bundle",
    "serverless-deployment-bucket",
    "serverless-dotenv-plugin",
    "serverless-dynamodb",
    "serverless-dynamodb-local",
    "serverless-esbuild",
    "serverless-iam-roles-per-function",
    "serverless-jetpack",
    "serverless-layers",
    "serverless-localstack",
    "serverless-offline",
    "serverless-package-external",
    "serverless-plugin-aws-alerts",
    "serverless-plugin-canary-deployments",
    "serverless-plugin-common-excludes",
    "serverless-plugin-datadog",
    "serverless-plugin-epsagon",
    "serverless-plugin-include-dependencies",
    "serverless-plugin-lambda-dead-letter",
    "serverless-plugin-log-retention",
    "serverless-plugin-monorepo",
    "serverless-plugin-resource-tagging",
    "serverless-plugin-tracing",
    "serverless-plugin-typescript",
    "serverless-plugin-warmup",
    "serverless-pseudo-parameters",
    "serverless-python-requirements",
    "serverless-step-functions",
    "serverless-webpack",
];

/// Warnings for the plugins of `serverless.yml`: a list, or an object with the list `modules`.
pub(super) fn warnings(plugins: Option<&Value>) -> Vec<Warning> {
    let list = plugins.and_then(|plugins| plugins.as_array().or_else(|| plugins.get("modules")?.as_array()));
    let names: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    let warning =
        |message: String| Warning { code: Code::OutsideCloudformation, path: "plugins".into(), message };
    let lost = AT_DEPLOYMENT.iter().filter(|(name, _)| names.contains(name));
    let mut warnings: Vec<Warning> = lost.map(|(name, what)| warning(format!("{name}: {what}"))).collect();
    let known = |name: &&&str| {
        IN_PACKAGE.contains(name)
            || AT_DEPLOYMENT.iter().any(|(known, _)| known == *name)
            || name.starts_with("serverless-offline-")
    };
    let unknown: Vec<&str> = names.iter().filter(|name| !known(name)).copied().collect();
    if !unknown.is_empty() {
        warnings.push(warning(format!(
            "{}: what they do when the framework deploys is not done; what they write into the package is",
            unknown.join(", ")
        )));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_plugin_does_at_deployment_is_told_and_unknown_ones_are_named() {
        let messages =
            |plugins: Value| warnings(Some(&plugins)).into_iter().map(|w| w.message).collect::<Vec<_>>();
        let told = messages(json!([
            "serverless-esbuild",
            "serverless-domain-manager",
            "./plugins/own",
            "serverless-offline-sqs"
        ]));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("serverless-domain-manager: no custom domain"), "{told:?}");
        assert!(told[1].starts_with("./plugins/own: what they do"), "{told:?}");
        assert_eq!(messages(json!({"modules": ["serverless-prune-plugin"]})).len(), 1);
        assert!(messages(json!({"modules": []})).is_empty() && warnings(None).is_empty());
    }
}
