//! The asset manifests of a stack: the files that its templates name, and their buckets and keys.

use super::super::{Draft, Folder, Stop};
use super::invalid;
use crate::json::parse_strict;
use crate::template::asset_tokens;
use crate::{image, zip_file};
use flotilla_domain::release::package::ASSETS_BUCKET_PARAMETER;
use flotilla_domain::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Shorter keys could match other texts. CDK's keys begin with a hash of 64 characters.
const KEY_BYTES_MIN: usize = 32;

/// How many bytes of a key are compared first, to skip texts that cannot contain one.
const BEGIN_BYTES: usize = 8;

/// S3's own minimum.
const BUCKET_BYTES_MIN: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    files: BTreeMap<String, FileAsset>,
    #[serde(default)]
    docker_images: BTreeMap<String, ImageAsset>,
}

#[derive(Deserialize)]
struct FileAsset {
    source: FileSource,
    destinations: BTreeMap<String, FileDestination>,
}

#[derive(Deserialize)]
struct FileSource {
    /// Absent if a command creates the file when it is published.
    path: Option<String>,
    #[serde(default)]
    packaging: Packaging,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Packaging {
    #[default]
    File,
    Zip,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileDestination {
    bucket_name: String,
    object_key: String,
}

#[derive(Deserialize)]
struct ImageAsset {
    #[serde(default)]
    source: ImageSource,
    destinations: BTreeMap<String, ImageDestination>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ImageSource {
    /// The folder of a Dockerfile.
    directory: Option<String>,
    #[serde(default)]
    docker_file: Option<String>,
    #[serde(default)]
    docker_build_target: Option<String>,
    #[serde(default)]
    docker_build_args: BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<String>,
    /// The command that loads an archive and prints the image's name, for a `TarballImageAsset`.
    #[serde(default)]
    executable: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageDestination {
    repository_name: String,
    image_tag: String,
}

/// A file that a template may name.
#[derive(Clone)]
struct Known {
    /// The asset manifest that lists it.
    manifest: String,
    /// The name of the file or folder, or why there is none.
    path: Result<String, String>,
}

/// A container image that a template may name.
#[derive(Clone)]
pub struct KnownImage {
    /// The archive or folder that has it, and its name there if several may be there; `None` if the package does not have it.
    pub layout: Option<(String, Option<String>)>,
    /// How to save it, for a person.
    pub fix: String,
}

/// The assets that the templates of a stack may name.
#[derive(Default)]
pub struct Assets {
    /// The files by their keys.
    files: BTreeMap<String, Known>,
    /// The buckets, as in the asset manifest: with `${AWS::Region}`, or literal.
    buckets: BTreeSet<String>,
    /// The container images by their tags.
    images: BTreeMap<String, KnownImage>,
    /// The first bytes of the keys and tags.
    begin: HashSet<[u8; BEGIN_BYTES]>,
}

/// The maximum average number of destinations of an asset: CDK writes one.
const DESTINATIONS_MAX: usize = 4;

/// Reads the asset manifests of a stack; their paths are relative to `base`.
pub fn read(folder: &Folder<'_>, base: &str, manifests: &[String]) -> Result<Assets, Stop> {
    let mut assets = Assets::default();
    for file in manifests {
        let value = parse_strict(folder.read(file)?).map_err(|e| invalid(file, e.to_string()))?;
        let manifest: Manifest = serde_json::from_value(value).map_err(|e| invalid(file, e.to_string()))?;
        let of_files = manifest.files.values().map(|asset| asset.destinations.len()).sum::<usize>();
        let of_images = manifest.docker_images.values().map(|asset| asset.destinations.len()).sum::<usize>();
        let destinations = of_files + of_images;
        let count =
            (manifest.files.len() + manifest.docker_images.len()).max(destinations / DESTINATIONS_MAX);
        if count > folder.limits.assets_max {
            return Err(zip_file::over("assets_max", folder.limits.assets_max as u64, count as u64)
                .at(file)
                .into());
        }
        for (id, asset) in manifest.files {
            let path = known_path(folder, base, &asset.source);
            for to in asset.destinations.into_values() {
                if to.object_key.len() < KEY_BYTES_MIN || to.bucket_name.len() < BUCKET_BYTES_MIN {
                    return Err(invalid(file, format!("files.{id}: its bucket or key is too short")).into());
                }
                assets.begin.extend(to.object_key.as_bytes().first_chunk::<BEGIN_BYTES>());
                assets.files.insert(to.object_key, Known { manifest: file.clone(), path: path.clone() });
                assets.buckets.insert(to.bucket_name);
            }
        }
        for (id, asset) in manifest.docker_images {
            let known = known_image(folder, base, &id, &asset.source);
            for to in asset.destinations.into_values() {
                if to.image_tag.len() >= KEY_BYTES_MIN && !to.repository_name.is_empty() {
                    assets.begin.extend(to.image_tag.as_bytes().first_chunk::<BEGIN_BYTES>());
                    assets.images.insert(to.image_tag, known.clone());
                }
            }
        }
    }
    Ok(assets)
}

/// Where a container image is: in the archive that its command loads, in one that is named as its folder, or among saved images by the name
/// that CDK gives it (`cdkasset-<hash>`).
fn known_image(folder: &Folder<'_>, base: &str, id: &str, source: &ImageSource) -> KnownImage {
    let words = source.executable.iter().flat_map(|argument| argument.split([' ', '\'', '"', '|', ';']));
    let of_folder = source.directory.iter().map(|directory| format!("{directory}.tar"));
    let archives = words.filter(|word| image::is_archive(word)).map(ToOwned::to_owned).chain(of_folder);
    let alone = archives
        .filter_map(|path| folder.listing.resolve(base, &path).ok())
        .find(|name| !name.ends_with('/'));
    let name = format!("cdkasset-{}", id.to_lowercase());
    let saved = format!("{base}images.tar");
    let among = folder.listing.has(&saved).then(|| (saved.clone(), Some(name.clone())));
    let build = build_command(base, &name, source);
    KnownImage {
        layout: alone.map(|archive| (archive, None)).or(among),
        fix: format!("build and save it, then pack with flotilla: {build} && docker save {name} -o {saved}"),
    }
}

/// The command that builds an image as `cdk deploy` does (`cdk-assets`, `private/docker.ts`), but for secrets, SSH and caches.
fn build_command(base: &str, name: &str, source: &ImageSource) -> String {
    let mut words = vec!["docker build --provenance=false -t".to_owned(), name.to_owned()];
    let directory = source.directory.as_deref().unwrap_or(".");
    let mut option = |flag: &str, value: Option<&String>| {
        words.extend(value.map(|value| format!("{flag} {}", quoted(value))));
    };
    option("--target", source.docker_build_target.as_ref());
    option("--platform", source.platform.as_ref());
    let file = source.docker_file.as_ref().map(|file| format!("{base}{directory}/{file}"));
    option("--file", file.as_ref());
    for (name, value) in &source.docker_build_args {
        option("--build-arg", Some(&format!("{name}={value}")));
    }
    words.push(quoted(&format!("{base}{directory}")));
    words.join(" ").chars().take(1_000).collect()
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/=:@".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The file of an asset. An error is reported only if a template names the asset.
fn known_path(folder: &Folder<'_>, base: &str, source: &FileSource) -> Result<String, String> {
    let Some(path) = &source.path else {
        return Err("a command creates it when it is published".into());
    };
    let name = folder.listing.resolve(base, path).map_err(|refusal| refusal.message)?;
    let is_folder = name.ends_with('/') || name.is_empty();
    let is_zip = name.ends_with(".zip") || name.ends_with(".jar");
    match source.packaging {
        Packaging::Zip if !is_folder && !is_zip => Err(format!("{path} is neither a folder nor a zip")),
        Packaging::File if is_folder => Err(format!("{path} is a folder that is not zipped")),
        _ => Ok(name),
    }
}

impl Assets {
    /// The files that are templates of nested stacks, recognised by the names that CDK gives them.
    pub fn nested_templates(&self) -> impl Iterator<Item = &str> {
        let names = self.files.values().filter_map(|known| known.path.as_deref().ok());
        names.filter(|name| name.ends_with(".nested.template.json"))
    }

    /// Whether a text may contain a key. A fast test: few texts do, and there may be many keys.
    fn may_have_key(&self, text: &str) -> bool {
        let mut windows = text.as_bytes().windows(BEGIN_BYTES);
        text.len() >= KEY_BYTES_MIN
            && windows.any(|window| window.first_chunk().is_some_and(|begin| self.begin.contains(begin)))
    }

    /// The key that a text contains.
    fn key_in(&self, value: &Value) -> Option<&str> {
        match value {
            Value::String(text) => self.files.keys().find(|key| text.contains(*key)).map(String::as_str),
            Value::Array(items) => items.iter().find_map(|item| self.key_in(item)),
            Value::Object(object) => object.values().find_map(|value| self.key_in(value)),
            _ => None,
        }
    }

    /// The template file that a nested stack's URL refers to.
    pub fn template(&self, url: &Value, path: &str) -> Result<String, Refusal> {
        let Some(key) = self.key_in(url) else {
            let what = "the nested stack's template is not in the package";
            let fix = "use a NestedStack of the app, or a CfnStack whose templateUrl is an Asset's httpUrl";
            return Err(Refusal::new(Code::CodeOutsidePackage, what, fix).at(path));
        };
        self.path(key, path)
    }

    fn path(&self, key: &str, path: &str) -> Result<String, Refusal> {
        match self.files.get(key).map(|known| (&known.path, &known.manifest)) {
            Some((Ok(name), _)) => Ok(name.clone()),
            Some((Err(why), manifest)) => {
                let what = format!("the asset {key} of {manifest} is not in the package: {why}");
                let fix = "upload the whole folder that cdk synth writes (cdk.out), with all its files";
                Err(Refusal::new(Code::AssetMissing, what, fix).at(path))
            }
            None => Err(invalid(key, "it is not in the asset manifest".into()).at(path)),
        }
    }

    /// The container image of the assembly that a value names.
    pub fn image_in(&self, value: &Value) -> Option<&KnownImage> {
        match value {
            Value::String(text) if !self.may_have_key(text) => None,
            Value::String(text) => {
                self.images.iter().find(|(tag, _)| text.contains(*tag)).map(|(_, image)| image)
            }
            Value::Array(items) => items.iter().find_map(|item| self.image_in(item)),
            Value::Object(object) => object.values().find_map(|value| self.image_in(value)),
            _ => None,
        }
    }

    /// Replaces CDK's bucket and keys in a value of a template by the artifact bucket and tokens.
    pub fn take(
        &self,
        folder: &Folder<'_>,
        draft: &mut Draft,
        value: &mut Value,
        path: &str,
    ) -> Result<(), Refusal> {
        let reference = || json!({"Ref": ASSETS_BUCKET_PARAMETER});
        match value {
            Value::String(text) => {
                self.keys(folder, draft, text, path)?;
                if self.buckets.contains(text.as_str()) {
                    *value = reference();
                } else if self.literal_buckets().any(|bucket| text.contains(bucket)) {
                    let escaped = text.replace("${", "${!");
                    *value = json!({"Fn::Sub": self.buckets(&escaped)});
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.take(folder, draft, item, &format!("{path}.{index}"))?;
                }
            }
            Value::Object(object) => match object.get_mut("Fn::Sub") {
                Some(Value::String(text)) if self.buckets.contains(text.as_str()) => *value = reference(),
                Some(Value::String(text)) => self.sub(folder, draft, text, path)?,
                Some(Value::Array(parts)) => {
                    let mut parts = parts.iter_mut();
                    if let Some(Value::String(text)) = parts.next() {
                        self.sub(folder, draft, text, path)?;
                    }
                    for part in parts {
                        self.take(folder, draft, part, &format!("{path}.Fn::Sub"))?;
                    }
                }
                _ => {
                    for (key, value) in object.iter_mut() {
                        // These values are names within the template.
                        let names = match key.as_str() {
                            "Ref" | "Fn::GetAtt" => true,
                            "Condition" => value.is_string(),
                            _ => false,
                        };
                        if !names {
                            self.take(folder, draft, value, &format!("{path}.{key}"))?;
                        }
                    }
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn literal_buckets(&self) -> impl Iterator<Item = &str> {
        self.buckets.iter().map(String::as_str).filter(|bucket| !bucket.contains("${"))
    }

    fn sub(
        &self,
        folder: &Folder<'_>,
        draft: &mut Draft,
        text: &mut String,
        path: &str,
    ) -> Result<(), Refusal> {
        self.keys(folder, draft, text, path)?;
        *text = self.buckets(text);
        Ok(())
    }

    /// The text of a substitution with CDK's bucket replaced by the artifact bucket.
    fn buckets(&self, text: &str) -> String {
        let to = format!("${{{ASSETS_BUCKET_PARAMETER}}}");
        self.buckets.iter().rev().fold(text.to_owned(), |text, bucket| text.replace(bucket.as_str(), &to))
    }

    fn keys(
        &self,
        folder: &Folder<'_>,
        draft: &mut Draft,
        text: &mut String,
        path: &str,
    ) -> Result<(), Refusal> {
        if !self.may_have_key(text) {
            return Ok(());
        }
        // Reverse order: a key may be the prefix of another.
        for key in self.files.keys().rev() {
            if text.contains(key.as_str()) {
                let name = self.path(key, path)?;
                // `resolve` returned the name, so it is relative to the top.
                let source = draft.path(folder.listing, "", &name).map_err(|refusal| refusal.at(path))?;
                *text = text.replace(key.as_str(), &asset_tokens::token(source));
            }
        }
        Ok(())
    }
}
