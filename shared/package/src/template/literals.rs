//! Neutralises a template: replaces literals of the region, account and stage that it was made for by parameters.
//!
//! One walk over the template replaces the packaging region by `AWS::Region`, the packaging account by
//! `AWS::AccountId`, the placeholder stage by `FlotillaStage`, and `flotillaparam-<name>` by a parameter of that name.
//! Every replacement is listed. A placeholder where CloudFormation accepts no parameter is refused.

use super::joined::{resolved, whole_text};
use super::keep::Keep;
use super::loops;
use super::pins;
use super::placeholders::{declare, refuse_placeholder, refuse_the_rest};
use super::stage_ids::StageIds;
use flotilla_domain::release::package::{
    PARAMETER_PLACEHOLDER, Rewrite, STAGE_PARAMETER, STAGE_PLACEHOLDER, Warning,
};
use flotilla_domain::{AccountId, Code, Refusal, Region};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

/// The region and account that a package was made for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MadeFor {
    /// The region, if the templates contain one.
    pub region: Option<Region>,
    /// The account, if the templates contain one.
    pub account: Option<AccountId>,
}

/// The result of neutralising a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neutralised {
    /// The replaced literals.
    pub rewrites: Vec<Rewrite>,
    /// The literals that could not be replaced.
    pub warnings: Vec<Warning>,
    /// The parameters that the template must declare.
    pub parameters: BTreeSet<String>,
}

/// Replaces the literals in a template and declares the parameters they became.
///
/// Region and account are replaced in the properties of resources and the values of outputs, if they are whole words.
/// Names of properties and inline code keep them, with a warning; all other places keep them without one.
/// `Metadata.Flotilla.KeepRegion` of the template is `true`, or a list of paths whose literals are kept.
///
/// # Errors
/// [`Code::PlaceholderMisplaced`] with the path; [`Code::TemplateInvalid`] for `Metadata.Flotilla`.
pub fn neutralise(template: &mut Value, made_for: &MadeFor) -> Result<Neutralised, Refusal> {
    let keep = Keep::take_from(template)?;
    let mut walk = Walk {
        ids: StageIds::of(template),
        made_for,
        kind: String::new(),
        keep,
        rewrites: BTreeSet::new(),
        doubts: HashSet::new(),
        out: Neutralised::default(),
    };
    let Value::Object(sections) = template else { return Ok(walk.out) };
    for (section, entries) in sections.iter_mut() {
        match section.as_str() {
            "Resources" | "Outputs" => walk.entries(section, entries)?,
            "Conditions" => walk.value(entries, section, AllowedLosses::PlaceholdersOnly)?,
            _ => walk.nowhere(entries, section)?,
        }
    }
    declare(sections, &walk.out.parameters)?;
    refuse_the_rest(template, &walk.ids)?;
    walk.out.warnings.extend(walk.ids.warning(template));
    Ok(Neutralised { rewrites: walk.rewrites.into_iter().collect(), ..walk.out })
}

/// The literals that may be replaced at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AllowedLosses {
    All,
    PlaceholdersOnly,
    /// Inline code, where a region may be part of the program.
    Code,
}

struct Walk<'a> {
    made_for: &'a MadeFor,
    /// The logical ids that contain the stage.
    ids: StageIds,
    /// The type of the resource.
    kind: String,
    keep: Keep,
    /// The replaced literals, each once.
    rewrites: BTreeSet<Rewrite>,
    /// The paths and messages of the warnings.
    doubts: HashSet<(String, String)>,
    out: Neutralised,
}

