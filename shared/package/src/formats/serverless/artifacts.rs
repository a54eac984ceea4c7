//! Where the zips of functions and layers are: beside the state file, or, for those that another tool built, where `package.artifact` says.

use crate::listing::Listing;
use flotilla_domain::{Code, Refusal};
use serde_json::Value;

/// The paths of zips that the user named, from the state file.
pub(super) struct Artifacts {
    paths: Vec<String>,
}

impl Artifacts {
    /// Collects them from the parts of the state file that may name one.
    pub(super) fn of<'v>(parts: impl Iterator<Item = &'v Value>) -> Self {
        let mut paths = Vec::new();
        parts.for_each(|part| collect(part, &mut paths));
        Self { paths }
    }

    /// The name of a zip in the package. `base` is the folder of the state file.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] with the place from which the framework took the zip.
    pub(super) fn find(
        &self,
        listing: &Listing,
        base: &str,
        zip: &str,
        path: &str,
    ) -> Result<String, Refusal> {
        let beside = format!("{base}{zip}");
        if listing.has(&beside) {
            return Ok(beside);
        }
        let project = base.strip_suffix(".serverless/").unwrap_or(base);
        let named = self.paths.iter().filter(|named| named.rsplit('/').next() == Some(zip));
        for named in named.clone() {
            // An absolute path is one of the machine that packaged: its end may be in the project.
            let ends = named.match_indices('/').map(|(at, _)| &named[at + 1..]);
            let relative = named.strip_prefix("./").unwrap_or(named);
            let found = std::iter::once(relative).chain(ends).map(|end| format!("{project}{end}"));
            if let Some(found) = found.into_iter().find(|name| listing.has(name)) {
                return Ok(found);
            }
        }
        let from = named.clone().next().map(|named| format!("; serverless.yml takes it from {named}"));
        let what = format!("{zip} is not in the package{}", from.unwrap_or_default());
        let fix = "pack or zip the project folder instead of .serverless alone, after its zips were built";
        Err(Refusal::new(Code::AssetMissing, what, fix).at(path))
    }
}

/// The texts of all members `artifact`.
fn collect(value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| match value {
            Value::String(path) if key == "artifact" => paths.push(path.replace('\\', "/")),
            value => collect(value, paths),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, paths)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::tests::listing;
    use serde_json::json;

    #[test]
    fn a_zip_that_another_tool_built_is_found_in_the_project() {
        let parts = [
            json!({"api": {"package": {"artifact": "target/app.jar"}}}),
            json!({"artifact": "/home/ci/shop/dist/jobs.zip"}),
        ];
        let artifacts = Artifacts::of(parts.iter());
        let project = listing(&[".serverless/own.zip", "target/app.jar", "dist/jobs.zip"]);
        let find = |listing: &Listing, base, zip| artifacts.find(listing, base, zip, "Resources.F");
        assert_eq!(find(&project, ".serverless/", "own.zip").unwrap(), ".serverless/own.zip");
        assert_eq!(find(&project, ".serverless/", "app.jar").unwrap(), "target/app.jar");
        assert_eq!(find(&project, ".serverless/", "jobs.zip").unwrap(), "dist/jobs.zip");
        let refused = find(&listing(&["own.zip"]), "", "app.jar").unwrap_err();
        assert!(
            refused.message.contains("takes it from target/app.jar") && refused.code == Code::AssetMissing,
            "{refused}"
        );
        assert!(
            find(&project, ".serverless/", "none.zip").unwrap_err().message.ends_with("not in the package")
        );
    }
}
