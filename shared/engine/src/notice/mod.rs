//! Notices about rollouts. Each save of a rollout is read once from the table's stream.

use crate::EngineError;
use crate::ports::{Channels, Item, PortError, Said};
use crate::records::read;
use crate::status::cause_view;
use flotilla_contract::NoticeView;
use flotilla_domain::notice::{NoticeKind, notices};
use flotilla_domain::rollout::{Revert, Rollout, RolloutKind, RolloutState};
use std::sync::Arc;

/// The use case and the ports that it needs.
pub struct Notify {
    /// The SNS topics and event buses.
    pub channels: Arc<dyn Channels>,
}

/// The notices that one save has caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoticeCounts {
    /// Notices that were published.
    pub published: usize,
    /// Notices that can never be published: the topic or event bus does not exist, or Flotilla may not publish to it.
    pub undeliverable: usize,
}

impl Notify {
    /// Publishes the notices of one save, from the rollout's item before the save, if there was one, and after
    /// it.
    ///
    /// # Errors
    /// A channel cannot be reached now: the call can be repeated, and publishes the notices of other channels
    /// again. An item that cannot be read.
    pub async fn tell(&self, before: Option<Item>, now: Item) -> Result<NoticeCounts, EngineError> {
        let now = read::<Rollout>(now)?.value;
        let mut counts = NoticeCounts::default();
        if now.notify.is_empty() {
            return Ok(counts);
        }
        let before = before.map(read::<Rollout>).transpose()?.map(|before| before.value);
        let mut later = None;
        for kind in notices(before.as_ref(), &now) {
            let said = said(kind, &now);
            for channel in &now.notify {
                match self.channels.publish(channel, &said).await {
                    Ok(()) => counts.published += 1,
                    // The other channels still get the notice.
                    Err(error) if error.may_pass() => later = later.or(Some(error)),
                    Err(error) => {
                        counts.undeliverable += 1;
                        undeliverable(channel.as_str(), &now, &error);
                    }
                }
            }
        }
        later.map_or(Ok(counts), |error| Err(error.into()))
    }
}

fn undeliverable(channel: &str, rollout: &Rollout, error: &PortError) {
    tracing::error!(
        rollout.id = %rollout.id,
        channel,
        "the notice was not published: {error}; check that the topic or event bus exists and that its policy allows Flotilla's notify role"
    );
}

/// The notice of a rollout.
fn said(kind: NoticeKind, rollout: &Rollout) -> Said {
    let view = view(kind, rollout);
    let what = match kind {
        NoticeKind::Begun => "has started",
        NoticeKind::Waits => "waits",
        NoticeKind::BrokenOpen => "was opened by break-glass",
        NoticeKind::Reverting => "has failed and is reverting",
        NoticeKind::Succeeded => "has succeeded",
        NoticeKind::Failed => "has failed",
        NoticeKind::Reverted => "has been reverted",
        NoticeKind::Cancelled => "was cancelled",
    };
    Said {
        // Names are ASCII. The longest ones exceed the limit.
        subject: format!("{}/{} {what}", rollout.service, rollout.stage)
            .chars()
            .take(Said::SUBJECT_MAX)
            .collect(),
        text: text(&view, what),
        detail_type: format!("Rollout {}", titled(kind)),
        attributes: [
            ("kind", view.kind.clone()),
            ("service", view.service.clone()),
            ("stage", view.stage.clone()),
        ]
        .into(),
        document: serde_json::to_value(&view).unwrap_or_default(),
    }
}

/// The kind as the type of an event.
fn titled(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Begun => "Begun",
        NoticeKind::Waits => "Waiting",
        NoticeKind::BrokenOpen => "Gates Opened",
        NoticeKind::Reverting => "Reverting",
        NoticeKind::Succeeded => "Succeeded",
        NoticeKind::Failed => "Failed",
        NoticeKind::Reverted => "Reverted",
        NoticeKind::Cancelled => "Cancelled",
    }
}

