//! SNS topics and EventBridge event buses.

use crate::classify::{classify, kind_of};
use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use flotilla_domain::channel::{ChannelArn, ChannelKind};
use flotilla_engine::ports::{Channels, ErrorKind, PortError, Said};
use serde_json::json;

const PUBLISH: &str = "sns:Publish";
const PUT_EVENTS: &str = "events:PutEvents";

/// The `source` of every event. The notify role may put events of this source only.
const SOURCE: &str = "flotilla";

/// Topics and event buses in any region, with the function's own role. The policy of one in another account must allow it.
#[derive(Debug, Clone)]
pub struct AwsChannels {
    config: SdkConfig,
}

impl AwsChannels {
    /// SNS and EventBridge, with this configuration.
    pub fn new(config: SdkConfig) -> Self {
        Self { config }
    }

    async fn publish_to_topic(&self, config: &SdkConfig, topic: &str, said: &Said) -> Result<(), PortError> {
        // Mail is for people; all other protocols get the JSON document.
        let message = json!({"default": said.document.to_string(), "email": said.text});
        let mut request = aws_sdk_sns::Client::new(config)
            .publish()
            .topic_arn(topic)
            .subject(&said.subject)
            .message_structure("json")
            .message(message.to_string());
        for (name, value) in &said.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            let value = value.map_err(|e| PortError::new(ErrorKind::Permanent, PUBLISH, e.to_string()))?;
            request = request.message_attributes(*name, value);
        }
        request.send().await.map(drop).map_err(|e| classify(PUBLISH, e))
    }

    /// Puts one event. EventBridge answers 200 and reports the failure of an entry in its place.
    async fn put_event(&self, config: &SdkConfig, bus: &str, said: &Said) -> Result<(), PortError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(SOURCE)
            .detail_type(&said.detail_type)
            .detail(said.document.to_string())
            .build();
        let put = aws_sdk_eventbridge::Client::new(config).put_events().entries(entry).send().await;
        let put = put.map_err(|e| classify(PUT_EVENTS, e))?;
        match put.entries().iter().find_map(|entry| Some((entry.error_code()?, entry.error_message()))) {
            Some((code, message)) => {
                let message = message.unwrap_or("no message");
                Err(PortError::new(kind_of(code, message), PUT_EVENTS, format!("{code}: {message}")))
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Channels for AwsChannels {
    async fn publish(&self, channel: &ChannelArn, said: &Said) -> Result<(), PortError> {
        // A channel exists in its own region only.
        let config = self.config.to_builder().region(Region::new(channel.region().to_string())).build();
        match channel.kind() {
            ChannelKind::Topic => self.publish_to_topic(&config, channel.as_str(), said).await,
            ChannelKind::EventBus => self.put_event(&config, channel.as_str(), said).await,
        }
    }
}
