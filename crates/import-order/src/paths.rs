//! The paths that stand in a piece of source: in `use`, in code and types, and among the arguments of macros.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, Macro, Meta, Token, UseTree, Visibility};

pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// One name that a `use` brings in.
pub struct Import {
    pub path: Path,
    /// What it is called here; `None`: everything that is in it (`*`).
    pub name: Option<String>,
    /// It can be imported from here in turn.
    pub is_passed_on: bool,
}

/// All that a `use` brings in. Nothing if it begins with `::`, as that is another crate's.
pub fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        let is_passed_on = !matches!(item.vis, Visibility::Inherited);
        flatten(&item.tree, &mut Vec::new(), is_passed_on, &mut found);
    }
    found
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, is_passed_on: bool, found: &mut Vec<Import>) {
    let mut add = |last: Option<&Ident>, name: Option<&Ident>, line: usize| {
        let mut segments = prefix.clone();
        segments.extend(last.filter(|last| *last != "self").map(Ident::to_string));
        let name = match name {
            Some(name) if name == "self" => segments.last().cloned(),
            other => other.map(Ident::to_string),
        };
        found.push(Import {
            path: Path { segments, line },
            name,
            is_passed_on,
        });
    };
    match tree {
        UseTree::Name(leaf) => add(Some(&leaf.ident), Some(&leaf.ident), line(&leaf.ident)),
        UseTree::Rename(leaf) => add(Some(&leaf.ident), Some(&leaf.rename), line(&leaf.ident)),
        UseTree::Glob(leaf) => add(None, None, leaf.star_token.spans[0].start().line),
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, is_passed_on, found);
            prefix.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, prefix, is_passed_on, found);
            }
        }
    }
}

fn line(ident: &Ident) -> usize {
    ident.span().start().line
}

/// Of an item that is neither a module nor a `use`: those with more than one segment.
pub fn paths(item: &Item) -> Vec<Path> {
    let mut collector = Collector(Vec::new());
    collector.visit_item(item);
    collector.0
}

struct Collector(Vec<Path>);

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0
            .extend(imports(item).into_iter().map(|import| import.path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first()
            && path.leading_colon.is_none()
            && path.segments.len() > 1
        {
            let names = path.segments.iter();
            self.0.push(Path {
                segments: names.map(|segment| segment.ident.to_string()).collect(),
                line: line(&first.ident),
            });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.collect_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.collect_tokens(list.tokens.clone());
        }
    }

    /// `pub(in crate::room)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

impl Collector {
    /// Each `a::b::c` in it, whatever it stands for.
    fn collect_tokens(&mut self, tokens: TokenStream) {
        let mut path: Option<Path> = None;
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) => {
                    match &mut path {
                        Some(path) if colons == 2 => path.segments.push(ident.to_string()),
                        _ => {
                            self.take(path.take());
                            // `::b` is another crate's; after a single colon stands a type.
                            path = (colons < 2).then(|| Path {
                                segments: vec![ident.to_string()],
                                line: line(ident),
                            });
                        }
                    }
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && colons < 2 => colons += 1,
                other => {
                    if let TokenTree::Group(group) = other {
                        self.collect_tokens(group.stream());
                    }
                    self.take(path.take());
                    colons = 0;
                }
            }
        }
        self.take(path);
    }

    fn take(&mut self, path: Option<Path>) {
        self.0.extend(path.filter(|path| path.segments.len() > 1));
    }
}

pub fn attributes(item: &Item) -> &[Attribute] {
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

/// Whether it is there in tests only: `#[cfg(test)]`, `#[cfg(all(test, …))]`. What is not understood is there always.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Meta>()
                .is_ok_and(|condition| needs_test(&condition))
    })
}

fn needs_test(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
        list.parse_args_with(parse).unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => parts(list).iter().all(needs_test),
        _ => false,
    }
}