fn view(kind: NoticeKind, rollout: &Rollout) -> NoticeView {
    let cause = match &rollout.state {
        RolloutState::Reverting(Revert::Finding(_) | Revert::Copying(_) | Revert::Rolling { .. }) => {
            rollout.failure.as_ref()
        }
        state => state.cause(),
    };
    let counts = !matches!(kind, NoticeKind::Begun | NoticeKind::Waits);
    let source = rollout.source();
    NoticeView {
        version: NoticeView::VERSION,
        kind: kind.name().into(),
        rollout: rollout.id.to_string(),
        service: rollout.service.to_string(),
        stage: rollout.stage.to_string(),
        profile: rollout.profile.to_string(),
        release: rollout.release().map(|id| id.to_string()),
        digest: rollout.package().map(|digest| digest.to_string()),
        git_ref: source.map(|source| source.git_ref.to_string()),
        build: source.map(|source| source.build.clone()),
        removes: rollout.kind == RolloutKind::Remove,
        set: rollout.set.map(|id| id.to_string()),
        requested_by: rollout.requested_by.clone(),
        because: match (&rollout.break_glass, kind) {
            (Some(word), NoticeKind::BrokenOpen) => Some(format!("{}: {}", word.by, word.because)),
            _ => rollout.because.clone(),
        },
        waits_for: rollout.blocked_by.iter().map(|closed| closed.why.clone()).collect(),
        cause: cause.filter(|_| counts).map(cause_view),
        at: rollout.entered_at.to_string(),
    }
}

