//! The texts that people read: refusals, causes, errors, and what to do about them, read from the syntax.

use crate::is_test;
use std::path::Path;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprCall, ExprLit, ExprMacro, Item, Lit, Token};

/// Functions whose arguments are shown to people.
const SHOWN: [&str; 9] = [
    "Refusal::new",
    "Cause::new",
    "CliError::usage",
    "CliError::failed",
    "invalid",
    "missing",
    "conflict",
    "refused",
    "misfit",
];

/// One text: where it is, and what it says. Placeholders stay as they are: `{service} has no stage {stage}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// The file.
    pub place: String,
    /// The text.
    pub text: String,
}

/// The texts of the files below a folder; those of tests are left out.
///
/// # Panics
/// When a file cannot be read or parsed: it is not part of a project that builds.
pub fn of(folder: &Path) -> Vec<Text> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                let syntax = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let mut collector = Collector { file: path.display().to_string(), found: Vec::new() };
                collector.visit_file(&syntax);
                found.extend(collector.found);
            }
        }
    }
    found.sort();
    found
}

struct Collector {
    file: String,
    found: Vec<Text>,
}

impl Collector {
    fn add(&mut self, literal: &syn::LitStr) {
        self.found.push(Text { place: self.file.clone(), text: literal.value() });
    }

    /// The text of an argument: a literal, or the first literal of a `format!`, also behind `.into()` or `&`.
    fn argument(&mut self, argument: &Expr) {
        match argument {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => self.add(text),
            Expr::Macro(ExprMacro { mac, .. }) => {
                let parts = mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
                if let Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = parts.iter().flatten().next() {
                    self.add(text);
                }
            }
            Expr::MethodCall(call) => self.argument(&call.receiver),
            Expr::Reference(reference) => self.argument(&reference.expr),
            _ => {}
        }
    }
}

impl Visit<'_> for Collector {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Mod(module) => module.attrs.as_slice(),
            Item::Fn(function) => &function.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    /// `let what = format!(…)` and `let fix = "…"`: how long texts are written.
    fn visit_local(&mut self, local: &syn::Local) {
        if let syn::Pat::Ident(name) = &local.pat
            && ["what", "fix", "text", "why"].contains(&name.ident.to_string().as_str())
            && let Some(value) = &local.init
        {
            self.argument(&value.expr);
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_call(&mut self, call: &ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let names: Vec<String> = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
            let name = names[names.len().saturating_sub(2)..].join("::");
            if SHOWN.contains(&name.as_str()) {
                call.args.iter().for_each(|argument| self.argument(argument));
            }
        }
        visit::visit_expr_call(self, call);
    }

    /// `#[error("…")]` of thiserror.
    fn visit_attribute(&mut self, attribute: &Attribute) {
        if attribute.path().is_ident("error")
            && let Ok(text) = attribute.parse_args::<syn::LitStr>()
        {
            self.add(&text);
        }
    }
}
