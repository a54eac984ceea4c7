//! The contract of the queues.

use super::Bench;
use flotilla_domain::{DeploymentId, ReleaseId, RolloutId, Timestamp};
use flotilla_engine::ports::{Subject, Work, WorkQueue};
use std::time::Duration;

/// Messages of one run, distinguished by a number.
struct Messages<'a>(&'a dyn Bench);

impl Messages<'_> {
    fn rollout(&self, n: usize) -> RolloutId {
        RolloutId::derive(Timestamp::UNIX_EPOCH, &[self.0.space(), &n.to_string()])
    }

    fn tick(&self, n: usize) -> Work {
        Work::Tick(Subject::Rollout(self.rollout(n)))
    }

    fn deployment(&self, n: usize) -> Work {
        let target = self.0.place().site.clone().into();
        Work::Tick(Subject::Deployment(DeploymentId {
            rollout: self.rollout(n),
            target,
            direction: flotilla_domain::Direction::Forward,
        }))
    }

    fn replicate(&self, n: usize) -> Work {
        let release = ReleaseId::derive(Timestamp::UNIX_EPOCH, &[self.0.space(), &n.to_string()]);
        Work::Replicate { release, rollout: self.rollout(n), site: self.0.place().site.clone() }
    }

    fn intake(&self, n: usize) -> Work {
        // The longest key that S3 accepts, with all characters that an encoding may damage.
        let key = format!("incoming/{}/branch/a b+c%2F\"ü\\/{n:0>950}.zip", self.0.space());
        Work::Intake {
            key,
            version_id: format!("version.{n}_-"),
            uploaded_at: flotilla_domain::Timestamp::UNIX_EPOCH,
        }
    }
}

/// The contract of the queues.
///
/// # Panics
/// If the queue violates it.
pub async fn work_queue(queue: &dyn WorkQueue, bench: &dyn Bench) {
    every_kind_of_message_arrives_as_it_was_sent(queue, bench).await;
    more_messages_than_one_batch_takes_arrive(queue, bench).await;
    a_delay_is_waited_for(queue, bench).await;
}

/// Receives until all of `wanted` have arrived; a message may arrive twice.
async fn arrive(bench: &dyn Bench, wanted: &[Work]) {
    let mut left = wanted.to_vec();
    for _ in 0..100 {
        let received = bench.receive().await;
        let stranger = received.iter().find(|work| !wanted.contains(work));
        assert_eq!(stranger, None, "this was not sent, or not like this");
        left.retain(|work| !received.contains(work));
        if left.is_empty() {
            return;
        }
        bench.pass(Duration::from_millis(100)).await;
    }
    panic!("these did not arrive: {left:?}");
}

async fn every_kind_of_message_arrives_as_it_was_sent(queue: &dyn WorkQueue, bench: &dyn Bench) {
    let new = Messages(bench);
    let work = vec![new.tick(1), new.deployment(2), new.replicate(3), new.intake(4)];
    queue.send(work.iter().map(|work| (work.clone(), 0)).collect()).await.expect("messages are taken");
    arrive(bench, &work).await;
    assert_eq!(queue.send(Vec::new()).await, Ok(()), "nothing to send is sent");
}

async fn more_messages_than_one_batch_takes_arrive(queue: &dyn WorkQueue, bench: &dyn Bench) {
    let new = Messages(bench);
    let mut work: Vec<Work> = (100..123).map(|n| new.tick(n)).collect();
    work.extend((200..211).map(|n| new.intake(n)));
    queue.send(work.iter().map(|work| (work.clone(), 0)).collect()).await.expect("messages are taken");
    arrive(bench, &work).await;
}

async fn a_delay_is_waited_for(queue: &dyn WorkQueue, bench: &dyn Bench) {
    let new = Messages(bench);
    let (now, later, last) = (new.tick(300), new.tick(301), new.tick(302));
    // Q08: a delay longer than SQS accepts is not an error: the receiver sends the message again.
    let sent_ms = bench.now_ms();
    let work = vec![(later.clone(), 2), (now.clone(), 0), (last.clone(), 4_000)];
    queue.send(work).await.expect("messages are taken");
    let (mut seen_now, mut seen_later) = (false, false);
    while !(seen_now && seen_later) {
        let waited_ms = bench.now_ms() - sent_ms;
        for work in bench.receive().await {
            assert_ne!(work, last, "its delay is not over");
            // Read before the message was received: it must not arrive before its time.
            assert!(work != later || bench.now_ms() - sent_ms >= 2_000, "it came after {waited_ms} ms");
            seen_now |= work == now;
            seen_later |= work == later;
        }
        assert!(waited_ms < 15_000, "after {waited_ms} ms: now {seen_now}, later {seen_later}");
        bench.pass(Duration::from_millis(100)).await;
    }
}
