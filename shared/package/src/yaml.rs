//! Reads CloudFormation's YAML, with its short tags (`!Ref`, `!Sub`, …), as the equivalent JSON.
//!
//! Values are read as the packaging tools read them (`awscli/customizations/cloudformation/yamlhelper.py`, the
//! same in SAM's `samcli/yamlhelper.py`): booleans follow YAML 1.1, dates are text, and a scalar after a short
//! tag is text. A scalar is a number only if JSON writes it the same way: an account id with leading zeros, a
//! version such as `5.10` and a size such as `1_000` stay text, which CloudFormation converts where it expects a
//! number.
//!
//! The nesting is bounded as for JSON, and what aliases and merge keys copy is counted and bounded.

mod build;
mod scalars;

use crate::text::is_utf16;
use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag, options};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// An error in a document, with its line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    what: String,
    line: usize,
    column: usize,
}

impl YamlError {
    fn new(what: impl Into<String>, at: Marker) -> Self {
        // The parser counts lines from one and columns from zero.
        Self { what: what.into(), line: at.line(), column: at.col() + 1 }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

impl std::error::Error for YamlError {}

/// Parses a document, such as a template.
///
/// # Errors
/// The error with its line and column. Constructs that YAML readers interpret differently, such as a key that occurs
/// twice, and documents that would expand without bounds are errors.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, YamlError> {
    if is_utf16(bytes) {
        return Err(YamlError::new("the text is UTF-16; save it as UTF-8", Marker::new(0, 1, 0)));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        YamlError::new("the text is not UTF-8", Marker::new(e.valid_up_to(), line, column))
    })?;
    let mut text = Cow::Borrowed(text.trim_start_matches('\u{feff}'));
    for _ in 0..SPACED_MAX {
        match read(&text) {
            Err(error) => match comment_at(&error, &text) {
                Some(at) => text.to_mut().insert(at, ' '),
                None => return Err(error),
            },
            value => return value,
        }
    }
    read(&text)
}

/// How many comments may lack the space before them.
const SPACED_MAX: usize = 20;

/// The position of a comment directly behind a quote or bracket, if it is what an error is about: PyYAML takes it without the space that YAML
/// asks for.
fn comment_at(error: &YamlError, text: &str) -> Option<usize> {
    let begin: usize = text.split_inclusive('\n').take(error.line.checked_sub(1)?).map(str::len).sum();
    let line = text[begin..].lines().next()?;
    let (at, _) = line.char_indices().nth(error.column.checked_sub(1)?)?;
    let is_comment = line[at..].starts_with('#') && line[..at].ends_with(['"', '\'', '}', ']']);
    is_comment.then_some(begin + at)
}

fn read(text: &str) -> Result<Value, YamlError> {
    let mut builder = build::Builder::default();
    let mut documents = 0;
    // Indentation and the end of the last text are read as PyYAML does, and with it the AWS CLI and SAM.
    let options = options! { strict_indentation: false, block_scalar_eof_without_line_feed: true };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|e| unreadable(&e.info(), *e.marker(), text))?;
        let at = span.tag_start().unwrap_or(span.start);
        match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(YamlError::new("a second document begins", at));
                }
            }
            Event::Alias(anchor) => builder.alias(anchor, at)?,
            Event::Scalar(text, style, anchor, tag) => {
                builder.scalar(&text, style == ScalarStyle::Plain, anchor, tag.as_deref(), at)?;
            }
            Event::SequenceStart(_, anchor, tag) => builder.open(Vec::new(), anchor, tag.as_deref(), at)?,
            Event::MappingStart(_, anchor, tag) => {
                builder.open(build::Mapping::default(), anchor, tag.as_deref(), at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(at)?,
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            // With these options, the parser has no other events.
            other => return Err(YamlError::new(format!("the parser reports {other:?}"), at)),
        }
    }
    builder.finish().ok_or_else(|| YamlError::new("there is no document", Marker::new(0, 1, 0)))
}

/// The error of a document that is not YAML.
fn unreadable(what: &str, at: Marker, text: &str) -> YamlError {
    // A text may go on in the next line, and the parser names the line in which it began.
    let lines = text.lines().enumerate().skip(at.line().saturating_sub(1));
    let lines = lines.take(if what.contains("tab") { 2 } else { 1 });
    for (n, line) in lines {
        let indentation = line.chars().take_while(|c| c.is_whitespace());
        let is_first = n + 1 == at.line();
        let tab = indentation.take(if is_first { at.col() + 1 } else { usize::MAX }).position(|c| c == '\t');
        if let Some(column) = tab {
            let at = if is_first { at } else { Marker::new(0, n + 1, column) };
            return YamlError::new("a tab, which YAML does not allow for indentation: use spaces", at);
        }
    }
    YamlError::new(what, at)
}

/// The meaning of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// No tag.
    None,
    /// An intrinsic function of CloudFormation.
    Function(&'static str),
    /// `!!str`, or `!` alone.
    Text,
    /// `!!null`, `!!bool`, `!!int`, `!!float`.
    Resolved(&'static str),
    /// `!!map` and `!!seq`.
    Collection(&'static str),
}

/// CloudFormation's intrinsic functions that have a short form, by their full names
/// (AWS CloudFormation Template Reference, "Intrinsic functions", "Condition functions", "Rule functions").
const FUNCTIONS: [&str; 27] = [
    "Ref",
    "Condition",
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Contains",
    "Fn::EachMemberEquals",
    "Fn::EachMemberIn",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::GetAtt",
    "Fn::GetAZs",
    "Fn::GetStackOutput",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Not",
    "Fn::Or",
    "Fn::RefAll",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Fn::Transform",
    "Fn::ValueOf",
    "Fn::ValueOfAll",
];

fn meaning(tag: Option<&Tag>, at: Marker) -> Result<Meaning, YamlError> {
    let Some(tag) = tag else { return Ok(Meaning::None) };
    let (handle, suffix) = (tag.handle(), tag.suffix());
    let known = match (handle, suffix) {
        ("" | "!", "" | "!") => Some(Meaning::Text),
        ("!", name) => FUNCTIONS
            .into_iter()
            .find(|function| function.strip_prefix("Fn::").unwrap_or(function) == name)
            .map(Meaning::Function),
        ("tag:yaml.org,2002:", "str") => Some(Meaning::Text),
        ("tag:yaml.org,2002:", name) => ["null", "bool", "int", "float"]
            .into_iter()
            .find(|known| *known == name)
            .map(Meaning::Resolved)
            .or_else(|| ["map", "seq"].into_iter().find(|known| *known == name).map(Meaning::Collection)),
        _ => None,
    };
    known.ok_or_else(|| {
        let shown: String = format!("{handle}{suffix}").chars().take(64).collect();
        let shown = shown.replace("tag:yaml.org,2002:", "!!");
        YamlError::new(format!("CloudFormation does not know the tag {shown}"), at)
    })
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
