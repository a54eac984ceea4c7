//! Strings that name something which exists in one region only. Their region and account are not replaced: with another region they would
//! name something else, or nothing.

use regex_lite::Regex;
use std::sync::LazyLock;

/// The forms of names that belong to one region; `REGION` stands for any region: an ARN of another one may contain the package's account. AWS chose
/// a part of most of these names at random, so no other region has the same.
const FORMS: [(&str, &str); 15] = [
    ("a user pool", r"(?:^|[^\w-])REGION_[0-9A-Za-z]{9}(?:$|[^\w-])"),
    ("a local zone", r"(?:^|[^\w-])REGION-(?:[a-z]{3}-\d[a-z]|wl\d-[a-z]{3}-wlz-\d)(?:$|[^\w-])"),
    ("an identity pool", r"\bREGION:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    // Certificates, keys, web ACLs, and others whose id is a UUID. A multi-region key has the same id in each region (`mrk-`).
    (
        "a resource",
        r"arn:[a-z-]+:[a-z0-9-]+:REGION:\d*:[^\s]*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    // Resources of EC2, file systems, and load balancers.
    (
        "a resource",
        r"arn:[a-z-]+:[a-z0-9-]+:REGION:\d*:[^\s]*(?:\b(?:subnet|sg|vpc|vpce|fs|fsap|i|eni|ami|tgw|pl|rtb|nat|igw|acl|vol|snap|lt|eipalloc)-[0-9a-f]{8,17}|/[0-9a-f]{16})\b",
    ),
    (
        "an API",
        r"arn:[a-z-]+:(?:apigateway:REGION::/(?:restapis|apis)/[a-z0-9]{10}\b|appsync:REGION:\d*:apis/[a-z0-9]{26}\b)",
    ),
    (
        "an Amazon Bedrock resource",
        r"arn:[a-z-]+:bedrock:REGION:\d*:(?:agent|agent-alias|knowledge-base|flow|prompt)/[A-Z0-9]{10}\b",
    ),
    (SECRET, r"arn:[a-z-]+:secretsmanager:REGION:\d*:secret:[^\s*?]+-([0-9A-Za-z]{6})(?:$|[^\w*?-])"),
    (
        "a database",
        r"arn:[a-z-]+:rds-db:REGION:\d*:dbuser:(?:cluster|db|prx)-[A-Z0-9a-z]{17,26}\b|arn:[a-z-]+:rds:REGION:\d*:db-proxy:prx-[0-9a-f]{17}\b",
    ),
    ("a Pinpoint application", r"arn:[a-z-]+:mobiletargeting:REGION:\d*:apps/[0-9a-f]{32}\b"),
    ("a table's stream", r"arn:[a-z-]+:dynamodb:REGION:\d*:table/[^\s/]+/stream/\d{4}-"),
    ("an API", r"\b[a-z0-9]{10}\.execute-api\.REGION\.|:execute-api:REGION:\d*:[a-z0-9]{10}(?:/|$)"),
    ("an API", r"\b[a-z0-9]{26}\.appsync(?:-realtime)?-api\.REGION\."),
    ("a function's URL", r"\b[a-z0-9]{32}\.lambda-url\.REGION\."),
    (
        "a domain or endpoint",
        r"\.auth\.REGION\.amazoncognito\.|\.(?:(?:cluster|cluster-ro|cluster-custom|proxy)-)?[a-z0-9]{12}\.REGION\.(?:rds|docdb|neptune|redshift)\.|\.REGION\.(?:es|aoss|elb)\.|\.elb\.REGION\.|\.(?:kafka|kafka-serverless|mq)\.REGION\.|\bfs-[0-9a-f]{8,17}\.(?:efs|fsx)\.REGION\.|\bvpce-[0-9a-z-]+\.[a-z-]+\.REGION\.|\bcom\.amazonaws\.vpce\.REGION\.vpce-svc-[0-9a-f]{17}\b|\b[a-z0-9]{13,14}(?:-ats)?\.iot\.REGION\.",
    ),
];

const ANY_REGION: &str = r"[a-z]{2}(?:-[a-z]+){1,3}-\d";

/// What CloudFront uses is in us-east-1, whatever the region of its stack: certificates, functions of Lambda@Edge, web ACLs (Amazon
/// CloudFront Developer Guide, "Requirements for using SSL/TLS certificates", "Restrictions on Lambda@Edge"; AWS WAF Developer Guide).
const OF_CLOUDFRONT: &str =
    r"arn:[a-z-]+:(?:acm|lambda|wafv2):us-east-1:|arn:[a-z-]+:wafv2:[a-z0-9-]+:\d*:global/";

/// Whether the property at a path is used by CloudFront: one of its own resources, or a domain that it serves (Amazon Cognito Developer Guide,
/// "Using your own domain for managed login"; API Gateway Developer Guide, "Edge-optimized custom domain names").
pub(super) fn is_of_cloudfront(kind: &str, path: &str) -> bool {
    kind.starts_with("AWS::CloudFront::")
        || kind == "AWS::Cognito::UserPoolDomain"
        // A regional domain has RegionalCertificateArn.
        || (kind == "AWS::ApiGateway::DomainName" && path.split('.').any(|name| name == "CertificateArn"))
}

/// A secret by its full ARN, whose last six characters AWS chose: a name may end with six letters, too.
const SECRET: &str = "a secret";

/// The forms, compiled.
static COMPILED: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let form = |(what, pattern): (&'static str, &str)| {
        Some((what, Regex::new(&pattern.replace("REGION", ANY_REGION)).ok()?))
    };
    FORMS.into_iter().filter_map(form).collect()
});

