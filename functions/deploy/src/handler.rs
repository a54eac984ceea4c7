//! A batch of the tick queue: each message asks for the next step of a subject.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use flotilla_aws::messages::{TickMessage, batch_reply, decode_tick};
use flotilla_engine::EngineError;
use flotilla_engine::controllers::Controllers;
use flotilla_telemetry::Unit;
use futures::future::join_all;

/// Runs the step of each subject of the batch once, all concurrently. Only the messages that fail are delivered again.
pub async fn handle(controllers: &Controllers, event: SqsEvent) -> SqsBatchResponse {
    let mut failed = Vec::new();
    // The subjects, and the messages that ask for their steps.
    let mut asked: Vec<(TickMessage, Vec<String>)> = Vec::new();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        match decode_tick(message.body.as_deref().unwrap_or_default()) {
            Ok(tick) => match asked.iter_mut().find(|(other, _)| *other == tick) {
                Some((_, ids)) => ids.push(id),
                None => asked.push((tick, vec![id])),
            },
            Err(error) => {
                tracing::error!(message.id = id, "{error}");
                failed.push(id);
            }
        }
    }
    let results = join_all(asked.iter().map(|(tick, _)| step(controllers, tick))).await;
    for ((tick, ids), result) in asked.into_iter().zip(results) {
        if let Err(error) = result {
            tracing::error!(?tick, "the step failed: {error}");
            failed.extend(ids);
        }
    }
    measure(controllers, failed.len());
    batch_reply(failed)
}

/// Emits the counted metrics.
fn measure(controllers: &Controllers, failed: usize) {
    let counts = controllers.meter().take();
    let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let metrics = [
        ("Ticks", count(counts.ticks), Unit::Count),
        ("Transitions", count(counts.transitions), Unit::Count),
        ("Throttles", count(counts.throttled), Unit::Count),
        ("FailedSteps", count(failed as u64), Unit::Count),
    ];
    flotilla_telemetry::emit(controllers.now().as_millisecond(), "deploy", &metrics);
}

async fn step(controllers: &Controllers, tick: &TickMessage) -> Result<(), EngineError> {
    match tick {
        TickMessage::Tick(subject) => controllers.tick(subject).await,
        TickMessage::StackChanged(target, stack) => controllers.hint(target, stack).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::sqs::SqsMessage;
    use flotilla_sim::World;

    fn batch(bodies: &[(&str, String)]) -> SqsEvent {
        let message = |(id, body): &(&str, String)| {
            let mut message = SqsMessage::default();
            message.message_id = Some((*id).to_owned());
            message.body = Some(body.clone());
            message
        };
        let mut event = SqsEvent::default();
        event.records = bodies.iter().map(message).collect();
        event
    }

    fn failed(reply: &SqsBatchResponse) -> Vec<&str> {
        reply.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
    }

    #[test]
    fn q04_what_nobody_understands_is_left_to_the_queue_and_its_neighbours_are_done() {
        let mut world = World::new(1, &[&["eu-west-1"]]);
        let version = world.upload("branch/main", "one");
        world.until("a rollout", |w| w.rollout(&version).is_some());
        let rollout = world.rollout(&version).expect("it was just seen").id;
        world.drop_messages();
        let tick = format!(r#"{{"tick":{{"rollout":"{rollout}"}}}}"#);
        let bodies =
            [("good", tick.clone()), ("bad", "poison".into()), ("twice", tick), ("empty", String::new())];
        let controllers = world.controllers();
        let reply = futures::executor::block_on(handle(&controllers, batch(&bodies)));
        assert_eq!(failed(&reply), ["bad", "empty"]);
        assert_eq!(world.end_of(&version).status, "succeeded", "the tick was sufficient");
    }
}
