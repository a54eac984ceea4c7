//! Builds a value from the parser's events, without recursion except over values whose depth is already bounded.

use super::{Meaning, YamlError, meaning, scalars};
use crate::text::OCCURS_TWICE;
use granit_parser::{Marker, Tag};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// How deep objects and lists may be nested: as deep as `serde_json` reads.
pub(super) const DEPTH_MAX: usize = 127;
/// How much anchors and aliases may copy, in values and bytes of text together. A template of 1 MB needs less, and
/// memory stays small.
pub(super) const COPIED_MAX: usize = 2_000_000;

/// A mapping that is still open.
#[derive(Default)]
pub(super) struct Mapping {
    entries: Map<String, Value>,
    /// The lines of the keys.
    lines: HashMap<String, usize>,
    /// The key whose value comes next.
    key: Option<Key>,
    /// The mappings of `<<`; earlier ones take precedence.
    merged: Option<Vec<Map<String, Value>>>,
}

enum Key {
    Name(String),
    /// `<<`, <https://yaml.org/type/merge.html>.
    Merge,
}

/// A sequence or mapping that is still open.
pub(super) enum Open {
    Sequence(Vec<Value>),
    Mapping(Mapping),
}

impl From<Vec<Value>> for Open {
    fn from(items: Vec<Value>) -> Self {
        Self::Sequence(items)
    }
}

impl From<Mapping> for Open {
    fn from(mapping: Mapping) -> Self {
        Self::Mapping(mapping)
    }
}

struct Frame {
    open: Open,
    function: Option<&'static str>,
    anchor: usize,
    at: Marker,
}

/// Builds a value from events.
#[derive(Default)]
pub(super) struct Builder {
    frames: Vec<Frame>,
    /// The depth of the open frames, including functions.
    depth: usize,
    anchors: HashMap<usize, Value>,
    /// The anchors whose values are still open.
    unfinished: HashSet<usize>,
    copied: usize,
    done: Option<Value>,
}

impl Builder {
    /// Opens a sequence or mapping.
    pub(super) fn open(
        &mut self,
        open: impl Into<Open>,
        anchor: usize,
        tag: Option<&Tag>,
        at: Marker,
    ) -> Result<(), YamlError> {
        let open = open.into();
        if self.key_is_due() {
            return Err(YamlError::new("a key must be a text", at));
        }
        let own = if matches!(open, Open::Sequence(_)) { "seq" } else { "map" };
        let function = match meaning(tag, at)? {
            Meaning::None => None,
            Meaning::Collection(name) if name == own => None,
            Meaning::Function(name) => Some(name),
            Meaning::Text | Meaning::Resolved(_) | Meaning::Collection(_) => {
                return Err(YamlError::new("the tag does not fit its value", at));
            }
        };
        self.depth += levels(function);
        if self.depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        if anchor != 0 {
            self.unfinished.insert(anchor);
        }
        self.frames.push(Frame { open, function, anchor, at });
        Ok(())
    }

    /// Closes the sequence or mapping that was opened last.
    pub(super) fn close(&mut self, at: Marker) -> Result<(), YamlError> {
        // The parser's events come in pairs.
        let Some(frame) = self.frames.pop() else { return Err(YamlError::new("nothing is open", at)) };
        self.depth -= levels(frame.function);
        let value = match frame.open {
            Open::Sequence(items) => Value::Array(items),
            Open::Mapping(mapping) => {
                let mut entries = mapping.entries;
                for (key, value) in mapping.merged.into_iter().flatten().flatten() {
                    entries.entry(key).or_insert(value);
                }
                Value::Object(entries)
            }
        };
        let value = match frame.function {
            Some(function) => json!({ function: value }),
            None => value,
        };
        self.put(value, frame.anchor, frame.at)
    }

    /// Adds a scalar; `plain` if it is neither quoted nor a block.
    pub(super) fn scalar(
        &mut self,
        text: &str,
        plain: bool,
        anchor: usize,
        tag: Option<&Tag>,
        at: Marker,
    ) -> Result<(), YamlError> {
        let meaning = meaning(tag, at)?;
        if self.key_is_due() {
            if !matches!(meaning, Meaning::None | Meaning::Text) {
                return Err(YamlError::new("a key must be a text", at));
            }
            self.remember(&Value::from(text), anchor, at)?;
            let merge = plain && meaning == Meaning::None && text == "<<";
            return self.key(if merge { Key::Merge } else { Key::Name(text.to_owned()) }, at);
        }
        let value = match meaning {
            Meaning::None if plain => scalars::plain(text),
            Meaning::None | Meaning::Text => Value::from(text),
            // "Resource.Attribute" is cut at its first dot: a nested stack's `Outputs.Name` is one attribute.
            Meaning::Function("Fn::GetAtt") => match text.split_once('.') {
                Some((resource, attribute)) => json!({"Fn::GetAtt": [resource, attribute]}),
                None => return Err(YamlError::new("!GetAtt needs Resource.Attribute", at)),
            },
            Meaning::Function(name) => json!({ name: text }),
            Meaning::Resolved(name) => resolved(name, text)
                .ok_or_else(|| YamlError::new(format!("the value is not of type !!{name}"), at))?,
            Meaning::Collection(_) => return Err(YamlError::new("the tag does not fit its value", at)),
        };
        if value.is_object() && self.depth + height(&value) > DEPTH_MAX {
            return Err(too_deep(at));
        }
        self.put(value, anchor, at)
    }

