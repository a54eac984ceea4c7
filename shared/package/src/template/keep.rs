//! The literals that are not replaced: `Metadata.Flotilla.KeepRegion` of a template.

use flotilla_domain::{Code, Refusal};
use serde_json::Value;

/// The places whose literals are not replaced.
pub(super) enum Keep {
    All,
    /// Sorted, with a NUL in place of each dot, so that paths below another one directly follow it. None is below
    /// another one.
    Paths(Vec<String>),
}

impl Keep {
    /// Reads `Metadata.Flotilla` and removes it from the template, because only Flotilla uses it.
    pub(super) fn take_from(template: &mut Value) -> Result<Self, Refusal> {
        let Some(metadata) = template.get_mut("Metadata").and_then(Value::as_object_mut) else {
            return Ok(Self::Paths(Vec::new()));
        };
        let Some(own) = metadata.remove("Flotilla") else { return Ok(Self::Paths(Vec::new())) };
        if metadata.is_empty() {
            template.as_object_mut().map(|template| template.remove("Metadata"));
        }
        let invalid = || {
            let fix =
                r#"write {"KeepRegion": true}, or {"KeepRegion": ["Resources.Name.Properties.Property"]}"#;
            Refusal::new(Code::TemplateInvalid, "Metadata.Flotilla is invalid", fix).at("Metadata.Flotilla")
        };
        let Value::Object(mut own) = own else { return Err(invalid()) };
        let keep = match own.remove("KeepRegion") {
            None | Some(Value::Bool(false)) => Self::Paths(Vec::new()),
            Some(Value::Bool(true)) => Self::All,
            Some(Value::Array(paths)) => {
                let paths = paths.into_iter().map(|path| match path {
                    Value::String(path) => Ok(path),
                    _ => Err(invalid()),
                });
                Self::paths(paths.collect::<Result<_, _>>()?)
            }
            Some(_) => return Err(invalid()),
        };
        if own.is_empty() { Ok(keep) } else { Err(invalid()) }
    }

    pub(super) fn paths(paths: Vec<String>) -> Self {
        let mut paths: Vec<String> = paths.into_iter().map(|path| path.replace('.', "\0")).collect();
        paths.sort_unstable();
        paths.dedup_by(|path, above| is_below(path, above));
        Self::Paths(paths)
    }

    /// Whether the literals at a path are kept.
    pub(super) fn covers(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Paths(paths) if paths.is_empty() => false,
            Self::Paths(paths) => {
                let path = path.replace('.', "\0");
                let behind = paths.partition_point(|kept| *kept <= path);
                behind.checked_sub(1).is_some_and(|nearest| is_below(&path, &paths[nearest]))
            }
        }
    }
}

/// Whether a path equals another one or is below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_kept_path_stays_and_what_only_begins_like_it_does_not() {
        let keep = ["a.b", "a", "a.b.c", "a-b", "b.c", "", "b.c"].map(str::to_owned).to_vec();
        let keep = Keep::paths(keep);
        for covered in ["a", "a.b", "a.x", "a-b", "a-b.c", "b.c", "b.c.d", ""] {
            assert!(keep.covers(covered), "{covered}");
        }
        for other in ["ab", "a-", "a-bc", "b", "b.cd", "b-c", "c"] {
            assert!(!keep.covers(other), "{other}");
        }
    }
}
