//! The test bench of the contract for an endpoint with AWS's protocols.

use crate::setup;
use async_trait::async_trait;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_sdk_apigatewayv2::types::ProtocolType;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use bytes::Bytes;
use flotilla_aws::messages::{TickMessage, decode, decode_intake, decode_tick};
use flotilla_aws::{Aws, Settings};
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::deployment::ApiStage;
use flotilla_domain::{AlarmState, Digest, Site};
use flotilla_engine::ports::{ExternalObject, Place, Work};
use flotilla_lab::emulator::{ACCOUNT, Emulator, program};
use flotilla_lab::registry::push_image;
use flotilla_lab::world::{HOME, sdk_config};
use flotilla_sim::contract::{Bench, Fate, Quirks};
use flotilla_sim::zip_of;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The region of the target, different from the control plane's.
const AWAY: &str = "eu-west-1";

/// An account on an endpoint.
pub struct AwsBench {
    /// The ports.
    pub aws: Aws,
    settings: Settings,
    home: SdkConfig,
    target: SdkConfig,
    place: Place,
    space: String,
    quirks: Quirks,
    _emulator: Option<Emulator>,
}

/// The endpoint to test, and the emulator if it was started here. The message about a skipped test goes to stderr
/// directly, because libtest captures what is printed.
async fn endpoint() -> Option<(String, Option<Emulator>)> {
    if let Some(endpoint) = std::env::var("FLOTILLA_TEST_ENDPOINT").ok().filter(|e| !e.is_empty()) {
        return Some((endpoint, None));
    }
    let Ok(program) = program() else {
        let line = "SKIPPED: no emulator to hold the contract against; set FLOTILLA_TEST_ENDPOINT or run \
                    scripts/test\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    };
    let emulator = Emulator::start(&program, None).await.expect("the emulator");
    Some((emulator.endpoint(), Some(emulator)))
}

/// The quirks of the endpoint. AWS has none.
async fn quirks(endpoint: &str) -> Quirks {
    let health = flotilla_cli::http::client()
        .build()
        .unwrap()
        .get(format!("{endpoint}/_ministack/health"))
        .send()
        .await;
    match health.is_ok_and(|reply| reply.status().is_success()) {
        true => Quirks::of(setup::MINISTACK),
        false => Quirks::default(),
    }
}

/// The administrator's configuration as a process loads it, with the time source that AssumeRole needs.
async fn process_config(admin: &SdkConfig, endpoint: &str) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .app_name(AppName::new("flotilla-contract").unwrap())
        .http_client(admin.http_client().unwrap())
        .region(admin.region().cloned());
    loader.endpoint_url(endpoint).credentials_provider(admin.credentials_provider().unwrap()).load().await
}

/// A name that is unique to this run.
fn new_space() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    format!("c{:x}x{}", now_ms(), RUNS.fetch_add(1, Ordering::Relaxed))
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

impl AwsBench {
    /// Creates the resources of a run; `None` without an emulator.
    pub async fn start() -> Option<Self> {
        let (endpoint, emulator) = endpoint().await?;
        let [home, target] = [HOME, AWAY].map(|region| sdk_config(&endpoint, region, ACCOUNT, "test"));
        let space = new_space();
        let service_role = setup::service_role(&home, format!("{space}-service")).await;
        let access = setup::access(&home, &space, service_role).await;
        let place = Place { site: Site::parse(&format!("{ACCOUNT}/{AWAY}")).unwrap(), access };
        let settings = setup::settings(&home, &target, &space, &place).await;
        let aws = Aws::new(process_config(&home, &endpoint).await, settings.clone());
        let quirks = quirks(&endpoint).await;
        Some(Self { aws, settings, home, target, place, space, quirks, _emulator: emulator })
    }

    /// Creates the guard function of the settings; `false` if its binary has not been built.
    pub async fn make_guard(&self) -> bool {
        setup::guard(&self.home, &self.settings.guard_function, &self.place.access.service_role_arn).await
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.target)
    }

    fn home_s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.home)
    }

    fn artifacts(&self) -> String {
        artifact_bucket(&self.space, &self.place.site.account, &self.place.site.region)
    }

    /// Receives and deletes all visible messages of a queue.
    async fn drain(&self, url: &str) -> Vec<String> {
        let sqs = aws_sdk_sqs::Client::new(&self.home);
        let mut bodies = Vec::new();
        loop {
            let some = sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await;
            let some = some.expect("messages");
            if some.messages().is_empty() {
                return bodies;
            }
            for message in some.messages() {
                bodies.push(message.body().unwrap().to_owned());
                let handle = message.receipt_handle().unwrap();
                sqs.delete_message().queue_url(url).receipt_handle(handle).send().await.expect("it goes");
            }
        }
    }
}

#[async_trait]
impl Bench for AwsBench {
    fn quirks(&self) -> &Quirks {
        &self.quirks
    }

