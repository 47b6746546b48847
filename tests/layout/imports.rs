//! Which file uses what another file defines. Every path of the code counts, not only `use` lines; a re-export (`pub use`)
//! does not, because it is a module's interface and not a need of its own.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::{ImplItem, Item, ItemImpl, ItemUse, Visibility};

use crate::tree::{Module, Tree, flatten, is_for_tests};

/// A use of something that another module defines.
pub struct Import {
    /// The using module's file and line.
    pub file: String,
    pub line: usize,
    /// The path as it is written.
    pub path: String,
    /// The file that defines what the path stands for.
    pub target: String,
    /// The paths of both modules.
    pub from: Vec<String>,
    pub to: Vec<String>,
}

impl Import {
    /// Whether both ends lie in the top module `name`.
    pub fn is_within(&self, name: &str) -> bool {
        [&self.from, &self.to].iter().all(|path| path.first().is_some_and(|first| first == name))
    }
}

pub fn imports(tree: &Tree) -> Vec<Import> {
    let mut found = Vec::new();
    for module in tree.modules.values() {
        let mut paths = Paths { tree, module, found: &mut found };
        for item in &module.items {
            match item {
                // Modules are in the tree themselves, and re-exports do not count as imports of their module.
                Item::Mod(_) => {}
                Item::Use(item) => paths.record_use(item),
                Item::Impl(item) => paths.record_impl(item.clone()),
                item => paths.record_tokens(item.to_token_stream()),
            }
        }
    }
    found
}

struct Paths<'a> {
    tree: &'a Tree,
    module: &'a Module,
    found: &'a mut Vec<Import>,
}

impl Paths<'_> {
    fn record(&mut self, path: &[String], line: usize) {
        let Some(definition) = self.tree.definition(&self.module.path, path) else { return };
        self.found.push(Import {
            file: self.module.file.clone(),
            line,
            path: path.join("::"),
            target: definition.file.clone(),
            from: self.module.path.clone(),
            to: definition.path.clone(),
        });
    }

    fn record_use(&mut self, item: &ItemUse) {
        if matches!(item.vis, Visibility::Inherited) {
            for (name, path) in flatten(&item.tree) {
                if name.is_some() {
                    self.record(&path, item.span().start().line);
                }
            }
        }
    }

    fn record_impl(&mut self, mut item: ItemImpl) {
        item.items
            .retain(|member| !matches!(member, ImplItem::Fn(function) if is_for_tests(&function.attrs)));
        self.record_tokens(item.into_token_stream());
    }

    /// Records each path `a::b` or `a` in the tokens, in bodies and macros too.
    fn record_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons < 2 {
                        self.end_path(&mut path, line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.end_path(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.record_tokens(group.stream());
                    }
                }
            }
        }
        self.end_path(&mut path, line);
    }

    fn end_path(&mut self, path: &mut Vec<String>, line: usize) {
        // A lower-case word alone is a variable, a field or a method.
        let is_path = path.len() > 1 || path.first().is_some_and(|name| name.starts_with(char::is_uppercase));
        if is_path {
            self.record(path, line);
        }
        path.clear();
    }
}
