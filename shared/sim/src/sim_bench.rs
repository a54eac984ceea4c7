//! The bench of the contract tests for the simulated world.

use crate::Behaviour;
use crate::assets::SimAssetBuckets;
use crate::cloudformation::SimStacks;
use crate::contract::{Bench, Fate, Quirk, Quirks};
use crate::dns::Record;
use crate::gates::{SimAlarms, SimProbes};
use crate::images::{SimExternalImages, SimImages};
use crate::lambda::SimFunctions;
use crate::mappings::SimMappings;
use crate::policies::SimPolicies;
use crate::queue::SimQueue;
use crate::records::SimRecords;
use crate::s3::{SimBuckets, SimPackages, SimReplicas};
use crate::state::{Object, Shared};
use crate::table::SimTable;
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::deployment::{Access, ApiStage};
use flotilla_domain::{AlarmState, Digest, Site, Timestamp};
use flotilla_engine::ports::{
    Alarms, ApiMappings, AssetBuckets, Buckets, Clock, ExternalImages, ExternalObject, Functions,
    HttpObserved, ImageRegistry, Invoked, PackageStore, Place, Policies, Probes, ReplicaStore, Stacks,
    StateStore, StoredImages, WeightedRecords, Work, WorkQueue,
};
use std::time::Duration;

/// The known differences of the fakes from AWS. Each should be fixed; the suite reports one that is fixed.
const QUIRKS: [Quirk; 3] = [Quirk::ItemsHaveNoLimit, Quirk::EveryObjectIsProven, Quirk::BucketsAreNotKept];

/// An empty world without faults, and its ports.
pub struct SimBench {
    shared: Shared,
    quirks: Quirks,
    place: Place,
}

impl Default for SimBench {
    fn default() -> Self {
        let place = Place {
            site: Site::parse("111122223333/eu-west-1").expect("a target"),
            access: Access {
                role_arn: "arn:aws:iam::111122223333:role/flotilla-deployer".into(),
                external_id: "0123456789abcdef".into(),
                service_role_arn: "arn:aws:iam::111122223333:role/flotilla-cloudformation".into(),
                role_boundary: None,
            },
        };
        Self { shared: Shared::new(1), quirks: Quirks::of(QUIRKS), place }
    }
}

impl SimBench {
    /// The fake table.
    pub fn store(&self) -> impl StateStore + use<> {
        SimTable(self.shared.clone())
    }

    /// The fake queues.
    pub fn queue(&self) -> impl WorkQueue + use<> {
        SimQueue(self.shared.clone())
    }

    /// The fake buckets, as the garbage collector uses them.
    pub fn asset_buckets(&self) -> impl AssetBuckets + use<> {
        SimAssetBuckets(self.shared.clone())
    }

    /// The fake ingest bucket.
    pub fn packages(&self) -> impl PackageStore + use<> {
        SimPackages(self.shared.clone())
    }

    /// The fake artifact buckets.
    pub fn replicas(&self) -> impl ReplicaStore + use<> {
        SimReplicas(self.shared.clone())
    }

    /// The fake repositories of container images.
    pub fn images(&self) -> impl ImageRegistry + StoredImages + use<> {
        SimImages(self.shared.clone())
    }

    /// The fake repositories of others.
    pub fn external_images(&self) -> impl ExternalImages + use<> {
        SimExternalImages(self.shared.clone())
    }

    /// The fake CloudFormation.
    pub fn stacks(&self) -> impl Stacks + use<> {
        SimStacks(self.shared.clone())
    }

    /// The fake Lambda.
    pub fn functions(&self) -> impl Functions + use<> {
        SimFunctions(self.shared.clone())
    }

    /// The fake API Gateway.
    pub fn mappings(&self) -> impl ApiMappings + use<> {
        SimMappings(self.shared.clone())
    }

    /// The fake Route 53.
    pub fn records(&self) -> impl WeightedRecords + use<> {
        SimRecords(self.shared.clone())
    }

    /// The fake buckets of previews.
    pub fn buckets(&self) -> impl Buckets + use<> {
        SimBuckets(self.shared.clone())
    }

    /// The fake CloudWatch.
    pub fn alarms(&self) -> impl Alarms + use<> {
        SimAlarms(self.shared.clone())
    }

    /// The fake network.
    pub fn probes(&self) -> impl Probes + use<> {
        SimProbes(self.shared.clone())
    }

    /// The fake Guard.
    pub fn policies(&self) -> impl Policies + use<> {
        SimPolicies(self.shared.clone())
    }

    /// The virtual clock.
    pub fn clock(&self) -> impl Clock + use<> {
        struct Now(Shared);
        impl Clock for Now {
            fn now(&self) -> Timestamp {
                self.0.lock().now()
            }
        }
        Now(self.shared.clone())
    }
}

#[async_trait]
impl Bench for SimBench {
    fn quirks(&self) -> &Quirks {
        &self.quirks
    }

