//! Where the zips of functions and layers are: beside the state file, or, for those that another tool built, where `package.artifact` says.

use crate::listing::Listing;
use flotilla_domain::{Code, Refusal};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The folder that the framework writes its own zips to.
const OWN: &str = ".serverless";

/// The paths of zips, from the state file.
pub(super) struct Artifacts {
    /// Those of functions and layers, by logical id.
    by_id: BTreeMap<String, String>,
    /// That of all other functions.
    whole: Option<String>,
    /// The project's folder on the machine that packaged, with a slash, if a zip of the framework's own tells.
    project: Option<String>,
}

impl Artifacts {
    /// Reads them from the functions and layers of the state file. `whole` are the places that may name the service's own, the first of which
    /// counts: a state has the path that the user wrote in a copy of `serverless.yml` only.
    pub(super) fn of(functions: &Value, layers: &Value, whole: [Option<&Value>; 3]) -> Self {
        let mut by_id = BTreeMap::new();
        for (parts, end) in [(functions, "LambdaFunction"), (layers, "LambdaLayer")] {
            for (name, part) in parts.as_object().into_iter().flatten() {
                let own = part.pointer("/package/artifact").and_then(path);
                by_id.extend(own.map(|own| (format!("{}{end}", normalised(name)), own)));
            }
        }
        let named = whole.into_iter().flatten().filter_map(path);
        // A relative path may lead to a zip of another project's.
        let absolute = by_id.values().cloned().chain(named.clone()).filter(|zip| is_absolute(zip));
        let projects =
            absolute.filter_map(|zip| Some(format!("{}/", zip.split_once(&format!("/{OWN}/"))?.0)));
        let projects: BTreeSet<String> = projects.collect();
        let project = projects.first().filter(|_| projects.len() == 1).cloned();
        Self { by_id, whole: named.into_iter().next(), project }
    }

    /// The name in the package of the zip of a function or layer. `base` is the folder of the state file.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] with the place from which the framework took the zip.
    pub(super) fn find(
        &self,
        listing: &Listing,
        base: &str,
        (id, zip): (&str, &str),
        path: &str,
    ) -> Result<String, Refusal> {
        let named = self.by_id.get(id).or(self.whole.as_ref());
        let named = named.filter(|named| named.rsplit('/').next() == Some(zip));
        let found = match named {
            // The framework wrote it, or a plugin for it.
            None => Some(format!("{base}{zip}")),
            Some(named) if named.rsplit('/').nth(1) == Some(OWN) => Some(format!("{base}{zip}")),
            Some(named) => self.in_project(listing, base.strip_suffix(".serverless/").unwrap_or(base), named),
        };
        found.filter(|name| listing.has(name)).ok_or_else(|| {
            let from = named.map(|named| format!("; serverless.yml takes it from {named}"));
            let what = format!("{zip} is not in the package{}", from.unwrap_or_default());
            let fix = "pack or zip the project folder after its zips were built, instead of .serverless alone; name them in serverless.yml by paths below the project, or pack with --root FOLDER, which contains both";
            Refusal::new(Code::AssetMissing, what, fix).at(path)
        })
    }

    /// The name in the project of a zip that another tool built.
    fn in_project(&self, listing: &Listing, project: &str, named: &str) -> Option<String> {
        if !is_absolute(named) {
            return listing.resolve(project.trim_end_matches('/'), named).ok();
        }
        if let Some(there) = &self.project {
            return named.strip_prefix(there.as_str()).map(|below| format!("{project}{below}"));
        }
        // It is one of the machine that packaged. Where the project was there is not known, but its end has a folder at least.
        let ends = named.match_indices('/').map(|(at, _)| &named[at + 1..]).filter(|end| end.contains('/'));
        ends.map(|end| format!("{project}{end}")).find(|name| listing.has(name))
    }
}

/// Whether a path is one of a whole machine, on Linux or Windows.
fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.as_bytes().get(1) == Some(&b':')
}

/// A path with forward slashes, and a drive's letter in upper case.
fn path(value: &Value) -> Option<String> {
    let mut path = value.as_str().filter(|path| !path.is_empty())?.replace('\\', "/");
    if path.as_bytes().get(1) == Some(&b':') {
        path[..1].make_ascii_uppercase();
    }
    Some(path)
}

