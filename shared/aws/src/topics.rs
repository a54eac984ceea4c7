//! SNS topics.

use crate::classify::classify;
use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use flotilla_domain::topic::TopicArn;
use flotilla_engine::ports::{ErrorKind, PortError, Said, Topics};
use serde_json::json;

const OPERATION: &str = "sns:Publish";

/// Topics in any region, with the function's own role. The policy of a topic in another account must allow it.
#[derive(Debug, Clone)]
pub struct SnsTopics {
    config: SdkConfig,
}

impl SnsTopics {
    /// SNS, with this configuration.
    pub fn new(config: SdkConfig) -> Self {
        Self { config }
    }
}

#[async_trait]
impl Topics for SnsTopics {
    async fn publish(&self, topic: &TopicArn, said: &Said) -> Result<(), PortError> {
        // A topic exists in its own region only.
        let config = self.config.to_builder().region(Region::new(topic.region().to_string())).build();
        // Mail is for people; all other protocols get the JSON document.
        let message = json!({"default": said.document.to_string(), "email": said.text});
        let mut request = Client::new(&config)
            .publish()
            .topic_arn(topic.as_str())
            .subject(&said.subject)
            .message_structure("json")
            .message(message.to_string());
        for (name, value) in &said.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            let value = value.map_err(|e| PortError::new(ErrorKind::Permanent, OPERATION, e.to_string()))?;
            request = request.message_attributes(*name, value);
        }
        request.send().await.map(drop).map_err(|e| classify(OPERATION, e))
    }
}
