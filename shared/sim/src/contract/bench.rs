//! What the suite needs besides the ports: the hands of CI, of AWS and of people.

use super::Quirks;
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::AlarmState;
use flotilla_engine::ports::{Place, Work};
use std::time::Duration;

/// What CloudFormation is about to do. It stands in the template as well: only a simulated CloudFormation
/// has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Change sets can be made and operations end well.
    Works,
    /// The resource `NeverReady` fails and the operation is rolled back.
    RollsBack,
    /// The change set is taken and then fails.
    Refuses,
}

/// The world around the ports.
///
/// Everything is for one run of the suite: the buckets and queues are new, or names carry [`Bench::space`].
#[async_trait]
pub trait Bench: Send + Sync {
    /// How this implementation is known to differ from AWS.
    fn quirks(&self) -> &Quirks;
    /// Lower-case letters and digits, beginning with a letter, that keep this run's names apart.
    fn space(&self) -> &str;
    /// A target. Its artifact bucket exists and is empty.
    fn place(&self) -> &Place;
    /// The time as the services see it, in milliseconds.
    fn now_ms(&self) -> i64;
    /// Lets time pass.
    async fn pass(&self, time: Duration);

    /// Puts an upload into the ingest bucket as CI does; answers its version.
    async fn upload(&self, key: &str, bytes: Bytes) -> String;
    /// Removes a version of an upload for good.
    async fn remove_upload(&self, key: &str, version_id: &str);
    /// Puts an object into the ingest bucket that S3 has no SHA-256 of.
    async fn store_unproven(&self, key: &str, bytes: Bytes);

    /// Takes what can be seen in the queues now, each message as its consumer reads it.
    async fn receive(&self) -> Vec<Work>;

    /// Puts an object into the target's artifact bucket, with a SHA-256 that S3 has checked.
    async fn place_object(&self, key: &str, bytes: Bytes);
    /// Puts an object into the target's artifact bucket that S3 has no SHA-256 of.
    async fn place_unproven(&self, key: &str, bytes: Bytes);

    /// Deletes an object from the target's artifact bucket as people do: its versions stay behind a mark.
    async fn hide_object(&self, key: &str);

    /// The role of the functions in templates.
    fn function_role(&self) -> String;
    /// Says what becomes of the next change sets at the target.
    async fn fate(&self, fate: Fate);
    /// Makes a function at the target, or gives it other code.
    async fn make_function(&self, name: &str, zip: Bytes);

    /// Serves this at a URL that has been nobody's before; a redirect leads nowhere.
    async fn serve(&self, status: u16, body: &str) -> String;

    /// Makes a function at the target that answers with this text, or fails with it.
    async fn make_verifier(&self, name: &str, ok: bool, text: &str);

    /// Makes an alarm at the target, if it is not there yet, and gives it a state.
    async fn set_alarm(&self, name: &str, composite: bool, state: AlarmState);

    /// Makes a bucket with versions at the target.
    async fn make_bucket(&self, bucket: &str);
    /// Puts an object into such a bucket.
    async fn put_object(&self, bucket: &str, key: &str);
    /// Deletes an object, leaving its versions and a delete marker.
    async fn delete_object(&self, bucket: &str, key: &str);
    /// Begins an upload in parts and leaves it at that.
    async fn begin_upload(&self, bucket: &str, key: &str);
    /// How many versions, delete markers and unfinished uploads a bucket holds.
    async fn left_in(&self, bucket: &str) -> usize;
}
