//! The sample of AWS CDK's cloud assembly, as it is and with a change.

use crate::support::{fixture, package, zip_of, zip_of_folder};
use flotilla_domain::{Code, Refusal};
use flotilla_package::formats::Finished;
use serde_json::Value;
use std::collections::BTreeMap;

pub fn assembly() -> Finished {
    package(&zip_of_folder(&fixture("cdk/package"))).expect("a package")
}

/// The template of the stack of this name.
pub fn template(finished: &Finished, part: &str) -> Value {
    let stacks = &finished.package.stacks;
    let stack = stacks
        .iter()
        .find(|stack| stack.part.as_ref().is_some_and(|p| p.as_str() == part))
        .expect("the stack");
    serde_json::from_slice(&finished.templates[&stack.template]).expect("JSON")
}

/// The first resource whose logical id begins so.
pub fn resource(template: &Value, id: &str) -> Value {
    let resources = template["Resources"].as_object().expect("resources");
    resources.iter().find(|(known, _)| known.starts_with(id)).expect("the resource").1.clone()
}

/// The small files of the sample, to be spoiled.
pub fn files() -> BTreeMap<String, Value> {
    let names =
        ["manifest.json", "Api.assets.json", "Api.template.json", "Data.assets.json", "Data.template.json"];
    let nested = "ApiJobsD4F709BB.nested.template.json";
    let read = |name: &str| {
        let bytes = std::fs::read(fixture("cdk/package").join(name)).expect("the sample");
        (name.to_owned(), serde_json::from_slice(&bytes).expect("JSON"))
    };
    names.into_iter().chain([nested]).map(read).collect()
}

pub fn zip(files: &BTreeMap<String, Value>) -> Vec<u8> {
    zip_below(files, "")
}

/// The same with the folders of the assets.
pub fn zip_below(files: &BTreeMap<String, Value>, base: &str) -> Vec<u8> {
    let mut all: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|(name, content)| (format!("{base}{name}"), content.to_string().into_bytes()))
        .collect();
    all.push((format!("{base}cdk.out"), br#"{"version":"55.0.0"}"#.to_vec()));
    let folders =
        std::fs::read_dir(fixture("cdk/package")).expect("the sample").map(|entry| entry.expect("an entry"));
    for folder in folders.filter(|entry| entry.path().is_dir()) {
        let name = folder.file_name().into_string().expect("UTF-8");
        all.push((
            format!("{base}{name}/index.js"),
            std::fs::read(folder.path().join("index.js")).expect("the sample"),
        ));
    }
    zip_of(&all.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

/// The sample with a change.
pub fn changed(change: impl FnOnce(&mut BTreeMap<String, Value>)) -> Result<Finished, Refusal> {
    let mut files = files();
    change(&mut files);
    package(&zip(&files))
}

#[track_caller]
pub fn refused(code: Code, change: impl FnOnce(&mut BTreeMap<String, Value>)) -> Refusal {
    let refusal = changed(change).expect_err("a refusal");
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(!refusal.fix.is_empty());
    assert!(refusal.path.is_some(), "{refusal}");
    refusal
}

/// The manifest's artifact of this name.
pub fn artifact<'f>(files: &'f mut BTreeMap<String, Value>, id: &str) -> &'f mut Value {
    &mut files.get_mut("manifest.json").expect("it is there")["artifacts"][id]
}