/// [`OF_CLOUDFRONT`], compiled.
static CLOUDFRONT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(OF_CLOUDFRONT).ok());

/// What a string names that exists in one region only.
pub(super) fn find(text: &str, in_cloudfront: bool) -> Option<&'static str> {
    if in_cloudfront && CLOUDFRONT.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
        return Some("what CloudFront needs in us-east-1");
    }
    // A key's id is a UUID, and that of a multi-region key has this beginning.
    let is_random = |suffix: &str| suffix.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    let found = COMPILED.iter().find(|(what, pattern)| match pattern.captures(text) {
        Some(found) if *what == SECRET => found.get(1).is_some_and(|suffix| is_random(suffix.as_str())),
        found => found.is_some(),
    });
    found.map(|(what, _)| *what).filter(|_| !text.contains("key/mrk-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_region_are_recognised_and_names_of_every_region_are_not() {
        assert_eq!(COMPILED.len(), FORMS.len(), "a pattern is wrong");
        for one in [
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_aBcDeFgHi",
            "arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_aBcDeFgHi",
            "us-east-1-bos-1a",
            "us-east-1:12345678-1234-1234-1234-123456789012",
            "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012",
            "arn:aws:kms:us-east-1:111122223333:key/12345678-1234-1234-1234-123456789012",
            "arn:aws:ec2:us-east-1:111122223333:subnet/subnet-0a1b2c3d4e5f60718",
            "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/web/50dc6c495c0c9188",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:orders/db-AbC123",
            "arn:aws:dynamodb:us-east-1:111122223333:table/orders/stream/2026-01-01T00:00:00.000",
            "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod",
            "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5/*/GET/orders",
            "https://abcdefghijklmnopqrstuvwxyz.appsync-api.us-east-1.amazonaws.com/graphql",
            "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws/",
            "https://orders.auth.us-east-1.amazoncognito.com",
            "search-orders-abc.us-east-1.es.amazonaws.com",
            "vpce-0a1b2c3d-x1.execute-api.us-east-1.vpce.amazonaws.com",
            "orders.c1a2b3c4d5e6.us-east-1.rds.amazonaws.com",
            "orders.cluster-ro-c1a2b3c4d5e6.us-east-1.rds.amazonaws.com",
            "orders.proxy-c1a2b3c4d5e6.us-east-1.rds.amazonaws.com",
            "orders.cluster-c1a2b3c4d5e6.us-east-1.docdb.amazonaws.com",
            "orders.c1a2b3c4d5e6.us-east-1.redshift.amazonaws.com",
            "b-1.orders.abc123.c2.kafka.us-east-1.amazonaws.com",
            "amqps://b-12345678-1234-1234-1234-123456789012.mq.us-east-1.amazonaws.com:5671",
            "orders-1234567890.us-east-1.elb.amazonaws.com",
            "orders-0a1b2c3d.elb.us-east-1.amazonaws.com",
            "fs-0a1b2c3d4e5f60718.efs.us-east-1.amazonaws.com",
            "arn:aws:ec2:us-east-1::image/ami-0a1b2c3d4e5f60718",
            "arn:aws:apigateway:us-east-1::/restapis/a1b2c3d4e5",
            "arn:aws:appsync:us-east-1:111122223333:apis/abcdefghijklmnopqrstuvwxyz",
            "arn:aws:bedrock:us-east-1:111122223333:knowledge-base/ABCDE12345",
            "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
            "arn:aws:rds:us-east-1:111122223333:db-proxy:prx-0123456789abcdef0",
            "arn:aws:rds-db:us-east-1:111122223333:dbuser:cluster-ABCDEFGHIJKL01234/db_user",
            "arn:aws:mobiletargeting:us-east-1:111122223333:apps/0123456789abcdef0123456789abcdef",
            "a1b2c3d4e5f6g7-ats.iot.us-east-1.amazonaws.com",
            "arn:aws:kms:us-gov-west-1:111122223333:key/12345678-1234-1234-1234-123456789012",
        ] {
            assert!(find(one, false).is_some(), "{one}");
        }
        for every in [
            "us-east-1",
            "orders-us-east-1",
            "orders_us-east-1_archive",
            "logs-us-east-1-dev-1a",
            "arn:aws:apigateway:us-east-1::/restapis/*",
            "arn:aws:sqs:us-east-1:111122223333:orders",
            "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python312-x86_64:1",
            "arn:aws:kms:us-east-1:111122223333:key/mrk-12345678123412341234123456789012",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:orders/db-*",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:orders-config*",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-secret",
            "data-us-east-1.s3.us-east-1.amazonaws.com",
            "https://dynamodb.us-east-1.amazonaws.com",
        ] {
            assert_eq!(find(every, false), None, "{every}");
        }
        assert!(find("arn:aws:lambda:us-east-1:111122223333:function:edge:3", true).is_some());
        assert!(find("arn:aws:lambda:us-east-1:111122223333:function:edge:3", false).is_none());
    }
}
