//! Packages to upload.

use flotilla_package::write::{SourceFile, write_zip};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

/// A native package with one function of this code. Packing is slow compared to a life, so each package is packed once.
pub fn package(code: &str) -> Vec<u8> {
    static PACKED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = r#"{"flotilla": 1, "template": "template.json"}"#;
    packed.entry(code.to_owned()).or_insert_with(|| pack(manifest, code)).clone()
}

/// A native package with two stacks: `Net`, and `Api`, which needs it.
pub fn layered(code: &str) -> Vec<u8> {
    static PACKED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = r#"{"flotilla": 1, "stacks": [{"name": "Api", "template": "template.json", "after": ["Net"]}, {"name": "Net", "template": "net.json"}]}"#;
    packed.entry(code.to_owned()).or_insert_with(|| pack(manifest, code)).clone()
}

fn pack(manifest: &str, code: &str) -> Vec<u8> {
    let template = serde_json::json!({
        "Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}}},
        "Outputs": {"Url": {"Value": {"Fn::Sub": "https://${App}.${AWS::Region}.example/"}}},
    });
    let net =
        serde_json::json!({"Resources": {"Net": {"Type": "AWS::Test::Net", "Properties": {"Of": code}}}});
    let files = [
        ("flotilla.json", manifest.to_owned()),
        ("template.json", template.to_string()),
        ("net.json", net.to_string()),
        ("app.zip", code.to_owned()),
    ];
    zip_of(&files.each_ref().map(|(name, content)| (*name, content.as_bytes())))
}

/// A zip of these files.
pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let open = |name: &str| {
        let content = files.iter().find(|(file, _)| *file == name).map(|(_, content)| content.to_vec());
        let content = Box::new(Cursor::new(content.unwrap_or_default()));
        Ok(SourceFile { name: name.to_owned(), executable: false, content })
    };
    let zip = write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), open);
    zip.expect("writing to memory").into_inner()
}
