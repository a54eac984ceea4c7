//! One folder has one digest, whichever tool zips it.

use crate::support::{package, zip_of};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How a tool writes a zip.
#[derive(Debug, Clone)]
struct Tool {
    packed: bool,
    folders: bool,
    mode: u32,
    before: &'static str,
    backwards: bool,
}

fn tool() -> impl Strategy<Value = Tool> {
    let prefixes = prop::sample::select(vec!["", "./", "orders/"]);
    let modes = prop::sample::select(vec![0o644, 0o664, 0o600]);
    (any::<bool>(), any::<bool>(), modes, prefixes, any::<bool>()).prop_map(
        |(packed, folders, mode, before, backwards)| Tool { packed, folders, mode, before, backwards },
    )
}

fn zipped(files: &BTreeMap<String, Vec<u8>>, tool: &Tool) -> Vec<u8> {
    let method = if tool.packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let options = SimpleFileOptions::default().compression_method(method).unix_permissions(tool.mode);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    if tool.folders {
        zip.add_directory(format!("{}src", tool.before), options).unwrap();
    }
    let mut files: Vec<_> = files.iter().collect();
    if tool.backwards {
        files.reverse();
    }
    for (name, content) in files {
        zip.start_file(format!("{}{name}", tool.before), options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn two_tools_zips_of_one_folder_have_one_digest(
        code in prop::collection::btree_map("[a-z]{1,8}(\\.js|/[a-z]{1,4})?", prop::collection::vec(any::<u8>(), 0..200), 1..6),
        tools in (tool(), tool()),
    ) {
        let is_file_and_folder = |name: &String| code.keys().any(|other| other.starts_with(&format!("{name}/")));
        prop_assume!(!code.keys().any(is_file_and_folder));
        let mut files: BTreeMap<String, Vec<u8>> = code.into_iter().map(|(name, bytes)| (format!("src/{name}"), bytes)).collect();
        let template = b"Resources: {App: {Type: AWS::Lambda::Function, Properties: {Code: src}}}".to_vec();
        files.insert("template.yaml".into(), template);
        let [one, other] = [&tools.0, &tools.1].map(|tool| package(&zipped(&files, tool)).unwrap().package.digest);
        prop_assert_eq!(one, other);
    }
}

#[test]
fn the_folder_of_git_is_no_part_of_a_package() {
    let template =
        br#"{"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "src"}}}}"#;
    let files: [(&str, &[u8]); 2] = [("template.json", template), ("src/a.js", b"1")];
    let git: [(&str, &[u8]); 2] = [("src/.git/config", b"[core]"), (".git/HEAD", b"ref")];
    let plain = package(&zip_of(&files)).unwrap().package;
    assert_eq!(package(&zip_of(&[files, git].concat())).unwrap().package.digest, plain.digest);
}