fn text(view: &NoticeView, what: &str) -> String {
    let mut lines = vec![
        format!("{} of {} to {} {what}.", view.rollout, view.service, view.stage),
        String::new(),
        format!("by       {}", view.requested_by),
    ];
    let optional = [
        ("because  ", view.because.as_ref()),
        ("release  ", view.release.as_ref()),
        ("digest   ", view.digest.as_ref()),
        ("part of  ", view.set.as_ref()),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some(format!("{name}{}", value?))));
    lines.extend(view.waits_for.iter().map(|why| format!("waits    {why}")));
    if let Some(cause) = &view.cause {
        lines.push(format!("cause    {} {}", cause.code, cause.message));
        lines.push(format!("fix      {}", cause.fix));
    }
    lines.extend([String::new(), format!("flotilla rollout {}", view.rollout)]);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Change, ErrorKind};
    use crate::records::create;
    use crate::rollout::compose::blank_for_tests;
    use async_trait::async_trait;
    use flotilla_domain::channel::ChannelArn;
    use flotilla_domain::gate::{Blocked, BreakGlass, Gate};
    use flotilla_domain::{Cause, Code};
    use futures::executor::block_on;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard {
        said: Mutex<Vec<(String, Said)>>,
        fails: Option<ErrorKind>,
    }

    #[async_trait]
    impl Channels for Heard {
        async fn publish(&self, topic: &ChannelArn, said: &Said) -> Result<(), PortError> {
            if let Some(kind) = self.fails.filter(|_| topic.as_str().ends_with("a")) {
                return Err(PortError::new(kind, "sns:Publish", "no"));
            }
            self.said.lock().unwrap().push((topic.to_string(), said.clone()));
            Ok(())
        }
    }

    fn rollout(state: RolloutState) -> Rollout {
        let topic =
            |name: &str| ChannelArn::parse(&format!("arn:aws:sns:eu-west-1:111122223333:{name}")).unwrap();
        Rollout { state, notify: [topic("a"), topic("b")].into(), ..blank_for_tests() }
    }

    fn item(rollout: &Rollout) -> Item {
        let Change::Put(item) = create(rollout).change else { panic!("a put") };
        item
    }

    fn tell(
        heard: Heard,
        before: Option<&Rollout>,
        now: &Rollout,
    ) -> (Result<NoticeCounts, EngineError>, Vec<(String, Said)>) {
        let heard = Arc::new(heard);
        let notify = Notify { channels: Arc::clone(&heard) as Arc<dyn Channels> };
        let counts = block_on(notify.tell(before.map(item), item(now)));
        let said = heard.said.lock().unwrap().clone();
        (counts, said)
    }

    #[test]
    fn every_topic_of_the_profile_is_told_what_happened_why_and_what_to_do() {
        let cause = Cause::new(Code::RolledBack, "the table is full", "make room");
        let (queued, failed) = (rollout(RolloutState::Queued), rollout(RolloutState::Failed(cause)));
        let (counts, said) = tell(Heard::default(), Some(&queued), &failed);
        assert_eq!(counts.unwrap(), NoticeCounts { published: 2, undeliverable: 0 });
        let [(first, one), (second, other)] = &said[..] else { panic!("{said:?}") };
        assert!(first.ends_with(":a") && second.ends_with(":b") && one == other);
        assert_eq!(
            (one.subject.as_str(), one.attributes["kind"].as_str()),
            ("orders/production has failed", "failed")
        );
        assert_eq!(one.detail_type, "Rollout Failed");
        assert_eq!(one.document["cause"]["message"], "the table is full");
        assert!(one.text.contains("fix      make room"), "{}", one.text);
        let (counts, said) = tell(Heard::default(), Some(&failed), &failed);
        assert_eq!((counts.unwrap(), said.len()), (NoticeCounts::default(), 0), "nothing has changed");
    }

    #[test]
    fn whoever_has_to_approve_is_told_what_it_waits_for() {
        let closed = Blocked { gate: Gate::Approval, why: "1 of 2 approvals".into(), until: None };
        let waits = Rollout { blocked_by: vec![closed], ..rollout(RolloutState::WaitingForOutputs) };
        let (counts, said) = tell(Heard::default(), Some(&rollout(RolloutState::Queued)), &waits);
        assert_eq!(counts.unwrap().published, 2);
        assert_eq!(said[0].1.subject, "orders/production waits");
        assert_eq!(said[0].1.document["waits_for"][0], "1 of 2 approvals");
    }

    #[test]
    fn one_topic_that_is_gone_keeps_nobody_from_being_told_and_one_that_is_busy_is_tried_again() {
        let (queued, done) = (rollout(RolloutState::Queued), rollout(RolloutState::Succeeded));
        let gone = Heard { fails: Some(ErrorKind::Missing), ..Heard::default() };
        let (counts, said) = tell(gone, Some(&queued), &done);
        assert_eq!((counts.unwrap(), said.len()), (NoticeCounts { published: 1, undeliverable: 1 }, 1));
        let busy = Heard { fails: Some(ErrorKind::Throttled), ..Heard::default() };
        let (counts, said) = tell(busy, Some(&queued), &done);
        assert!(counts.is_err());
        assert_eq!(said.len(), 1, "the other topic still gets the notice");
    }

    #[test]
    fn of_broken_glass_it_is_told_who_broke_it_and_why() {
        let before = rollout(RolloutState::WaitingForOutputs);
        let word = BreakGlass { by: "ann".into(), because: "fire".into(), at: before.created_at };
        let because = Some("the sale".to_owned());
        let open = Rollout { break_glass: Some(word), because, ..before.clone() };
        let (counts, said) = tell(Heard::default(), Some(&before), &open);
        assert_eq!(counts.unwrap().published, 2);
        assert_eq!(said[0].1.document["because"], "ann: fire");
    }

    #[test]
    fn a_profile_without_topics_tells_nobody() {
        let quiet = Rollout { notify: Default::default(), ..rollout(RolloutState::Queued) };
        let (counts, said) = tell(Heard::default(), None, &quiet);
        assert_eq!((counts.unwrap(), said.len()), (NoticeCounts::default(), 0));
    }
}
