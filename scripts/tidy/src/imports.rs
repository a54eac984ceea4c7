//! The imports among the files of a crate, from their syntax trees.

use crate::is_test;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, UseTree, Visibility};

/// The imports among the files of one crate, by module path (`crate::rollout::observe`).
///
/// A name that a `mod.rs` re-exports counts as an import of the file that defines it. Names that the `mod.rs` of the
/// same folder defines, and tests, do not count.
#[derive(Debug, Default)]
pub struct Imports {
    edges: BTreeMap<String, BTreeSet<String>>,
}

/// The paths that one file uses and re-exports.
#[derive(Default)]
struct Mentions {
    module: Vec<String>,
    paths: Vec<Vec<String>>,
    reexports: Vec<(String, Vec<String>)>,
}

impl Imports {
    /// Reads the crate with the sources in `src`.
    ///
    /// # Panics
    /// A file cannot be read or parsed.
    pub fn of(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        read(src, &mut vec!["crate".to_owned()], &mut files);
        let mut reexports = BTreeMap::new();
        for (module, mentions) in &files {
            for (name, path) in &mentions.reexports {
                reexports.insert(format!("{module}::{name}"), absolute(&files, &mentions.module, path));
            }
        }
        let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
        for (module, mentions) in &files {
            for path in &mentions.paths {
                let path = absolute(&files, &mentions.module, path);
                let Some(file) = path.and_then(|path| file_of(&files, &reexports, path)) else { continue };
                let is_own_folder = module.starts_with(&format!("{file}::"));
                if file != *module && !is_own_folder {
                    edges.entry(module.clone()).or_default().insert(file);
                }
            }
        }
        Self { edges }
    }

    /// A cycle of imports, if there is one: each file imports the next one, and the last imports the first.
    pub fn circle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.edges.keys().find_map(|start| self.circle_from(start, &mut Vec::new(), &mut done))
    }

    fn circle_from(
        &self,
        file: &str,
        open: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = open.iter().position(|seen| seen == file) {
            return Some(open[at..].to_vec());
        }
        if !done.insert(file.to_owned()) {
            return None;
        }
        open.push(file.to_owned());
        let next = self.edges.get(file).into_iter().flatten();
        let found = next.into_iter().find_map(|next| self.circle_from(next, open, done));
        open.pop();
        found
    }
}

fn read(folder: &Path, module: &mut Vec<String>, files: &mut BTreeMap<String, Mentions>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() {
            module.push(name);
            read(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|end| end == "rs") && !name.ends_with("tests") {
            let text = std::fs::read_to_string(&path).expect("a file");
            let syntax = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let mut module = module.clone();
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                module.push(name);
            }
            let mut mentions = Mentions { module: module.clone(), ..Mentions::default() };
            mentions.visit_file(&syntax);
            files.insert(module.join("::"), mentions);
        }
    }
}

/// A path from the root of the crate; `None` if it leads to another crate.
fn absolute(files: &BTreeMap<String, Mentions>, module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = module.to_vec();
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate") => return Some(path.to_vec()),
        Some("self") => rest = &path[1..],
        Some("super") => {
            while rest.first().is_some_and(|segment| segment == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        // Not a child of this module: another crate.
        Some(first) if !files.contains_key(&format!("{}::{first}", module.join("::"))) => return None,
        _ => {}
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The file that defines the item of a path.
fn file_of(
    files: &BTreeMap<String, Mentions>,
    reexports: &BTreeMap<String, Option<Vec<String>>>,
    mut path: Vec<String>,
) -> Option<String> {
    /// Most re-exports to follow for one name.
    const HOPS_MAX: usize = 8;
    for _ in 0..HOPS_MAX {
        let hit = (1..=path.len()).rev().find_map(|length| {
            let (front, rest) = path.split_at(length);
            let key = front.join("::");
            match reexports.get(&key) {
                Some(Some(to)) => Some(Err([to, rest].concat())),
                _ if files.contains_key(&key) => Some(Ok(key)),
                _ => None,
            }
        });
        match hit? {
            Ok(file) => return Some(file),
            Err(next) => path = next,
        }
    }
    None
}

fn leaves(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            leaves(&inner.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|item| leaves(item, path, found)),
        UseTree::Glob(_) => found.push(("*".into(), path.clone())),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((path.last().cloned().unwrap_or_default(), path.clone()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            found.push((name.clone(), [path.as_slice(), &[name]].concat()));
        }
        UseTree::Rename(renamed) => {
            let path = [path.as_slice(), &[renamed.ident.to_string()]].concat();
            found.push((renamed.rename.to_string(), path));
        }
    }
}

impl Visit<'_> for Mentions {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Mod(ItemMod { attrs, .. }) | Item::Use(ItemUse { attrs, .. }) => attrs.as_slice(),
            Item::Fn(function) => &function.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut found);
        match item.vis {
            Visibility::Inherited => self.paths.extend(found.into_iter().map(|(_, path)| path)),
            _ => self.reexports.extend(found),
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if segments.len() > 1 {
            self.paths.push(segments);
        }
        visit::visit_path(self, path);
    }
}