    fn space(&self) -> &str {
        &self.space
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn upload(&self, key: &str, bytes: Bytes) -> String {
        let put = self.home_s3().put_object().bucket(&self.settings.ingest_bucket).key(key);
        put.body(bytes.into()).send().await.expect("an upload").version_id().unwrap().to_owned()
    }

    async fn remove_upload(&self, key: &str, version_id: &str) {
        let delete = self.home_s3().delete_object().bucket(&self.settings.ingest_bucket);
        delete.key(key).version_id(version_id).send().await.expect("it goes");
    }

    async fn store_unproven(&self, key: &str, bytes: Bytes) {
        // By default, the SDK sends a CRC32 and no SHA-256.
        let put = self.home_s3().put_object().bucket(&self.settings.ingest_bucket).key(key);
        put.body(bytes.into()).send().await.expect("an object");
    }

    async fn receive(&self) -> Vec<Work> {
        let ticks = self.drain(&self.settings.tick_queue_url).await;
        let ticks = ticks.iter().map(|body| match decode_tick(body).unwrap() {
            TickMessage::Tick(subject) => Work::Tick(subject),
            other => panic!("{other:?} is not a tick"),
        });
        let copies = self.drain(&self.settings.replicate_queue_url).await;
        let copies = copies.iter().map(|body| decode(body).unwrap());
        let uploads = self.drain(&self.settings.intake_queue_url).await;
        let uploads = uploads.iter().flat_map(|body| decode_intake(body).unwrap());
        let uploads = uploads.map(|intake| Work::Intake {
            key: intake.object.key,
            version_id: intake.object.version_id,
            uploaded_at: intake.happened_at.unwrap_or(flotilla_domain::Timestamp::UNIX_EPOCH),
        });
        ticks.chain(copies).chain(uploads).collect()
    }

    async fn place_object(&self, key: &str, bytes: Bytes) {
        let put = self.s3().put_object().bucket(self.artifacts()).key(key);
        let put = put.checksum_sha256(Digest::of(&bytes).to_base64());
        put.body(bytes.into()).send().await.expect("an object");
    }

    async fn place_external(&self, key: &str, bytes: Bytes) -> ExternalObject {
        // The artifact bucket is one that ingest does not know.
        self.place_object(key, bytes).await;
        ExternalObject { bucket: self.artifacts(), key: key.to_owned(), version: None }
    }

    async fn push_image(&self, parts: &[Bytes]) -> ImageRepository {
        push_image(&self.target, &self.space, parts).await.expect("an image")
    }

    async fn place_unproven(&self, key: &str, bytes: Bytes) {
        let put = self.s3().put_object().bucket(self.artifacts()).key(key);
        put.body(bytes.into()).send().await.expect("an object");
    }

    async fn hide_object(&self, key: &str) {
        self.s3().delete_object().bucket(self.artifacts()).key(key).send().await.expect("a mark");
    }

    fn function_role(&self) -> String {
        self.place.access.service_role_arn.clone()
    }

    async fn fate(&self, _: Fate) {
        // The template already contains it.
    }

    async fn make_function(&self, name: &str, zip: Bytes) {
        let lambda = aws_sdk_lambda::Client::new(&self.target);
        let zip = Blob::new(zip);
        let known = lambda.get_function_configuration().function_name(name).send().await.is_ok();
        if known {
            let update = lambda.update_function_code().function_name(name).zip_file(zip);
            update.send().await.expect("other code");
            return;
        }
        let create = lambda.create_function().function_name(name).runtime(Runtime::Python312);
        let create = create.handler("app.handler").role(self.function_role());
        let code = FunctionCode::builder().zip_file(zip).build();
        create.code(code).send().await.expect("a function");
    }

    async fn serve(&self, status: u16, body: &str) -> String {
        setup::serve(status, body)
    }

    async fn make_verifier(&self, name: &str, ok: bool, text: &str) {
        let verb = if ok { "return" } else { "raise Exception" };
        let code = format!("def handler(event, context):\n    {verb}(\"{text}\")\n");
        self.make_function(name, zip_of(&[("app.py", code.as_bytes())]).into()).await;
        let client = aws_sdk_lambda::Client::new(&self.target);
        // AWS refuses to invoke a function that is still being created.
        let made = async || {
            let seen = client.get_function_configuration().function_name(name).send().await;
            seen.expect("the function").state() != Some(&aws_sdk_lambda::types::State::Pending)
        };
        while !made().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn make_domain(&self, domain: &str) {
        let certificate =
            format!("arn:aws:acm:{AWAY}:{ACCOUNT}:certificate/11111111-2222-3333-4444-555555555555");
        flotilla_lab::domain::create(&self.target, domain, &certificate).await.expect("a domain");
    }

    async fn make_api(&self, name: &str) -> ApiStage {
        let client = aws_sdk_apigatewayv2::Client::new(&self.target);
        let create = client.create_api().name(name).protocol_type(ProtocolType::Http);
        let api = create.send().await.expect("an API").api_id().unwrap_or_default().to_owned();
        client.create_stage().api_id(&api).stage_name("$default").send().await.expect("a stage");
        ApiStage { api, stage: "$default".into() }
    }

    async fn make_records(&self, name: &str, weights: &[(&str, u8)]) -> String {
        flotilla_lab::zone::create(&self.target, name, 60, weights).await.expect("a zone")
    }

    async fn set_alarm(&self, name: &str, composite: bool, state: AlarmState) {
        setup::alarm(&self.target, name, composite, state).await;
    }

    async fn make_bucket(&self, bucket: &str) {
        setup::bucket(&self.target, bucket).await;
    }

    async fn put_object(&self, bucket: &str, key: &str) {
        let put = self.s3().put_object().bucket(bucket).key(key).body(Bytes::from_static(b"x").into());
        put.send().await.expect("an object");
    }

    async fn delete_object(&self, bucket: &str, key: &str) {
        self.s3().delete_object().bucket(bucket).key(key).send().await.expect("a marker");
    }

    async fn begin_upload(&self, bucket: &str, key: &str) {
        self.s3().create_multipart_upload().bucket(bucket).key(key).send().await.expect("an upload");
    }

    async fn left_in(&self, bucket: &str) -> usize {
        let objects = self.s3().list_object_versions().bucket(bucket).send().await.expect("a list");
        let uploads = self.s3().list_multipart_uploads().bucket(bucket).send().await.expect("a list");
        objects.versions().len() + objects.delete_markers().len() + uploads.uploads().len()
    }
}