    /// Adds a copy of an anchor's value.
    pub(super) fn alias(&mut self, anchor: usize, at: Marker) -> Result<(), YamlError> {
        if self.unfinished.contains(&anchor) {
            return Err(YamlError::new("the anchor of the alias contains the alias", at));
        }
        let Some(value) = self.anchors.get(&anchor) else {
            return Err(YamlError::new("the anchor of the alias does not exist", at));
        };
        if self.key_is_due() {
            let Value::String(key) = value else { return Err(YamlError::new("a key must be a text", at)) };
            let key = Key::Name(key.clone());
            return self.key(key, at);
        }
        if self.depth + height(value) > DEPTH_MAX {
            return Err(too_deep(at));
        }
        let value = value.clone();
        self.count(&value, at)?;
        self.put(value, 0, at)
    }

    /// The value of the document.
    pub(super) fn finish(self) -> Option<Value> {
        self.done
    }

    fn key_is_due(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { open: Open::Mapping(Mapping { key: None, .. }), .. }))
    }

    fn key(&mut self, key: Key, at: Marker) -> Result<(), YamlError> {
        if let Some(Frame { open: Open::Mapping(mapping), .. }) = self.frames.last_mut() {
            let twice = match &key {
                Key::Name(name) => mapping.entries.contains_key(name).then_some(name.as_str()),
                Key::Merge => mapping.merged.is_some().then_some("<<"),
            };
            if let Some(name) = twice {
                let shown: String = name.chars().take(64).collect();
                let first = mapping.lines.get(name).map(|line| format!(" of line {line}"));
                let what = format!("the key {shown:?}{}{OCCURS_TWICE}", first.unwrap_or_default());
                return Err(YamlError::new(what, at));
            }
            if let Key::Name(name) = &key {
                mapping.lines.insert(name.clone(), at.line());
            }
            mapping.key = Some(key);
        }
        Ok(())
    }

    /// Counts a copied value.
    fn count(&mut self, value: &Value, at: Marker) -> Result<(), YamlError> {
        self.copied = self.copied.saturating_add(size(value));
        if self.copied > COPIED_MAX {
            return Err(YamlError::new("anchors and aliases make the document too large", at));
        }
        Ok(())
    }

    /// Keeps the value of an anchor.
    fn remember(&mut self, value: &Value, anchor: usize, at: Marker) -> Result<(), YamlError> {
        if anchor != 0 {
            self.count(value, at)?;
            self.unfinished.remove(&anchor);
            self.anchors.insert(anchor, value.clone());
        }
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize, at: Marker) -> Result<(), YamlError> {
        self.remember(&value, anchor, at)?;
        match self.frames.last_mut().map(|frame| &mut frame.open) {
            None => self.done = Some(value),
            Some(Open::Sequence(items)) => items.push(value),
            Some(Open::Mapping(mapping)) => match mapping.key.take() {
                Some(Key::Merge) => mapping.merged = Some(merged(value, at)?),
                Some(Key::Name(name)) => {
                    mapping.entries.insert(name, value);
                }
                None => return Err(YamlError::new("a key must be a text", at)),
            },
        }
        Ok(())
    }
}

/// The mappings that `<<` merges.
fn merged(value: Value, at: Marker) -> Result<Vec<Map<String, Value>>, YamlError> {
    let each = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    let mapping = |value| match value {
        Value::Object(mapping) => Ok(mapping),
        _ => Err(YamlError::new("<< takes a mapping, or a list of mappings", at)),
    };
    each.into_iter().map(mapping).collect()
}

/// A scalar with a tag that gives its type.
fn resolved(name: &str, text: &str) -> Option<Value> {
    let value = scalars::plain(text);
    let fits = match (name, &value) {
        ("null", Value::Null) | ("bool", Value::Bool(_)) | ("float", Value::Number(_)) => true,
        ("int", Value::Number(number)) => !number.is_f64(),
        _ => false,
    };
    fits.then_some(value)
}

fn levels(function: Option<&str>) -> usize {
    if function.is_some() { 2 } else { 1 }
}

fn too_deep(at: Marker) -> YamlError {
    YamlError::new(format!("values are nested more than {DEPTH_MAX} deep"), at)
}

/// The depth of a value. The builder never exceeds [`DEPTH_MAX`].
fn height(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(height).max().unwrap_or(0),
        _ => 0,
    }
}

/// The size of a value, in values and bytes of text.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(object) => 1 + object.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>(),
        _ => 1,
    }
}
