//! How an upload's bytes are taken in: what is read, held, copied out by S3, and stored.

use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::release::Verdict;
use flotilla_engine::ports::{ErrorKind, ObjectRef};
use flotilla_engine::release::Ingest;
use flotilla_engine::status::PageRequest;
use flotilla_package::Limits;
use flotilla_package::folder_zip::FolderZip;
use flotilla_sim::World;
use flotilla_sim::load::{LoadBucket, Upload};
use futures::executor::block_on;
use serde_json::json;
use std::io::{Cursor, Write};
use std::sync::Arc;
use zip::CompressionMethod::{self, Deflated, Stored};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const KEY: &str = "incoming/orders/branch/main/{n}.zip";
pub(crate) const MIB: usize = 1024 * 1024;
/// What an upload's first read brings.
const TAIL_BYTES: usize = 4 * MIB;

/// Bytes that cannot be packed smaller, others for each seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

type File = (String, Vec<u8>, CompressionMethod);

fn file(name: &str, content: Vec<u8>, method: CompressionMethod) -> File {
    (name.to_owned(), content, method)
}

/// A zip of these files in this order.
fn zip_of(files: &[File]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, method) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default().compression_method(*method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The manifest and the template of a function with this code.
fn manifest(code: &str) -> [File; 2] {
    let template =
        json!({"Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}}});
    [
        file("flotilla.json", br#"{"flotilla": 1, "template": "template.json"}"#.to_vec(), Deflated),
        file("template.json", template.to_string().into_bytes(), Deflated),
    ]
}

/// A file that nobody needs and that fills the upload's tail.
fn filler() -> File {
    file("zz/filler.bin", noise(99, TAIL_BYTES), Stored)
}

/// An upload in which these files lie before the tail, and a function has this code.
fn before_the_tail(files: Vec<File>, code: &str) -> Vec<u8> {
    zip_of(&[files, vec![filler()], manifest(code).into()].concat())
}

/// What taking an upload in took.
struct Taken {
    /// What the function runs.
    code: String,
    /// Bytes of all assets, as the release says.
    asset_bytes: u64,
    /// Reads of the upload, ranges that S3 copied out of it, and objects that were stored.
    calls: [u64; 3],
}

fn calls(world: &World) -> [u64; 3] {
    ["s3:GetObject", "s3:UploadPartCopy", "s3:PutObject"].map(|operation| world.calls(operation))
}

#[track_caller]
fn take(world: &mut World, bytes: Vec<u8>) -> Taken {
    let before = calls(world);
    let version = world.upload_bytes(KEY, bytes, true);
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    let after = calls(world);
    let page = PageRequest { cursor: None, limit: 1 };
    let service = flotilla_domain::ServiceName::parse("orders").unwrap();
    let release = block_on(world.api().1.releases(&service, page)).unwrap().items.remove(0);
    Taken {
        code: end.deployments[0].code_sha256["App"].clone(),
        asset_bytes: release.asset_bytes,
        // One read finds that there is no signature beside the upload.
        calls: [after[0] - before[0] - 1, after[1] - before[1], after[2] - before[2]],
    }
}

fn world() -> World {
    World::new(1, &[&["eu-west-1"]])
}

/// The zip that a folder becomes.
fn folder_zip(folder: &str, files: &[File]) -> Vec<u8> {
    let mut sorted: Vec<&File> = files.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut zip = FolderZip::default();
    for (name, content, _) in sorted {
        zip.begin(name.strip_prefix(folder).unwrap(), false).unwrap();
        zip.push(content).unwrap();
    }
    let mut bytes = zip.fetch();
    bytes.append(&mut zip.finish().unwrap());
    bytes
}

/// Small files and large ones, so many bytes in the last one.
fn folder(method: CompressionMethod, last: usize) -> Vec<File> {
    vec![
        file("src/a.js", b"exports.a = 1".to_vec(), method),
        file("src/b/large.bin", noise(1, 700_000), method),
        file("src/c.js", vec![b' '; 1_000], method),
        file("src/d.bin", noise(2, 300_000), method),
        file("src/e.bin", noise(3, 300_000), method),
        file("src/empty", Vec::new(), method),
        file("src/f.bin", noise(4, last), method),
    ]
}

#[test]
fn a_folder_becomes_the_same_zip_wherever_its_files_lie_in_the_upload() {
    // The larger one is not held in memory, and read twice.
    for last in [10, 900_000] {
        let expected = folder_zip("src/", &folder(Stored, last));
        let (stored, deflated) = (folder(Stored, last), folder(Deflated, last));
        let backwards = |files: &[File]| files.iter().rev().cloned().collect::<Vec<File>>();
        let uploads = [
            before_the_tail(stored.clone(), "src"),
            before_the_tail(backwards(&deflated), "src"),
            zip_of(&[vec![filler()], deflated, manifest("src").into()].concat()),
            zip_of(&[manifest("src").into(), backwards(&stored)].concat()),
        ];
        for (n, upload) in uploads.into_iter().enumerate() {
            let taken = take(&mut world(), upload);
            assert_eq!(taken.code, Digest::of(&expected).to_string(), "upload {n}");
            assert_eq!(taken.asset_bytes, expected.len() as u64);
        }
    }
}

#[test]
fn files_that_lie_together_are_read_at_once_and_a_small_folder_only_once() {
    let files = |count: usize| -> Vec<File> {
        (0..count).map(|n| file(&format!("src/{n:03}"), noise(n as u64, 20_000), Stored)).collect()
    };
    // 26 of these files are half a megabyte.
    let small = take(&mut world(), before_the_tail(files(100), "src"));
    assert_eq!(small.calls, [1 + 4, 0, 2], "the tail and four runs");
    let large = take(&mut world(), before_the_tail(files(110), "src"));
    assert_eq!(large.calls, [1 + 2 * 5, 0, 2], "five runs to be hashed, and again to be stored");
    let mut backwards = files(100);
    backwards.reverse();
    let backwards = take(&mut world(), before_the_tail(backwards, "src"));
    assert_eq!((backwards.calls[0], &backwards.code), (1 + 100, &small.code), "none follows the one before");
}

#[test]
fn a_file_is_held_read_twice_or_copied_by_s3_as_its_size_says() {
    let app = |length: usize, method| vec![file("app.zip", noise(7, length), method)];
    let cases = [
        (2 * MIB, Stored, [1 + 1, 0, 2]),
        (2 * MIB + 1, Stored, [1 + 2, 0, 2]),
        (5 * MIB - 1, Stored, [1 + 2, 0, 2]),
        // Only its header is read here, and the end of the zip.
        (5 * MIB, Stored, [1 + 2, 1, 1]),
        (5 * MIB, Deflated, [1 + 2, 0, 2]),
    ];
    for (length, method, expected) in cases {
        let taken = take(&mut world(), before_the_tail(app(length, method), "app.zip"));
        assert_eq!(taken.calls, expected, "{length} bytes, {method:?}");
        assert_eq!(taken.code, Digest::of(&noise(7, length)).to_string());
        assert_eq!(taken.asset_bytes, length as u64);
    }
}

#[test]
fn a_file_of_which_s3_proves_no_copy_is_read_and_put() {
    let mut world = world();
    world.home_copies_seem_unproven();
    let app = vec![file("app.zip", noise(7, 5 * MIB), Stored)];
    let taken = take(&mut world, before_the_tail(app, "app.zip"));
    assert_eq!(taken.calls, [1 + 1 + 2, 1, 2], "its header, then its bytes to be hashed and to be stored");
    assert_eq!(taken.code, Digest::of(&noise(7, 5 * MIB)).to_string());
}

#[test]
fn a_package_of_four_megabytes_comes_whole() {
    let of = |length: usize| {
        let app = file("app.zip", noise(7, length), Stored);
        zip_of(&[vec![app], manifest("app.zip").into()].concat())
    };
    let around = of(0).len();
    let whole = of(TAIL_BYTES - around);
    assert_eq!(whole.len(), TAIL_BYTES);
    assert_eq!(take(&mut world(), whole).calls, [1, 0, 2]);
    assert_eq!(
        take(&mut world(), of(TAIL_BYTES - around + 1)).calls[0],
        3,
        "its code begins before the tail"
    );
}

#[test]
fn what_is_stored_already_is_not_stored_again() {
    for (length, first, again) in
        [(1_000, [2, 0, 2], [2, 0, 0]), (3 * MIB, [3, 0, 2], [2, 0, 0]), (6 * MIB, [3, 1, 1], [3, 1, 0])]
    {
        let mut world = world();
        let upload = before_the_tail(vec![file("app.zip", noise(7, length), Stored)], "app.zip");
        assert_eq!(take(&mut world, upload.clone()).calls, first, "{length} bytes");
        let copies = world.calls("s3:CopyObject");
        assert_eq!(take(&mut world, upload).calls, again, "{length} bytes again");
        assert_eq!(world.calls("s3:CopyObject"), copies, "nor copied");
    }
    let mut world = world();
    let upload = before_the_tail(folder(Stored, 900_000), "src");
    let reads = take(&mut world, upload.clone()).calls[0];
    let again = take(&mut world, upload).calls;
    assert_eq!((again[0] - 1, again[2]), ((reads - 1) / 2, 0), "a folder is only hashed");
}

#[test]
fn content_that_a_package_names_and_the_service_has_brought_is_not_even_read() {
    let content = noise(7, 3 * MIB);
    let key = format!("assets/{}.zip", Digest::of(&content));
    let code = json!({"S3Bucket": {"Ref": "FlotillaAssetsBucket"}, "S3Key": key});
    let template =
        json!({"Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}}});
    let manifest =
        r#"{"flotilla":1,"template":"t.json","packed":{"format":"native","rewrites":[],"warnings":[]}}"#;
    let upload = zip_of(&[
        file(&key, content, Stored),
        filler(),
        file("flotilla.json", manifest.as_bytes().to_vec(), Deflated),
        file("t.json", template.to_string().into_bytes(), Deflated),
    ]);
    let mut world = world();
    assert_eq!(take(&mut world, upload.clone()).calls, [3, 0, 2]);
    assert_eq!(take(&mut world, upload).calls, [1, 0, 0]);
}

#[test]
fn a_directory_that_begins_before_the_tail_is_read_from_its_beginning() {
    let long = "n".repeat(900);
    let many = (0..5_000).map(|n| file(&format!("more/{n}{long}"), Vec::new(), Stored)).collect();
    let files = [vec![file("app.zip", b"code".to_vec(), Stored)], manifest("app.zip").into(), many].concat();
    let taken = take(&mut world(), zip_of(&files));
    assert_eq!(taken.code, Digest::of(b"code").to_string());
    assert_eq!(taken.calls, [1 + 1 + 3, 0, 2], "the tail, the directory, and three files");
}

#[test]
fn an_upload_may_have_as_many_bytes_as_the_limit_says() {
    let upload = flotilla_sim::package("one");
    let verdict = |upload_bytes_max: usize| {
        let bucket = LoadBucket::new(Upload::Memory(Bytes::from(upload.clone()))).unwrap();
        let limits = Limits { upload_bytes_max: upload_bytes_max as u64, ..Limits::DEFAULT };
        let ingest = Ingest { packages: Arc::new(bucket), limits, ..world().ingest() };
        let now = ingest.clock.now();
        let object = ObjectRef { key: "incoming/orders/branch/main/1.zip".into(), version_id: "v1".into() };
        block_on(ingest.intake(&object, now)).unwrap().expect("it is no bundle")
    };
    for max in [upload.len(), upload.len() + 1] {
        assert!(matches!(verdict(max), Verdict::Accepted { .. }));
    }
    match verdict(upload.len() - 1) {
        Verdict::Refused(refusal) => assert_eq!(refusal.code.to_string(), "FL0105"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invocation_decides_what_takes_no_time_and_one_package_and_leaves_the_others_to_another() {
    let mut world = world();
    let bundle = world.upload_bytes("incoming/orders/branch/main/x.zip.sigstore.json", b"{}".to_vec(), false);
    let wrong = world.upload_bytes("incoming/orders/1.zip", b"x".to_vec(), false);
    let packages = ["one", "two", "three"].map(|code| world.upload("branch/main", code));
    world.drop_messages();
    let ingest = world.ingest();
    let object = |key: &str, version: &str| {
        let object = ObjectRef { key: key.to_owned(), version_id: version.to_owned() };
        (object, ingest.clock.now())
    };
    let all = [
        object("incoming/orders/branch/main/x.zip.sigstore.json", &bundle),
        object("incoming/orders/1.zip", &wrong),
        object("incoming/orders/branch/main/3.zip", &packages[0]),
        object("incoming/orders/branch/main/4.zip", &packages[1]),
        object("incoming/orders/branch/main/5.zip", &packages[2]),
    ];
    let results = block_on(ingest.intake_all(&all));
    assert!(results.len() == 5 && results.iter().all(Result::is_ok), "{results:?}");
    let decided = |world: &World, version: &str| world.verdict(version).map(|verdict| verdict.status);
    assert_eq!(decided(&world, &wrong).as_deref(), Some("refused"));
    assert_eq!(decided(&world, &packages[0]).as_deref(), Some("accepted"));
    assert_eq!([&packages[1], &packages[2]].map(|version| decided(&world, version)), [None, None]);
    world.until("the others are taken", |w| packages.iter().all(|version| w.verdict(version).is_some()));

    // If the queue cannot be reached, they are ingested here.
    let versions = ["four", "five"].map(|code| world.upload("branch/main", code));
    world.drop_messages();
    world.refuses("sqs:SendMessageBatch", ErrorKind::Transient, "503");
    let keys = ["incoming/orders/branch/main/6.zip", "incoming/orders/branch/main/7.zip"];
    let all = [object(keys[0], &versions[0]), object(keys[1], &versions[1])];
    let results = block_on(ingest.intake_all(&all));
    assert_eq!(results.len(), 2);
    world.allows("sqs:SendMessageBatch");
    for (version, result) in versions.iter().zip(results) {
        assert!(result.is_err() || world.verdict(version).is_some(), "{result:?}");
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_a_refusal() {
    for operation in ["s3:GetObject", "s3:PutObject"] {
        let mut world = world();
        world.refuses(operation, ErrorKind::Transient, "503 Slow Down");
        let version = world.upload("branch/main", "one");
        world.until("three attempts", |w| w.calls(operation) >= 3);
        assert_eq!(world.verdict(&version), None);
        world.allows(operation);
        assert_eq!(world.end_of(&version).status, "succeeded");
    }
    let mut world = world();
    world.refuses("s3:PutObject", ErrorKind::Permanent, "KMS.DisabledException");
    let version = world.upload("branch/main", "one");
    world.until("a verdict", |w| w.verdict(&version).is_some());
    let refusal = world.verdict(&version).unwrap().refusal.unwrap();
    assert_eq!(refusal.code, "FL0518");
    assert!(refusal.message.contains("KMS.DisabledException"), "{}", refusal.message);
}

#[test]
fn what_s3_does_not_copy_by_parts_is_read() {
    let content = noise(7, 5 * MIB);
    let files = vec![file("a.txt", noise(8, 100), Stored), file("app.zip", content.clone(), Stored)];
    let upload = before_the_tail(files, "app.zip");
    assert_eq!(take(&mut world(), upload.clone()).calls, [1 + 2, 1, 1]);
    let mut refused = world();
    refused.refuses("s3:UploadPartCopy", ErrorKind::Permanent, "NotImplemented");
    let taken = take(&mut refused, upload.clone());
    assert_eq!((taken.code, taken.calls), (Digest::of(&content).to_string(), [1 + 1 + 2, 1, 2]));

    let mut busy = world();
    busy.refuses("s3:UploadPartCopy", ErrorKind::Transient, "503 Slow Down");
    let version = busy.upload_bytes(KEY, upload, true);
    busy.until("two attempts", |w| w.calls("s3:UploadPartCopy") >= 2);
    assert_eq!(busy.verdict(&version), None);
    busy.allows("s3:UploadPartCopy");
    busy.end_of(&version);
    assert_eq!(busy.calls("s3:PutObject"), 1, "the template; the code was copied in the end");
}
