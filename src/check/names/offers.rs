//! Where in the standard library a missing name is defined: asked only when a name is missing.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::top::defined;
use crate::diagnostic::{Sink, nearest};
use crate::source::{Symbol, library_module, library_modules};
use crate::syntax::parse;

/// The names of the standard library, read on first use.
#[derive(Default)]
pub(in crate::check) struct Offers {
    /// Name to its spelling and module.
    known: OnceCell<BTreeMap<Symbol, (String, String)>>,
}

impl Offers {
    fn names(&self) -> &BTreeMap<Symbol, (String, String)> {
        self.known.get_or_init(|| {
            let mut names = BTreeMap::new();
            for module in library_modules() {
                let words: Vec<&str> = module.split('.').skip(1).collect();
                for file in library_module(&words) {
                    // A library text that does not parse is reported where it is imported.
                    let tree = parse(file.text, 0, &mut Sink::new());
                    for name in tree.items.iter().flat_map(defined) {
                        names.insert(name.key.clone(), (name.text.to_string(), module.clone()));
                    }
                }
            }
            names
        })
    }

    /// The module that defines `key`.
    pub(super) fn module_of(&self, key: &Symbol) -> Option<&str> {
        self.names().get(key).map(|(_, module)| module.as_str())
    }

    /// The nearest defined name with its module.
    pub(super) fn nearest(&self, key: &Symbol) -> Option<(&str, &str)> {
        let near = nearest(key.as_str(), self.names().keys().map(Symbol::as_str))?;
        self.names().get(&Symbol::folded(near)).map(|(name, module)| (name.as_str(), module.as_str()))
    }
}