/// A part of a string.
enum Piece<'t> {
    Text(&'t str),
    Parameter { literal: &'t str, name: String },
}

impl Walk<'_> {
    /// Walks over resources or outputs; their attributes allow different literals.
    fn entries(&mut self, section: &str, entries: &mut Value) -> Result<(), Refusal> {
        let Value::Object(entries) = entries else { return Ok(()) };
        for (id, entry) in entries.iter_mut() {
            if self.ids.names(id) {
                let (path, from) = (format!("{section}.{id}"), STAGE_PLACEHOLDER.to_owned());
                self.rewrites.insert(Rewrite { path, from, to: STAGE_PARAMETER.into() });
            } else {
                refuse_placeholder(id, &format!("{section}.{id}"))?;
            }
            if loops::is_loop(id) {
                if let Some(body) = entry.get_mut(loops::BODY) {
                    self.entries(&format!("{section}.{id}.{}", loops::BODY), body)?;
                }
                continue;
            }
            let Value::Object(attributes) = entry else { continue };
            let kind = attributes.get("Type").and_then(Value::as_str);
            self.kind = kind.unwrap_or_default().to_owned();
            for (attribute, value) in attributes.iter_mut() {
                let path = format!("{section}.{id}.{attribute}");
                match attribute.as_str() {
                    "Properties" | "Value" | "Export" => self.value(value, &path, AllowedLosses::All)?,
                    "Metadata" => self.value(value, &path, AllowedLosses::PlaceholdersOnly)?,
                    _ => self.nowhere(value, &path)?,
                }
            }
        }
        Ok(())
    }

    /// Walks over a place where CloudFormation accepts no function.
    fn nowhere(&mut self, value: &Value, path: &str) -> Result<(), Refusal> {
        match value {
            Value::String(text) if self.ids.names(text) => Ok(()),
            Value::String(text) => refuse_placeholder(text, path),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.nowhere(item, &format!("{path}.{index}"))),
            Value::Object(object) => object.iter().try_for_each(|(key, value)| {
                let path = format!("{path}.{key}");
                refuse_placeholder(key, &path)?;
                self.nowhere(value, &path)
            }),
            _ => Ok(()),
        }
    }

    fn value(&mut self, value: &mut Value, path: &str, allowed: AllowedLosses) -> Result<(), Refusal> {
        match value {
            Value::String(text) => {
                if let Some(rewritten) = self.literal(text, path, allowed) {
                    *value = rewritten;
                }
                Ok(())
            }
            Value::Array(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, item)| self.value(item, &format!("{path}.{index}"), allowed)),
            Value::Object(object) => {
                object.iter_mut().try_for_each(|(key, value)| self.member(key, value, path, allowed))
            }
            _ => Ok(()),
        }
    }

    /// A member of an object, which may be a function of CloudFormation.
    fn member(
        &mut self,
        key: &str,
        value: &mut Value,
        path: &str,
        allowed: AllowedLosses,
    ) -> Result<(), Refusal> {
        if allowed == AllowedLosses::All {
            self.key(key, path);
        }
        let path = format!("{path}.{key}");
        refuse_placeholder(key, &path)?;
        match (key, value) {
            // These values are names within the template.
            ("Ref" | "Fn::GetAtt" | "Fn::Transform", value) => self.nowhere(value, &path),
            // The name of a condition; the Condition of a policy is an object instead.
            ("Condition", value @ Value::String(_)) => self.nowhere(value, &path),
            ("Fn::Join" | "Fn::Split", Value::Array(parts)) => {
                let whole = whole_text(&json!({key: parts}));
                let allowed = self.allowed_in(&whole, &path, allowed);
                let mut parts = parts.iter_mut();
                parts.next().map_or(Ok(()), |delimiter| self.nowhere(delimiter, &path))?;
                parts.try_for_each(|part| self.value(part, &format!("{path}.1"), allowed))
            }
            ("Fn::Sub", Value::String(text)) => {
                self.sub(text, &path, allowed);
                Ok(())
            }
            ("Fn::Sub", Value::Array(parts)) => {
                let whole = whole_text(&json!({key: parts}));
                let allowed = self.allowed_in(&whole, &path, allowed);
                let mut parts = parts.iter_mut();
                if let Some(Value::String(text)) = parts.next() {
                    self.sub(text, &path, allowed);
                }
                parts.try_for_each(|part| self.value(part, &format!("{path}.1"), allowed))
            }
            ("ZipFile", value) => self.value(value, &path, AllowedLosses::Code),
            (_, value) => self.value(value, &path, allowed),
        }
    }

    /// Warns about a region or account in the name of a property, which cannot be replaced.
    fn key(&mut self, key: &str, path: &str) {
        let region = self.made_for.region.as_ref().map(|region| (region.as_str(), Code::RegionStays));
        let account = self.made_for.account.as_ref().map(|account| (account.as_str(), Code::AccountStays));
        for (literal, code) in [region, account].into_iter().flatten() {
            if key.contains(literal) && !self.keep.covers(path) {
                self.stays(
                    code,
                    path,
                    format!(
                        "the name {key} contains {literal} and will contain it in every region and account"
                    ),
                );
            }
        }
    }

    /// The replacement of a text: a reference if all of it is one literal, a substitution if it contains literals. Where the text itself
    /// contains `${`, the parts are joined: nothing says what CloudFormation makes of a brace that is not closed.
    fn literal(&mut self, text: &str, path: &str, allowed: AllowedLosses) -> Option<Value> {
        let pieces = self.pieces(text, path, allowed, false)?;
        if let [Piece::Parameter { name, .. }] = pieces.as_slice() {
            return Some(json!({"Ref": name}));
        }
        if text.contains("${") {
            let part = |piece: &Piece<'_>| match piece {
                Piece::Text(text) => Value::from(*text),
                Piece::Parameter { name, .. } => json!({"Ref": name}),
            };
            return Some(json!({"Fn::Join": ["", pieces.iter().map(part).collect::<Vec<_>>()]}));
        }
        Some(json!({"Fn::Sub": substituted(&pieces)}))
    }

    /// Replaces literals in the text of a substitution.
    fn sub(&mut self, text: &mut String, path: &str, allowed: AllowedLosses) {
        let Some(pieces) = self.pieces(text, path, allowed, true) else { return };
        *text = substituted(&pieces);
    }

    /// Splits a string at the literals to replace, and lists them; `None` if there are none. In the text of a substitution, `${…}` may name
    /// a resource.
    fn pieces<'t>(
        &mut self,
        text: &'t str,
        path: &str,
        allowed: AllowedLosses,
        is_substitution: bool,
    ) -> Option<Vec<Piece<'t>>> {
        let allowed = self.allowed_in(text, path, allowed);
        let mut pieces = Vec::new();
        let (mut copied, mut at) = (0, 0);
        while at < text.len() {
            if let Some(bytes) = self.ids.reference_at(&text[at..]).filter(|_| is_substitution) {
                at += bytes;
                continue;
            }
            let found = self.match_at(text, at, path, allowed);
            let Some((bytes, name)) = found else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            if copied < at {
                pieces.push(Piece::Text(&text[copied..at]));
            }
            pieces.push(Piece::Parameter { literal: &text[at..at + bytes], name });
            at += bytes;
            copied = at;
        }
        if pieces.is_empty() {
            return None;
        }
        if copied < text.len() {
            pieces.push(Piece::Text(&text[copied..]));
        }
        for piece in &pieces {
            if let Piece::Parameter { literal, name } = piece {
                let rewrite =
                    Rewrite { path: path.to_owned(), from: (*literal).to_owned(), to: name.clone() };
                self.rewrites.insert(rewrite);
                if !name.starts_with("AWS::") {
                    self.out.parameters.insert(name.clone());
                }
            }
        }
        Some(pieces)
    }

    /// What may be replaced in a text, or in its parts, which may together name what none of them names.
    fn allowed_in(&mut self, text: &str, path: &str, allowed: AllowedLosses) -> AllowedLosses {
        match allowed == AllowedLosses::All && self.is_pinned(text, path) {
            true => AllowedLosses::PlaceholdersOnly,
            false => allowed,
        }
    }

    /// Whether a string names something that exists in one region only. It is rewritten as a whole or not at all.
    fn is_pinned(&mut self, text: &str, path: &str) -> bool {
        let text = &resolved(text);
        let contains = |literal: Option<&str>| literal.is_some_and(|literal| text.contains(literal));
        let made_for = self.made_for;
        let region = made_for.region.as_ref().map(Region::as_str);
        let literals = [region, made_for.account.as_ref().map(AccountId::as_str)];
        if !literals.into_iter().any(contains) || self.keep.covers(path) {
            return false;
        }
        let Some(what) = pins::find(text, pins::is_of_cloudfront(&self.kind, path)) else { return false };
        let message =
            format!("the value names {what} of one region, and stays the same in every region and account");
        self.stays(Code::RegionStays, path, message);
        true
    }

    /// The length of the literal at this position, and the parameter that replaces it.
    fn match_at(
        &mut self,
        text: &str,
        at: usize,
        path: &str,
        allowed: AllowedLosses,
    ) -> Option<(usize, String)> {
        let rest = &text[at..];
        if rest.starts_with(STAGE_PLACEHOLDER) {
            return Some((STAGE_PLACEHOLDER.len(), STAGE_PARAMETER.into()));
        }
        if let Some(name) = rest.strip_prefix(PARAMETER_PLACEHOLDER) {
            let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            if end > 0 {
                return Some((PARAMETER_PLACEHOLDER.len() + end, name[..end].to_owned()));
            }
        }
        if allowed == AllowedLosses::PlaceholdersOnly {
            return None;
        }
        let region = self.made_for.region.as_ref().map(|r| (r.as_str(), "AWS::Region", Code::RegionStays));
        let account =
            self.made_for.account.as_ref().map(|a| (a.as_str(), "AWS::AccountId", Code::AccountStays));
        for (literal, name, stays) in [region, account].into_iter().flatten() {
            if !rest.starts_with(literal) {
                continue;
            }
            if self.keep.covers(path) {
                return None;
            }
            // A region or account between hyphens is a part of a name, which must be unique.
            let in_word = |c: char| c.is_ascii_alphanumeric();
            let before = text[..at].chars().next_back().is_some_and(in_word);
            let after = rest[literal.len()..].chars().next().is_some_and(in_word);
            if allowed == AllowedLosses::Code {
                self.stays(
                    stays,
                    path,
                    format!(
                        "the inline code contains {literal} and will contain it in every region and account"
                    ),
                );
            } else if before || after {
                let what = format!(
                    "a longer word contains {literal} and will contain it in every region and account"
                );
                self.stays(stays, path, what);
            } else {
                return Some((literal.len(), name.into()));
            }
        }
        None
    }

    fn stays(&mut self, code: Code, path: &str, message: String) {
        if self.doubts.insert((path.to_owned(), message.clone())) {
            self.out.warnings.push(Warning { code, path: path.to_owned(), message });
        }
    }
}

/// The text of a substitution.
fn substituted(pieces: &[Piece<'_>]) -> String {
    let part = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Parameter { name, .. } => format!("${{{name}}}"),
    };
    pieces.iter().map(part).collect()
}

#[cfg(test)]
#[path = "literals_tests.rs"]
mod tests;
