//! The modules of a crate and the names that each defines. Code that only tests compile is left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, UseTree};

/// A module: a file, or a `mod` block inside one.
pub struct Module {
    /// Names from the crate's root: `["spool", "log"]`; empty for the root.
    pub path: Vec<String>,
    /// The file relative to the crate's directory.
    pub file: String,
    pub items: Vec<Item>,
    /// The names that the module defines or imports.
    pub names: BTreeMap<String, Name>,
    /// Paths of `use path::*`.
    pub globs: Vec<Vec<String>>,
}

/// What a name in a module stands for.
#[derive(Clone)]
pub enum Name {
    Module(Vec<String>),
    /// Something that the module itself defines.
    Item,
    /// Another path, as written.
    Import(Vec<String>),
}

pub struct Tree {
    pub modules: BTreeMap<Vec<String>, Module>,
}

impl Tree {
    /// Reads `lib.rs` in `source` and every file that it declares.
    pub fn read(source: &Path) -> Self {
        let mut tree = Self { modules: BTreeMap::new() };
        let root = source.parent().unwrap().to_path_buf();
        tree.add_file(&root, &source.join("lib.rs"), Vec::new());
        tree
    }

    /// The names of the modules that `lib.rs` declares.
    pub fn top_modules(&self) -> Vec<String> {
        self.modules.keys().filter(|path| path.len() == 1).map(|path| path[0].clone()).collect()
    }

    /// Each type, trait and alias with the file that defines it.
    pub fn type_names(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for module in self.modules.values() {
            for item in &module.items {
                let name = match item {
                    Item::Struct(item) => &item.ident,
                    Item::Enum(item) => &item.ident,
                    Item::Trait(item) => &item.ident,
                    Item::Type(item) => &item.ident,
                    Item::Union(item) => &item.ident,
                    _ => continue,
                };
                found.push((name.to_string(), format!("{}:{}", module.file, name.span().start().line)));
            }
        }
        found
    }

    fn add_file(&mut self, root: &Path, file: &Path, path: Vec<String>) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_module(root, file, path, parsed.items);
    }

    fn add_module(&mut self, root: &Path, file: &Path, path: Vec<String>, items: Vec<Item>) {
        let items: Vec<Item> = items.into_iter().filter(|item| !is_for_tests(attributes(item))).collect();
        let mut names = BTreeMap::new();
        let mut globs = Vec::new();
        for item in &items {
            match item {
                Item::Mod(child) => {
                    let child_path: Vec<String> =
                        path.iter().cloned().chain([child.ident.to_string()]).collect();
                    match &child.content {
                        Some((_, inner)) => self.add_module(root, file, child_path.clone(), inner.clone()),
                        None => {
                            let child_file = file_of(file, &path, &child.ident.to_string());
                            self.add_file(root, &child_file, child_path.clone());
                        }
                    }
                    names.insert(child.ident.to_string(), Name::Module(child_path));
                }
                Item::Use(item) => {
                    for (name, target) in flatten(&item.tree) {
                        match name {
                            Some(name) => drop(names.entry(name).or_insert(Name::Import(target))),
                            None => globs.push(target),
                        }
                    }
                }
                other => {
                    if let Some(name) = defined(other) {
                        names.insert(name, Name::Item);
                    }
                }
            }
        }
        let file = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        self.modules.insert(path.clone(), Module { path, file, items, names, globs });
    }

    /// The module that defines what `path` stands for, seen from the module `scope`; `None` for what other crates define
    /// and for paths that end at a module.
    pub fn definition(&self, scope: &[String], path: &[String]) -> Option<&Module> {
        self.resolve(scope, path, 0)
    }

    fn resolve(&self, scope: &[String], path: &[String], depth: usize) -> Option<&Module> {
        // Imports that import each other would go on for ever.
        if depth > 16 {
            return None;
        }
        let mut module = scope.to_vec();
        let mut rest = path;
        let mut anchored = false;
        while let Some(first) = rest.first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            anchored = true;
            rest = &rest[1..];
        }
        loop {
            let (first, after) = rest.split_first()?;
            let here = self.modules.get(&module)?;
            match here.names.get(first) {
                Some(Name::Module(child)) => module = child.clone(),
                Some(Name::Item) => return Some(here),
                Some(Name::Import(target)) => {
                    // `use crate::x;` followed by `x::Y` is `crate::x::Y`; an import of the same name is another crate.
                    if target.first() == Some(first) && !anchored {
                        return None;
                    }
                    let whole: Vec<String> = target.iter().chain(after).cloned().collect();
                    return self.resolve(&module, &whole, depth + 1);
                }
                None => {
                    return here.globs.iter().find_map(|glob| {
                        let whole: Vec<String> = glob.iter().chain(rest).cloned().collect();
                        self.resolve(&module, &whole, depth + 1)
                    });
                }
            }
            anchored = true;
            rest = after;
        }
    }
}

/// The file of the module `name`, which `parent` declares.
fn file_of(parent: &Path, path: &[String], name: &str) -> PathBuf {
    let directory = match parent.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => parent.parent().unwrap().to_path_buf(),
        stem => parent.parent().unwrap().join(stem),
    };
    let file = directory.join(format!("{name}.rs"));
    if file.is_file() {
        return file;
    }
    let file = directory.join(name).join("mod.rs");
    assert!(file.is_file(), "the file of {name} in {path:?} was not found");
    file
}

/// Whether only tests or fuzzing compile what has these attributes.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_test = attribute.path().is_ident("test")
            || attribute.path().segments.last().is_some_and(|last| last.ident == "test");
        let condition =
            || attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        is_test
            || (attribute.path().is_ident("cfg")
                && matches!(condition().as_str(), "test" | "fuzzing" | "any (test , fuzzing)"))
    })
}

/// The attributes of an item that can be left out of a build.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// Each name that a `use` brings in, with the whole path it stands for; no name for a glob.
pub fn flatten(tree: &UseTree) -> Vec<(Option<String>, Vec<String>)> {
    match tree {
        UseTree::Path(path) => {
            let mut inner = flatten(&path.tree);
            for (name, target) in &mut inner {
                // `a::{self}` is `a`.
                if target == &["self"] {
                    *name =
                        name.take().map(|name| if name == "self" { path.ident.to_string() } else { name });
                    target.clear();
                }
                target.insert(0, path.ident.to_string());
            }
            inner
        }
        UseTree::Name(name) => vec![(Some(name.ident.to_string()), vec![name.ident.to_string()])],
        UseTree::Rename(rename) => {
            vec![(Some(rename.rename.to_string()), vec![rename.ident.to_string()])]
        }
        UseTree::Glob(_) => vec![(None, Vec::new())],
        UseTree::Group(group) => group.items.iter().flat_map(flatten).collect(),
    }
}
