//! Stages and the uploads that change them.

use super::*;

#[test]
fn a_stage_is_forgotten_a_month_after_its_last_rollout_once_nothing_is_left_there() {
    let rollout = |second| RolloutId::derive(Timestamp::from_second(second).unwrap(), &["r"]);
    let mut head = StageHead::new(
        ServiceName::parse("orders").unwrap(),
        StageName::parse("pr-7").unwrap(),
        ProfileName::parse("p").unwrap(),
    );
    let forgotten = |head: &StageHead| stored(head).expires_at;
    assert_eq!(forgotten(&head), None, "nothing was ever rolled out");
    head.close(Timestamp::from_second(500).unwrap());
    let after_closing = Timestamp::from_second(500 + 7 * 24 * 3_600).unwrap();
    assert_eq!(forgotten(&head), Some(after_closing), "its ref was closed");
    head.newest = Some(rollout(1_000));
    let month = Timestamp::from_second(1_000 + 31 * 24 * 3_600).unwrap();
    assert_eq!(forgotten(&head), Some(month));
    for (active, queued) in [(true, false), (false, true)] {
        let busy = StageHead {
            active: active.then(|| rollout(1_000)),
            queued: queued.then(|| rollout(1_000)),
            ..head.clone()
        };
        assert_eq!(forgotten(&busy), None);
    }
    let running = Running {
        proven: None,
        rollout: rollout(1),
        status: "failed".into(),
        at: Timestamp::UNIX_EPOCH,
        has_traffic: false,
    };
    head.targets.insert(Target::parse("111122223333/eu-west-1").unwrap(), running);
    assert_eq!(forgotten(&head), None);
}

#[test]
fn every_verdict_reads_back() {
    let rollout = RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    let accepted = Verdict::Accepted {
        release: ReleaseId::derive(Timestamp::UNIX_EPOCH, &["r"]),
        digest: Digest::of(b"p"),
        rollout,
    };
    let refusal = Refusal::new(Code::RefClosed, "closed", "upload again");
    for verdict in [
        accepted,
        Verdict::Closed { removal: None },
        Verdict::Closed { removal: Some(rollout) },
        Verdict::Refused(refusal),
    ] {
        let object = ObjectVersion {
            key: "incoming/orders/pr/7/closed".into(),
            version_id: "v1".into(),
            uploaded_at: Timestamp::UNIX_EPOCH,
        };
        let upload = Upload {
            id: object.upload_id(),
            service: ServiceName::parse("orders").ok(),
            object,
            verdict,
            decided_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(read::<Upload>(stored(&upload)).unwrap().value, upload);
    }
}

#[test]
fn a_stages_stacks_read_back_and_in_the_first_format_there_was_one() {
    let mut head = StageHead::new(
        ServiceName::parse("orders").unwrap(),
        StageName::parse("staging").unwrap(),
        ProfileName::parse("p").unwrap(),
    );
    let stack = |name: &str| KnownStack { name: StackName::parse(name).unwrap(), level: 1 };
    head.stacks.insert(Some(StackPart::parse("Net").unwrap()), stack("orders-staging-Net"));
    head.settle(ReleaseId::derive(Timestamp::UNIX_EPOCH, &["r"]));
    head.unsettle(ReleaseId::derive(Timestamp::UNIX_EPOCH, &["u"]));
    assert_eq!(read::<StageHead>(stored(&head)).unwrap().value, head);
    head.uploaded(&GitRef::parse("branch:a/b").unwrap(), Timestamp::from_second(7).unwrap());
    head.close(Timestamp::from_second(8).unwrap());
    head.renew(Timestamp::from_second(9).unwrap(), Some(1));
    assert!(head.extend(Timestamp::from_second(10_000).unwrap()));
    for (region, slot) in [("eu-west-1", Slot::Green), ("us-east-1", Slot::Blue)] {
        head.live.insert(Site::parse(&format!("111122223333/{region}")).unwrap(), slot);
    }
    head.drained.insert(Site::parse("111122223333/eu-west-1").unwrap());
    head.mapping = Some(ApiMapping {
        domain: "api.example.com".into(),
        path: String::new(),
        api: None,
        api_stage: None,
    });
    assert_eq!(read::<StageHead>(stored(&head)).unwrap().value, head);
    let mut first = stored(&StageHead { stacks: Default::default(), ..head });
    first.body["format"] = 1.into();
    let only = &read::<StageHead>(first).unwrap().value.stacks[&None];
    assert_eq!((only.name.as_str(), only.level), ("orders-staging", 0));
}