    fn space(&self) -> &str {
        "contract"
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn now_ms(&self) -> i64 {
        self.shared.lock().now_ms
    }

    async fn pass(&self, time: Duration) {
        self.shared.lock().now_ms += i64::try_from(time.as_millis()).unwrap_or(0);
    }

    async fn upload(&self, key: &str, bytes: Bytes) -> String {
        let mut state = self.shared.lock();
        // Uploads in the same second could not be distinguished by time.
        state.now_ms += 1_000;
        let version_id = format!("v{:04}", state.uploads.len() + 1);
        let uploaded_at = Timestamp::from_second(state.now_ms / 1_000).expect("a time");
        state
            .uploads
            .insert((key.to_owned(), version_id.clone()), Object { bytes, uploaded_at, is_multipart: false });
        version_id
    }

    async fn remove_upload(&self, key: &str, version_id: &str) {
        self.shared.lock().uploads.remove(&(key.to_owned(), version_id.to_owned()));
    }

    async fn store_unproven(&self, key: &str, bytes: Bytes) {
        self.shared.lock().keep(None, key, Digest::of(&bytes), bytes.len() as u64);
    }

    async fn receive(&self) -> Vec<Work> {
        let mut state = self.shared.lock();
        let now_ms = state.now_ms;
        let visible = state.messages.extract_if(.., |message| message.visible_at_ms <= now_ms);
        visible.map(|message| message.work).collect()
    }

    async fn place_object(&self, key: &str, bytes: Bytes) {
        let mut state = self.shared.lock();
        let (digest, length) = (Digest::of(&bytes), bytes.len() as u64);
        if key.starts_with("templates/") {
            state.templates.insert(digest, bytes);
        }
        state.keep(Some(&self.place.site), key, digest, length);
    }

    async fn push_image(&self, parts: &[Bytes]) -> ImageRepository {
        let uri = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/orders";
        let repository = ImageRepository::parse(uri).expect("a repository");
        for part in parts {
            let key = (repository.clone(), Digest::of(part));
            self.shared.lock().pulled.insert(key, part.clone());
        }
        repository
    }

    async fn place_external(&self, key: &str, bytes: Bytes) -> ExternalObject {
        let (bucket, key) = ("vendor".to_owned(), key.to_owned());
        self.shared.lock().external.insert((bucket.clone(), key.clone(), None), bytes);
        ExternalObject { bucket, key, version: None }
    }

    async fn place_unproven(&self, key: &str, bytes: Bytes) {
        self.place_object(key, bytes).await;
    }

    async fn hide_object(&self, key: &str) {
        self.shared.lock().hide(Some(&self.place.site), key);
    }

    fn function_role(&self) -> String {
        "arn:aws:iam::111122223333:role/function".into()
    }

    async fn fate(&self, fate: Fate) {
        let behaviour = match fate {
            Fate::Works => Behaviour::Works,
            Fate::RollsBack => Behaviour::RollsBack("WaitCondition timed out.".into()),
            Fate::Refuses => Behaviour::Refuses("No transform named NoSuchMacroAnywhere found.".into()),
        };
        self.shared.lock().stacks.behaviours.insert(self.place.site.clone(), behaviour);
    }

    async fn make_function(&self, name: &str, zip: Bytes) {
        let key = (self.place.site.clone(), name.to_owned());
        self.shared.lock().functions.insert(key, Digest::of(&zip));
    }

    async fn serve(&self, status: u16, body: &str) -> String {
        let mut state = self.shared.lock();
        let url = format!("https://{}.example/", state.answers.len());
        let excerpt = body.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect();
        state.answers.insert(url.clone(), HttpObserved::Answered { status, excerpt });
        url
    }

    async fn make_verifier(&self, name: &str, ok: bool, text: &str) {
        let reply = Invoked { ok, reply: format!("\"{text}\"") };
        self.shared.lock().replies.insert((self.place.site.clone(), name.to_owned()), reply);
    }

    async fn make_domain(&self, domain: &str) {
        let key = (self.place.site.clone(), domain.to_owned());
        self.shared.lock().domains.named.entry(key).or_default();
    }

    async fn make_api(&self, name: &str) -> ApiStage {
        ApiStage { api: name.to_owned(), stage: "$default".into() }
    }

    async fn make_records(&self, name: &str, weights: &[(&str, u8)]) -> String {
        let mut state = self.shared.lock();
        let since_ms = state.now_ms;
        let group = state.dns.records.entry(("Z1".to_owned(), name.to_owned())).or_default();
        for (identifier, weight) in weights {
            group.insert((*identifier).to_owned(), Record { weight: *weight, ttl_s: 60, since_ms });
        }
        "Z1".to_owned()
    }

    async fn set_alarm(&self, name: &str, _composite: bool, state: AlarmState) {
        let key = (self.place.site.clone(), name.to_owned());
        self.shared.lock().alarms.insert(key, state);
    }

    async fn make_bucket(&self, _: &str) {}

    async fn put_object(&self, _: &str, _: &str) {}

    async fn delete_object(&self, _: &str, _: &str) {}

    async fn begin_upload(&self, _: &str, _: &str) {}

    async fn left_in(&self, _: &str) -> usize {
        0
    }
}