/// A name as the framework writes it into logical ids (`getNormalizedFunctionName` of its `naming.js`).
fn normalised(name: &str) -> String {
    let name = name.replace('-', "Dash").replace('_', "Underscore");
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::tests::listing;
    use serde_json::json;

    fn find(artifacts: &Artifacts, files: &[&str], id: &str, zip: &str) -> Result<String, Refusal> {
        artifacts.find(&listing(files), ".serverless/", (id, zip), "Resources.F")
    }

    fn of_functions(functions: &Value) -> Artifacts {
        Artifacts::of(functions, &Value::Null, [None; 3])
    }

    #[test]
    fn each_function_has_the_zip_that_it_names() {
        let artifacts = of_functions(&json!({
            "a": {"package": {"artifact": "a/app.zip"}},
            "b-c_d": {"package": {"artifact": "./b/app.zip"}},
            "own": {"package": {"artifact": ".serverless/own.zip"}},
            "abs": {"package": {"artifact": "/home/ci/shop/dist/jobs.zip"}},
            "top": {"package": {"artifact": "C:\\shop\\top.zip"}},
            "out": {"package": {"artifact": "../../common/target/out.jar"}},
        }));
        let all = [
            "a/app.zip",
            "b/app.zip",
            ".serverless/own.zip",
            "dist/jobs.zip",
            "top.zip",
            "target/out.jar",
            "app.zip",
        ];
        let found = |id, zip| find(&artifacts, &all, id, zip).map_err(|refusal| refusal.message);
        assert_eq!(found("ALambdaFunction", "app.zip").unwrap(), "a/app.zip");
        assert_eq!(found("BDashcUnderscoredLambdaFunction", "app.zip").unwrap(), "b/app.zip");
        assert_eq!(found("OwnLambdaFunction", "own.zip").unwrap(), ".serverless/own.zip");
        assert_eq!(found("AbsLambdaFunction", "jobs.zip").unwrap(), "dist/jobs.zip");
        for (id, zip, from) in [
            ("TopLambdaFunction", "top.zip", "C:/shop/top.zip"),
            ("OutLambdaFunction", "out.jar", "../../common/target/out.jar"),
        ] {
            let refused = found(id, zip).unwrap_err();
            assert_eq!(refused, format!("{zip} is not in the package; serverless.yml takes it from {from}"));
        }
        // A zip of the framework's own says where the project was.
        let mut known = json!({"own": {"package": {"artifact": "/home/ci/shop/.serverless/own.zip"}}});
        for (at, is_in) in [("/home/ci/shop", true), ("/home/ci/common", false)] {
            known["abs"] = json!({"package": {"artifact": format!("{at}/dist/jobs.zip")}});
            let found = find(&of_functions(&known), &all, "AbsLambdaFunction", "jobs.zip");
            assert_eq!(found.ok().as_deref(), is_in.then_some("dist/jobs.zip"), "{at}");
        }
        known.as_object_mut().unwrap().remove("own");
        known["other"] = json!({"package": {"artifact": "../common/.serverless/other.zip"}});
        known["abs"] = json!({"package": {"artifact": "/home/ci/shop/dist/jobs.zip"}});
        let found = find(&of_functions(&known), &all, "AbsLambdaFunction", "jobs.zip");
        assert_eq!(found.unwrap(), "dist/jobs.zip", "a relative path says nothing of the project");
        // A file of the same name elsewhere is another file.
        let refused =
            find(&artifacts, &["a/app.zip", "app.zip"], "BDashcUnderscoredLambdaFunction", "app.zip");
        assert_eq!(refused.unwrap_err().code, Code::AssetMissing);
        assert!(
            find(&of_functions(&json!({})), &[], "F", "none.zip")
                .unwrap_err()
                .message
                .ends_with("not in the package")
        );
    }

    #[test]
    fn the_zip_of_a_whole_service_is_where_its_configuration_says() {
        let jar = json!("target/hello-dev.jar");
        let artifacts =
            Artifacts::of(&json!({"hello": {"package": {}}}), &json!({}), [Some(&jar), None, None]);
        let found = find(&artifacts, &["target/hello-dev.jar"], "HelloLambdaFunction", "hello-dev.jar");
        assert_eq!(found.unwrap(), "target/hello-dev.jar");
        let refused =
            find(&artifacts, &["hello-dev.jar"], "HelloLambdaFunction", "hello-dev.jar").unwrap_err();
        assert!(refused.message.contains("takes it from target/hello-dev.jar"), "{refused}");
        // Another zip than the service's, as a plugin's function has: the framework wrote it.
        let other = find(&artifacts, &[".serverless/custom-resources.zip"], "Custom", "custom-resources.zip");
        assert_eq!(other.unwrap(), ".serverless/custom-resources.zip");
    }
}
