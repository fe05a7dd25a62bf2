//! The modules of a crate, as `mod` declares them, with what each defines, imports and mentions.

use std::collections::{HashMap, HashSet};

use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use crate::paths::{self, Path, attributes, imports, is_for_tests};
use crate::sources::Sources;

pub type ModuleId = usize;

#[derive(Default)]
pub struct Module {
    /// Below `src`.
    pub file: String,
    pub parent: Option<ModuleId>,
    pub children: HashMap<String, ModuleId>,
    /// Names that are defined in it, other than modules.
    pub items: HashSet<String>,
    /// Names that it imports, and what each stands for.
    pub aliases: HashMap<String, Vec<String>>,
    /// What it imports all names of.
    pub globs: Vec<Vec<String>>,
    pub mentions: Vec<Mention>,
}

pub struct Mention {
    pub path: Path,
    /// By a `pub use`: others can import it from here.
    pub is_passed_on: bool,
}

pub struct Tree {
    pub modules: Vec<Module>,
    /// The library's root, and the name that the crate's programs import it by.
    pub library: Option<(String, ModuleId)>,
    pub roots: Vec<ModuleId>,
}

impl Tree {
    /// `name`: of the crate.
    pub fn read(sources: &Sources, name: &str) -> syn::Result<Self> {
        let mut tree = Self {
            modules: Vec::new(),
            library: None,
            roots: Vec::new(),
        };
        for (root, text) in sources.roots() {
            let folder = &root[..root.rfind('/').map_or(0, |at| at + 1)];
            let id = tree.add_file(sources, (root, text), None, folder)?;
            tree.roots.push(id);
            if root == "lib.rs" {
                tree.library = Some((name.replace('-', "_"), id));
            }
        }
        Ok(tree)
    }

    pub fn root_of(&self, module: ModuleId) -> ModuleId {
        let mut root = module;
        while let Some(parent) = self.modules[root].parent {
            root = parent;
        }
        root
    }

    pub fn is_below(&self, module: ModuleId, above: ModuleId) -> bool {
        let mut parent = self.modules[module].parent;
        while let Some(at) = parent {
            if at == above {
                return true;
            }
            parent = self.modules[at].parent;
        }
        false
    }

    /// `folder`: where the files of its children are; empty, or with a slash at its end.
    fn add_file(
        &mut self,
        sources: &Sources,
        (file, text): (&str, &str),
        parent: Option<ModuleId>,
        folder: &str,
    ) -> syn::Result<ModuleId> {
        let parsed = syn::parse_file(text).map_err(|error| {
            let line = error.span().start().line;
            syn::Error::new(error.span(), format!("{file}:{line}: {error}"))
        })?;
        let id = self.add(file, parent);
        self.add_items(sources, id, &parsed.items, folder)?;
        Ok(id)
    }

    fn add(&mut self, file: &str, parent: Option<ModuleId>) -> ModuleId {
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    fn add_items(
        &mut self,
        sources: &Sources,
        module: ModuleId,
        items: &[Item],
        folder: &str,
    ) -> syn::Result<()> {
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            match item {
                Item::Mod(child) => self.add_module(sources, module, child, folder)?,
                Item::Use(item) => {
                    let to = &mut self.modules[module];
                    for import in imports(item) {
                        match import.name {
                            Some(name) => to.aliases.insert(name, import.path.segments.clone()),
                            None => {
                                to.globs.push(import.path.segments.clone());
                                None
                            }
                        };
                        to.mentions.push(Mention {
                            path: import.path,
                            is_passed_on: import.is_passed_on,
                        });
                    }
                }
                item => {
                    let to = &mut self.modules[module];
                    to.items.extend(name_of(item));
                    to.mentions
                        .extend(paths::paths(item).into_iter().map(|path| Mention {
                            path,
                            is_passed_on: false,
                        }));
                }
            }
        }
        Ok(())
    }

    fn add_module(
        &mut self,
        sources: &Sources,
        parent: ModuleId,
        item: &ItemMod,
        folder: &str,
    ) -> syn::Result<()> {
        let name = item.ident.to_string();
        let below = format!("{folder}{name}/");
        let id = if let Some((_, items)) = &item.content {
            let file = self.modules[parent].file.clone();
            let id = self.add(&file, Some(parent));
            self.add_items(sources, id, items, &below)?;
            id
        } else {
            let declared_in = &self.modules[parent].file;
            let beside = &declared_in[..declared_in.rfind('/').map_or(0, |at| at + 1)];
            let given = given_path(&item.attrs).map(|path| format!("{beside}{path}"));
            let usual = [format!("{folder}{name}.rs"), format!("{below}mod.rs")];
            let mut files = given.into_iter().chain(usual);
            let found = files.find_map(|file| sources.0.get_key_value(&file));
            let Some((file, text)) = found else {
                let message = format!("no file of module {name}, below {folder:?}");
                return Err(syn::Error::new(item.ident.span(), message));
            };
            self.add_file(sources, (file, text), Some(parent), &below)?
        };
        self.modules[parent].children.insert(name, id);
        Ok(())
    }
}

/// `#[path = "…"]`
fn given_path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else {
            return None;
        };
        match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) if pair.path.is_ident("path") => Some(text.value()),
            _ => None,
        }
    })
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
