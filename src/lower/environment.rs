//! Scopes: what names stand for at a place.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::stopping::Clock;
use super::time::Grid;
use super::value::Value;
use crate::source::Symbol;
use crate::syntax::tree::{Let, Statement};

/// A name's meaning.
#[derive(Clone)]
pub enum Binding<'a> {
    /// Known.
    Value(Value<'a>),
    /// A `let` that is worked out when first asked for, in its own scope.
    Lazy(&'a Let),
    /// A `let` that depends on the innermost bound time: worked out at every use.
    Timed(&'a Let),
    /// A `process` of a problem, solved when first asked for.
    Process(&'a Statement),
    /// Being worked out.
    Busy,
    /// Known before, but not here, and why.
    Lost(Rc<str>),
}

/// Names and the scope around them.
pub struct Scope<'a> {
    names: RefCell<HashMap<Symbol, Binding<'a>>>,
    parent: Option<Rc<Scope<'a>>>,
    /// The module whose top-level names are seen from here.
    pub module: usize,
    grid: RefCell<Option<Rc<Grid>>>,
    ends: RefCell<Ends>,
}

/// Where the times of a scope end.
#[derive(Clone, Default)]
pub enum Ends {
    /// As in the scope around; with the horizon where none says otherwise.
    #[default]
    Outside,
    /// With a path that is yet to be drawn.
    Unknown,
    /// With this path of a problem that stops.
    Stopped(Rc<Clock>),
}

impl<'a> Scope<'a> {
    /// The outermost scope of a module.
    pub fn root(module: usize) -> Rc<Self> {
        Rc::new(Self {
            names: RefCell::default(),
            parent: None,
            module,
            grid: RefCell::default(),
            ends: RefCell::default(),
        })
    }

    /// A scope inside another.
    pub fn child(parent: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self {
            names: RefCell::default(),
            parent: Some(parent.clone()),
            module: parent.module,
            grid: RefCell::default(),
            ends: RefCell::default(),
        })
    }

    /// Gives a name a value.
    pub fn bind(&self, name: &Symbol, value: Value<'a>) {
        self.set(name, Binding::Value(value));
    }

    /// Gives a name a meaning.
    pub fn set(&self, name: &Symbol, binding: Binding<'a>) {
        self.names.borrow_mut().insert(name.clone(), binding);
    }

    /// The meaning of a name here or further out, with the scope that holds it.
    pub fn find(self: &Rc<Self>, name: &Symbol) -> Option<(Rc<Self>, Binding<'a>)> {
        let mut scope = self.clone();
        loop {
            let found = scope.names.borrow().get(name).cloned();
            if let Some(binding) = found {
                return Some((scope, binding));
            }
            let parent = scope.parent.clone()?;
            scope = parent;
        }
    }

    /// Sets the grid that integrals here run over.
    pub fn set_grid(&self, grid: Rc<Grid>) {
        *self.grid.borrow_mut() = Some(grid);
    }

    /// The grid that integrals here run over.
    pub fn grid(&self) -> Option<Rc<Grid>> {
        self.grid.borrow().clone().or_else(|| self.parent.as_ref().and_then(|p| p.grid()))
    }

    /// Sets where times end here.
    pub fn set_ends(&self, ends: Ends) {
        *self.ends.borrow_mut() = ends;
    }

    /// Where times end here.
    pub fn ends(&self) -> Ends {
        match (&*self.ends.borrow(), &self.parent) {
            (Ends::Outside, Some(parent)) => parent.ends(),
            (ends, _) => ends.clone(),
        }
    }
}
