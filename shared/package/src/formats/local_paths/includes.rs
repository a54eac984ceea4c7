//! `AWS::Include`: inserts the content of another file into a template.
//!
//! CloudFormation inserts it from S3 during the deployment (AWS CloudFormation Template Reference, "AWS::Include
//! transform"). Flotilla inserts it beforehand, so that the template's digest covers it.

use super::place::{self, Place, local_path};
use crate::formats::{Folder, Stop};
use crate::template;
use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value, json};

/// How deep objects and lists may be nested, as in files.
const DEPTH_MAX: usize = 127;

const INCLUDE: &str = "AWS::Include";

/// Inserts the files that a template includes by local paths.
pub(crate) fn put_in(folder: &Folder<'_>, template: &mut Value, file: &str, at: &str) -> Result<(), Stop> {
    let mut includes =
        Includes { folder, at, bytes_left: folder.limits.template_bytes_max, open: Vec::new() };
    includes.open.push(file.to_owned());
    // Includes for the whole template are in its Transform, alone or in a list.
    if let Some(Value::Object(sections)) = Some(&mut *template) {
        let declared = match sections.remove("Transform") {
            Some(Value::Array(items)) => items,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let (own, others): (Vec<Value>, Vec<Value>) = declared.into_iter().partition(is_include);
        match <[Value; 1]>::try_from(others) {
            Ok([one]) => drop(sections.insert("Transform".into(), one)),
            Err(others) if !others.is_empty() => drop(sections.insert("Transform".into(), others.into())),
            Err(_) => {}
        }
        let mut path = vec!["Transform".to_owned()];
        for include in own {
            let included = includes.read(&include, &mut path, 0)?;
            let Value::Object(included) = included else {
                return Err(includes.misfit(&path, "the included value is not an object").into());
            };
            for (name, section) in included {
                merge_section(sections, name, section).map_err(|what| includes.misfit(&path, &what))?;
            }
        }
    }
    includes.walk(template, &mut Vec::new(), 0)
}

struct Includes<'a, 'f> {
    folder: &'a Folder<'f>,
    at: &'a str,
    /// How many bytes may still be included.
    bytes_left: u64,
    /// The template's file, followed by the included files that are being read.
    open: Vec<String>,
}

impl Includes<'_, '_> {
    /// Inserts what a value includes. The depth is bounded as for templates.
    fn walk(&mut self, value: &mut Value, path: &mut Vec<String>, depth: usize) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            let what = format!("with the included files, values are nested more than {DEPTH_MAX} deep");
            return Err(self.misfit(path, &what).into());
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(index.to_string());
                    self.walk(item, path, depth + 1)?;
                    path.pop();
                }
            }
            Value::Object(object) => {
                for (key, inner) in object.iter_mut() {
                    path.push(key.clone());
                    self.walk(inner, path, depth + 1)?;
                    path.pop();
                }
                if object.get("Fn::Transform").is_some_and(is_include)
                    && let Some(include) = object.remove("Fn::Transform")
                {
                    path.push("Fn::Transform".into());
                    let included = self.read(&include, path, depth)?;
                    self.merge(value, included, path)?;
                    path.pop();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Merges an included value with the members beside it.
    fn merge(&self, value: &mut Value, included: Value, path: &[String]) -> Result<(), Refusal> {
        let Value::Object(beside) = value else { return Ok(()) };
        if beside.is_empty() {
            *value = included;
            return Ok(());
        }
        let Value::Object(included) = included else {
            return Err(self.misfit(
                path,
                "the included value is not an object and cannot be merged with the members beside it",
            ));
        };
        for (key, inner) in included {
            if beside.contains_key(&key) {
                return Err(self.misfit(path, &format!("{} is in the template too", shown(&key))));
            }
            beside.insert(key, inner);
        }
        Ok(())
    }

    /// Reads an included file and inserts what it includes itself, by paths relative to it.
    fn read(&mut self, include: &Value, path: &mut Vec<String>, depth: usize) -> Result<Value, Stop> {
        let limits = self.folder.limits;
        let file = self.open.last().cloned().unwrap_or_default();
        let nothing = json!(null);
        let location = include.pointer("/Parameters/Location").unwrap_or(&nothing);
        let place = Place { file: &file, at: self.at, path: path.join(".") };
        let name = place::resolve(self.folder, local_path(location, &place)?, &place)?;
        if self.open.len() > place::DEPTH_MAX || self.open.contains(&name) {
            let what =
                format!("files include each other more than {} deep, or in a circle", place::DEPTH_MAX);
            return Err(self.misfit(path, &what).into());
        }
        let bytes = self.folder.read(&name)?;
        self.bytes_left = self.bytes_left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            let max = usize::try_from(limits.template_bytes_max).unwrap_or(usize::MAX);
            template::over_size(max.saturating_add(1), &file, limits)
        })?;
        let mut included = template::parse(bytes, &name, limits)?;
        self.open.push(name);
        self.walk(&mut included, path, depth)?;
        self.open.pop();
        Ok(included)
    }

    fn misfit(&self, path: &[String], what: &str) -> Refusal {
        let fix = "copy the included text into the template";
        let path = place::placed(self.at, &path.join("."));
        Refusal::new(Code::TemplateInvalid, format!("AWS::Include: {what}"), fix).at(path)
    }
}

fn is_include(transform: &Value) -> bool {
    transform.get("Name").is_some_and(|name| name == INCLUDE)
}

/// Adds a section that is included for the whole template: its entries are added to those of the template's section.
fn merge_section(sections: &mut Map<String, Value>, name: String, section: Value) -> Result<(), String> {
    match (sections.get_mut(&name), section) {
        (None, section) => {
            sections.insert(name, section);
            Ok(())
        }
        (Some(Value::Object(own)), Value::Object(entries)) => {
            for (key, value) in entries {
                if own.contains_key(&key) {
                    return Err(format!("{} is in the template too", shown(&key)));
                }
                own.insert(key, value);
            }
            Ok(())
        }
        _ => Err(format!("{} is in the template too", shown(&name))),
    }
}

fn shown(key: &str) -> String {
    key.chars().take(64).collect()
}
