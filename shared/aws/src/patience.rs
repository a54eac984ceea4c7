//! Patience with S3's copies: S3 may send nothing for as long as it copies, between distant regions for minutes. The function's own
//! timeout limits a call.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Config, StalledStreamProtectionConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

/// A client whose attempts take as long as they need.
pub(crate) fn patient(config: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .disable_operation_attempt_timeout()
        .build();
    Client::from_conf(Builder::from(config).timeout_config(timeouts).build())
}

/// For a call that S3 answers once it has copied: without this, the SDK takes five seconds of silence for a broken connection. It knows
/// better of CopyObject only. Streams through the function keep that protection.
pub(crate) fn silent() -> Builder {
    Config::builder().stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}
