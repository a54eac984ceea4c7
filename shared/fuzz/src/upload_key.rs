//! The key of an upload, which alone says what the upload is for.

use crate::check;
use flotilla_domain::release::upload_key::{INCOMING, IncomingKey, KEY_BYTES_MAX, UploadKey};
use flotilla_domain::{GitRef, ServiceName, StageName};

/// Reads the input as a key, as it is and behind the prefix that every upload has.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read(text);
    read(&format!("{INCOMING}{text}"));
}

fn read(key: &str) {
    if let Ok(IncomingKey::Closed(closed)) = IncomingKey::parse(key) {
        assert_eq!(IncomingKey::parse(&closed.to_key()), Ok(IncomingKey::Closed(closed)));
    }
    let parsed = match UploadKey::parse(key) {
        Ok(parsed) => parsed,
        Err(refusal) => return check(&refusal),
    };
    // CI's name of a pull request's merge is another one of the same ref.
    assert_eq!(UploadKey::parse(&parsed.to_key()).as_ref(), Ok(&parsed), "what was read is what was written");
    assert!(key.len() <= KEY_BYTES_MAX && !key.contains("/../"));
    assert_eq!(ServiceName::parse(parsed.service.as_str()).as_ref(), Ok(&parsed.service));
    assert_eq!(GitRef::parse(&parsed.git_ref.to_string()).as_ref(), Some(&parsed.git_ref));
    let stage = format!("b-{}", parsed.git_ref.slug());
    assert!(StageName::parse(&stage).is_ok(), "{stage} is no stage");
}
