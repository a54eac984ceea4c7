//! Whole stacks: looking at them, deleting them, and emptying the buckets that keep them from going.

use crate::script::{Reply, Script, answer, place, refusal, reply, settings};
use flotilla_aws::{CloudFormationStacks, S3Buckets};
use flotilla_domain::deployment::Effort;
use flotilla_engine::ports::{Buckets, ErrorKind, PortError, Stacks};

const STACK: &str = "arn:aws:cloudformation:eu-west-1:444455556666:stack/orders-pr-7/1";

fn stacks(script: &Script) -> CloudFormationStacks {
    CloudFormationStacks::new(script.sessions(), &settings())
}

async fn delete(effort: &Effort, reply: Reply) -> (Result<(), PortError>, Script) {
    let script = Script::new([reply]);
    let done = stacks(&script).delete(&place("eu-west-1"), STACK, "token", effort).await;
    (done, script)
}

#[tokio::test]
async fn c08_resources_are_retained_and_force_is_used_only_as_it_is_said() {
    for (effort, retained, mode) in [
        (Effort::First, None, None),
        (Effort::Again, None, None),
        (Effort::Retain(vec!["Files".into()]), Some("Files"), None),
        (Effort::Force, None, Some("FORCE_DELETE_STACK")),
    ] {
        let (done, script) = delete(&effort, answer("DeleteStack", "")).await;
        done.unwrap();
        let call = script.only_call();
        assert_eq!(call.parameter("RetainResources.member.1").as_deref(), retained, "{effort:?}");
        assert_eq!(call.parameter("DeletionMode").as_deref(), mode, "{effort:?}");
        assert_eq!(call.parameter("ClientRequestToken").as_deref(), Some("token"));
    }
}

#[tokio::test]
async fn c02_c28_a_stack_is_deleted_by_its_id_and_one_that_is_gone_is_no_error() {
    let (_, script) = delete(&Effort::First, answer("DeleteStack", "")).await;
    assert_eq!(script.only_call().parameter("StackName").as_deref(), Some(STACK));
    for (code, text) in [
        ("ValidationError", "Stack with id arn:x does not exist"),
        ("TokenAlreadyExistsException", "Token already exists"),
    ] {
        assert_eq!(delete(&Effort::First, refusal(code, text)).await.0, Ok(()), "{code}");
    }
}

#[tokio::test]
async fn c23_termination_protection_fails_in_cloudformations_words_and_is_never_switched_off() {
    let text = "Stack [orders-pr-7] cannot be deleted while TerminationProtection is enabled";
    let (done, script) = delete(&Effort::Force, refusal("ValidationError", text)).await;
    let error = done.unwrap_err();
    assert_eq!((error.kind, error.message), (ErrorKind::Permanent, format!("ValidationError: {text}")));
    script.only_call();
}

#[tokio::test]
async fn c28_c29_a_stack_is_seen_by_its_id_with_its_owner_or_not_at_all() {
    let tag = |key: &str, value: &str| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
    let stack = format!(
        "<Stacks><member><StackId>{STACK}</StackId><StackName>orders-pr-7</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>DELETE_COMPLETE</StackStatus><Tags>{}{}</Tags></member></Stacks>",
        tag("flotilla:service", "orders"),
        tag("flotilla:stage", "pr-7")
    );
    let script = Script::new([
        answer("DescribeStacks", &stack),
        refusal("ValidationError", "Stack with id orders-pr-7 does not exist"),
        refusal("ValidationError", "1 validation error detected"),
    ]);
    let stacks = stacks(&script);
    let seen = stacks.describe(&place("eu-west-1"), STACK).await.unwrap().unwrap();
    assert_eq!((seen.stack_id.as_str(), seen.status.as_str()), (STACK, "DELETE_COMPLETE"));
    let owner = seen.owner.unwrap();
    assert_eq!((owner.service.as_str(), owner.stage.as_str()), ("orders", "pr-7"));
    assert_eq!(stacks.describe(&place("eu-west-1"), "orders-pr-7").await, Ok(None));
    assert!(
        stacks.describe(&place("eu-west-1"), "orders-pr-7").await.is_err(),
        "not every refusal means none"
    );
    assert_eq!(script.calls()[0].parameter("StackName").as_deref(), Some(STACK));
}

#[tokio::test]
async fn c09_the_stacks_that_import_an_export_are_named() {
    let script = Script::new([
        answer("ListImports", "<Imports><member>shop</member><member>mail</member></Imports>"),
        refusal("ValidationError", "Export 'orders-queue' is not imported by any stack."),
    ]);
    let stacks = stacks(&script);
    let importers = stacks.importers(&place("eu-west-1"), "orders-queue").await.unwrap();
    assert_eq!(importers, ["shop", "mail"]);
    assert_eq!(stacks.importers(&place("eu-west-1"), "orders-queue").await, Ok(Vec::new()));
}

