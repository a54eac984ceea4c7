//! What the suite needs besides the ports: the actions of CI, AWS and people.

use super::Quirks;
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::AlarmState;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::deployment::ApiStage;
use flotilla_engine::ports::{ExternalObject, Place, Work};
use std::time::Duration;

/// What CloudFormation will do. The template causes the same on a real CloudFormation; only a simulated one needs to be
/// told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Change sets can be created and operations succeed.
    Works,
    /// The resource `NeverReady` fails and the operation is rolled back.
    RollsBack,
    /// The change set is accepted and then fails.
    Refuses,
}

/// The environment of the ports.
///
/// All of it serves one run of the suite: buckets and queues are new, or names contain [`Bench::space`].
#[async_trait]
pub trait Bench: Send + Sync {
    /// The known differences of this implementation from AWS.
    fn quirks(&self) -> &Quirks;
    /// Lower-case letters and digits, beginning with a letter, that make the names of this run unique.
    fn space(&self) -> &str;
    /// A target. Its artifact bucket exists and is empty.
    fn place(&self) -> &Place;
    /// The time of the services, in milliseconds.
    fn now_ms(&self) -> i64;
    /// Lets time pass.
    async fn pass(&self, time: Duration);

    /// Puts an upload into the ingest bucket as CI does, and returns its version.
    async fn upload(&self, key: &str, bytes: Bytes) -> String;
    /// Deletes a version of an upload permanently.
    async fn remove_upload(&self, key: &str, version_id: &str);
    /// Puts an object without an S3 SHA-256 into the ingest bucket.
    async fn store_unproven(&self, key: &str, bytes: Bytes);

    /// Receives the messages that are visible in the queues now, each as its consumer reads it.
    async fn receive(&self) -> Vec<Work>;

    /// Puts an object with a SHA-256 that S3 has checked into the target's artifact bucket.
    async fn place_object(&self, key: &str, bytes: Bytes);
    /// Puts an object with a SHA-256 that S3 has checked into a bucket of somebody else.
    async fn place_external(&self, key: &str, bytes: Bytes) -> ExternalObject;
    /// Pushes the parts of an image, its manifest first, to a repository of somebody else.
    async fn push_image(&self, parts: &[Bytes]) -> ImageRepository;
    /// Puts an object without an S3 SHA-256 into the target's artifact bucket.
    async fn place_unproven(&self, key: &str, bytes: Bytes);

    /// Deletes an object from the target's artifact bucket as a person does: a delete marker hides its versions.
    async fn hide_object(&self, key: &str);

    /// The role of the functions in templates.
    fn function_role(&self) -> String;
    /// Announces the result of the next change sets at the target.
    async fn fate(&self, fate: Fate);
    /// Creates a function at the target, or changes its code.
    async fn make_function(&self, name: &str, zip: Bytes);

    /// Serves this response at a new URL; a redirect leads nowhere.
    async fn serve(&self, status: u16, body: &str) -> String;

    /// Creates a function at the target that returns this text, or fails with it.
    async fn make_verifier(&self, name: &str, ok: bool, text: &str);

    /// Creates a custom domain of API Gateway at the target.
    async fn make_domain(&self, domain: &str);
    /// Creates an API at the target, with the stage `$default`.
    async fn make_api(&self, name: &str) -> ApiStage;

    /// Creates a hosted zone with weighted records of this name, of the type `CNAME` and with a TTL of a minute, by set identifier. Returns its id.
    async fn make_records(&self, name: &str, weights: &[(&str, u8)]) -> String;

    /// Creates an alarm at the target, if it does not exist, and sets its state.
    async fn set_alarm(&self, name: &str, composite: bool, state: AlarmState);

    /// Creates a versioned bucket at the target.
    async fn make_bucket(&self, bucket: &str);
    /// Puts an object into such a bucket.
    async fn put_object(&self, bucket: &str, key: &str);
    /// Deletes an object, leaving its versions and a delete marker.
    async fn delete_object(&self, bucket: &str, key: &str);
    /// Begins a multipart upload and does not complete it.
    async fn begin_upload(&self, bucket: &str, key: &str);
    /// The number of versions, delete markers and unfinished uploads in a bucket.
    async fn left_in(&self, bucket: &str) -> usize;
}
