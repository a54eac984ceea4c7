//! A neutral template that still names files of the package; once they are hashed, it names digests.

use crate::json::canonical;
use crate::template::{self, CodeUse};
use flotilla_domain::package::{FunctionCode, Package, PackageFormat, Warning, asset_key};
use flotilla_domain::{Code, Digest, Refusal, StageName};
use serde_json::Value;
use std::collections::BTreeMap;

/// A package before its assets are hashed.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(super) format: PackageFormat,
    pub(super) template: Value,
    pub(super) uses: Vec<CodeUse>,
    /// Strings that mean a file's key, such as an output that repeats it: the string to the file.
    pub(super) key_literals: BTreeMap<String, String>,
    pub(super) made_for: Option<StageName>,
    pub(super) warnings: Vec<Warning>,
    /// The name of each used file in the zip.
    pub(super) entries: BTreeMap<String, String>,
}

/// A finished package and the bytes of its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The package.
    pub package: Package,
    /// The canonical template, whose digest the package names.
    pub template: Vec<u8>,
}

impl Draft {
    /// The zip entries whose digests and sizes [`Draft::finish`] needs.
    pub fn assets(&self) -> impl Iterator<Item = &str> {
        self.entries.values().map(String::as_str)
    }

    /// Finishes the package. `proofs` gives digest and size of each entry of [`Draft::assets`].
    ///
    /// # Errors
    /// [`Code::AssetMissing`] for a missing proof; [`Code::ManifestInvalid`] when the template expects
    /// other bytes than the package holds.
    pub fn finish(mut self, proofs: &BTreeMap<String, (Digest, u64)>) -> Result<Finished, Refusal> {
        let mut digests = BTreeMap::new();
        let mut assets = BTreeMap::new();
        for (file, entry) in &self.entries {
            let (digest, bytes) = proofs.get(entry).ok_or_else(|| {
                Refusal::new(Code::AssetMissing, format!("{file} was not read"), "upload the package again")
                    .at(file)
            })?;
            digests.insert(file.clone(), *digest);
            assets.insert(*digest, *bytes);
        }
        template::point_to_assets(&mut self.template, &self.uses, &digests);
        self.check_versions(&digests)?;
        let literals: BTreeMap<&str, String> = self
            .key_literals
            .iter()
            .filter_map(|(text, file)| Some((text.as_str(), asset_key(digests.get(file)?))))
            .collect();
        replace_strings(&mut self.template, &literals);
        template::declare_assets_bucket(&mut self.template);
        let mut needs = template::needs(&self.template);
        needs.parameters.remove(flotilla_domain::package::ASSETS_BUCKET_PARAMETER);
        let functions = self.uses.iter().filter(|code_use| code_use.is_function());
        let mut functions: Vec<FunctionCode> = functions
            .map(|code_use| FunctionCode {
                logical_id: code_use.logical_id.clone(),
                asset: digests[&code_use.file],
            })
            .collect();
        functions.sort();
        let template = canonical(&self.template);
        let template_digest = Digest::of(&template);
        let package = Package {
            digest: Package::digest_of(&template_digest, assets.keys().copied()),
            format: self.format,
            template: template_digest,
            assets,
            functions,
            capabilities: needs.capabilities,
            parameters: needs.parameters,
            made_for: self.made_for,
            warnings: self.warnings,
        };
        Ok(Finished { package, template })
    }

    /// A Lambda version that expects other code than its function gets would fail in every region
    /// (`AWS::Lambda::Version`, `CodeSha256`): say so before anything is deployed.
    fn check_versions(&self, digests: &BTreeMap<String, Digest>) -> Result<(), Refusal> {
        let resources = self.template.get("Resources").and_then(Value::as_object);
        for (id, resource) in resources.into_iter().flatten() {
            let properties = &resource["Properties"];
            let (Some(expected), Some(function)) = (
                properties["CodeSha256"].as_str(),
                properties.pointer("/FunctionName/Ref").and_then(Value::as_str),
            ) else {
                continue;
            };
            let Some(code_use) = self.uses.iter().find(|code_use| code_use.logical_id == function) else {
                continue;
            };
            if digests[&code_use.file].to_base64() != expected {
                let what = format!("{id} expects other bytes than {} has", code_use.file);
                let fix = "package again and upload the folder as it was written; never zip its zips anew";
                return Err(Refusal::new(Code::ManifestInvalid, what, fix)
                    .at(format!("Resources.{id}.Properties.CodeSha256")));
            }
        }
        Ok(())
    }
}

/// Replaces strings that are a whole value.
fn replace_strings(value: &mut Value, literals: &BTreeMap<&str, String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = literals.get(text.as_str()) {
                *text = new.clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_strings(item, literals)),
        Value::Object(object) => object.values_mut().for_each(|value| replace_strings(value, literals)),
        _ => {}
    }
}