#[tokio::test]
async fn c01_c08_what_is_left_of_a_stack_is_listed_from_every_page() {
    let resource = |id: &str, status: &str| {
        format!(
            "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>p-{id}</PhysicalResourceId>\
             <ResourceType>AWS::S3::Bucket</ResourceType><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp>\
             <ResourceStatus>{status}</ResourceStatus></member>"
        )
    };
    let page = |rows: &str, next: &str| {
        answer(
            "ListStackResources",
            &format!("<StackResourceSummaries>{rows}</StackResourceSummaries>{next}"),
        )
    };
    let script = Script::new([
        page(&resource("Files", "DELETE_FAILED"), "<NextToken>2</NextToken>"),
        page(&resource("Logs", "DELETE_COMPLETE"), ""),
        answer("ListChangeSets", "<Summaries></Summaries>"),
        answer("ListChangeSets", "<Summaries><member><ChangeSetName>x</ChangeSetName></member></Summaries>"),
    ]);
    let stacks = stacks(&script);
    let left = stacks.resources(&place("eu-west-1"), STACK).await.unwrap();
    let left: Vec<_> = left.iter().map(|r| (r.logical_id.as_str(), r.status.as_str())).collect();
    assert_eq!(left, [("Files", "DELETE_FAILED"), ("Logs", "DELETE_COMPLETE")]);
    assert_eq!(stacks.has_change_sets(&place("eu-west-1"), STACK).await, Ok(false));
    assert_eq!(stacks.has_change_sets(&place("eu-west-1"), STACK).await, Ok(true));
}

#[tokio::test]
async fn c01_an_orphaned_change_set_is_deleted_and_one_that_runs_is_none() {
    for (reply, ok) in [
        (answer("DeleteChangeSet", ""), true),
        (refusal("ChangeSetNotFound", "gone"), true),
        (refusal("InvalidChangeSetStatus", "it is executed"), true),
        (refusal("AccessDenied", "no"), false),
    ] {
        let script = Script::new([reply]);
        let done = stacks(&script).delete_change_set(&place("eu-west-1"), STACK, "x").await;
        assert_eq!(done.is_ok(), ok, "{done:?}");
    }
}

fn versions(rows: &str) -> Reply {
    reply(200, format!("<ListVersionsResult>{rows}</ListVersionsResult>"))
}

fn uploads(truncated: bool, rows: &str) -> Reply {
    let body = format!("<IsTruncated>{truncated}</IsTruncated>{rows}");
    reply(200, format!("<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>"))
}

#[tokio::test]
async fn c32_a_bucket_is_emptied_of_versions_markers_and_uploads_of_its_own_account() {
    let rows = "<Version><Key>a</Key><VersionId>1</VersionId></Version><DeleteMarker><Key>b</Key><VersionId>2</VersionId></DeleteMarker>";
    let upload = "<Upload><Key>c</Key><UploadId>u</UploadId></Upload>";
    let script = Script::new([
        versions(rows),
        reply(200, "<DeleteResult></DeleteResult>"),
        versions(""),
        uploads(false, upload),
        reply(204, ""),
    ]);
    let emptied = S3Buckets::new(script.sessions()).empty(&place("eu-west-1"), "files").await.unwrap();
    assert_eq!((emptied.removed, emptied.done), (3, true));
    let calls = script.calls();
    for part in ["<Key>a</Key><VersionId>1</VersionId>", "<Key>b</Key><VersionId>2</VersionId>"] {
        assert!(calls[1].body.contains(part), "{}", calls[1].body);
    }
    assert_eq!((calls[4].method.as_str(), calls[4].parameter("uploadId").as_deref()), ("DELETE", Some("u")));
    for call in &calls {
        assert_eq!(call.header("x-amz-expected-bucket-owner"), Some("444455556666"), "{}", call.uri);
    }
}

#[tokio::test]
async fn c32_a_bucket_with_more_uploads_than_a_page_is_not_empty_yet() {
    let script = Script::new([
        versions(""),
        uploads(true, "<Upload><Key>c</Key><UploadId>u</UploadId></Upload>"),
        reply(204, ""),
    ]);
    let emptied = S3Buckets::new(script.sessions()).empty(&place("eu-west-1"), "files").await.unwrap();
    assert_eq!((emptied.removed, emptied.done), (1, false));
}

#[tokio::test]
async fn c32_an_object_that_may_not_be_deleted_is_an_error_and_a_missing_bucket_is_empty() {
    let error = "<Error><Key>a</Key><Code>AccessDenied</Code><Message>locked</Message></Error>";
    let script = Script::new([
        versions("<Version><Key>a</Key><VersionId>1</VersionId></Version>"),
        reply(200, format!("<DeleteResult>{error}</DeleteResult>")),
        reply(404, "<Error><Code>NoSuchBucket</Code></Error>"),
    ]);
    let buckets = S3Buckets::new(script.sessions());
    let error = buckets.empty(&place("eu-west-1"), "files").await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Denied, "AccessDenied: locked"));
    let gone = buckets.empty(&place("eu-west-1"), "files").await.unwrap();
    assert_eq!((gone.removed, gone.done), (0, true));
}

#[tokio::test]
async fn a_stacks_outputs_come_with_the_look_at_it_and_none_comes_in_part() {
    let output = |key: &str, value: &str| {
        format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
    };
    let empty = "<member><OutputKey>Empty</OutputKey></member>";
    let rows = [output("Url", "https://x.example/"), output("Long", &"y".repeat(1_025)), empty.to_owned()];
    let outputs = format!("<Outputs>{}</Outputs>", rows.concat());
    let stack = format!("<member><StackId>{STACK}</StackId>{outputs}</member>");
    let script = Script::new([answer("DescribeStacks", &format!("<Stacks>{stack}</Stacks>"))]);
    let seen = stacks(&script).describe(&place("eu-west-1"), STACK).await.unwrap().unwrap();
    assert_eq!(seen.outputs, [("Url".to_owned(), "https://x.example/".to_owned())].into());
    script.only_call();
}
