//! A checked program: what `check` returns and all that `lower` may read.
//!
//! In: trees whose names, kinds, shapes and axes were found right. Out: modules with resolved names, and the structure
//! of every problem. May not know: how anything runs.

mod structure;

pub use structure::{Fact, Predicate, StateEquation, Structure, UnmetRequirement};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::source::{Symbol, Tensors};
use crate::syntax::tree::File;

/// All files of an experiment.
#[derive(Clone, Debug)]
pub struct Checked {
    /// In an order in which imports come first; the entry is last.
    pub modules: Vec<Module>,
    /// The structure of every problem definition, under its module and item.
    pub structures: BTreeMap<(usize, usize), Structure>,
}

impl Checked {
    /// The file that is run.
    ///
    /// # Panics
    /// Never: a checked program has an entry.
    pub fn entry(&self) -> &Module {
        self.modules.last().expect("a checked program has an entry")
    }
}

/// One file with its top-level names.
#[derive(Clone, Debug)]
pub struct Module {
    /// `std.losses`, or the path of the file as the author gave it.
    pub path: String,
    /// The tree, with overrides of the command line applied.
    pub tree: File,
    /// What every top-level name of this file stands for: (module, item).
    pub names: BTreeMap<Symbol, (usize, usize)>,
    /// The files of numbers that it names, as it writes them.
    pub data: BTreeMap<Arc<str>, Arc<Tensors>>,
}
