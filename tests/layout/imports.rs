//! Which file uses what another file defines. Every path of the code counts, not only `use` lines; a re-export (`pub use`)
//! does not, because it is a module's interface and not a need of its own.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{ItemUse, Macro, Visibility};

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

/// All imports of the crate.
pub fn imports(tree: &Tree) -> Vec<Import> {
    let mut found = Vec::new();
    for module in tree.modules.values() {
        let mut visitor = Paths { tree, module, found: &mut found };
        for item in &module.items {
            if !matches!(item, syn::Item::Mod(_)) {
                visitor.visit_item(item);
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

    /// Macros are not parsed: their tokens are searched for `a::b`.
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
        if path.len() > 1 {
            self.record(path, line);
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !matches!(item.vis, Visibility::Inherited) || is_for_tests(&item.attrs) {
            return;
        }
        for (name, path) in flatten(&item.tree) {
            if name.is_some() {
                self.record(&path, item.span().start().line);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.record(&names, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.record_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }
}
