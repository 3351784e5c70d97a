//! Scopes: what names are at a place, which time is bound there, and over which horizon times run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::ty::{TimeTy, Ty};
use crate::source::{Name, Symbol};
use crate::syntax::tree::Let;

/// A name's meaning.
#[derive(Clone)]
pub(crate) enum Binding<'a> {
    Value(Ty<'a>),
    /// A `let` that is typed when first asked for, in the scope that holds it.
    Lazy(&'a Let),
    /// Being typed.
    Busy,
}

/// The innermost bound time, as a scope sees it.
#[derive(Clone)]
enum Now {
    /// As outside.
    Inherited,
    /// None: the inside of a function or of a `let`.
    Nothing,
    /// This one.
    Bound(TimeTy),
}

/// The ends of the horizon: as numbers where known, and as written.
#[derive(Clone, Debug)]
pub(crate) struct Horizon {
    pub(crate) from: Option<f64>,
    pub(crate) to: Option<f64>,
    /// Canonical texts.
    pub(crate) texts: Option<(String, String)>,
}

/// The path with which the times of a scope end.
#[derive(Clone)]
pub(crate) struct PathTy {
    pub(crate) name: Name,
    /// Whether it stops before the end of the horizon.
    pub(crate) stops: bool,
}

/// Names and the scope around them.
pub(crate) struct Scope<'a> {
    names: RefCell<BTreeMap<Symbol, Binding<'a>>>,
    parent: Option<Rc<Scope<'a>>>,
    /// The module whose top-level names are seen from here.
    pub(crate) module: usize,
    now: Now,
    horizon: RefCell<Option<Rc<Horizon>>>,
    path: RefCell<Option<PathTy>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn root(module: usize) -> Rc<Self> {
        Rc::new(Self {
            names: RefCell::default(),
            parent: None,
            module,
            now: Now::Nothing,
            horizon: RefCell::default(),
            path: RefCell::default(),
        })
    }

    pub(crate) fn child(parent: &Rc<Self>) -> Rc<Self> {
        Self::within(parent, Now::Inherited)
    }

    /// A scope in which no time is bound, whatever is around.
    pub(crate) fn timeless(parent: &Rc<Self>) -> Rc<Self> {
        Self::within(parent, Now::Nothing)
    }

    /// A scope in which `time` is the innermost bound time.
    pub(crate) fn at(parent: &Rc<Self>, time: TimeTy) -> Rc<Self> {
        Self::within(parent, Now::Bound(time))
    }

    fn within(parent: &Rc<Self>, now: Now) -> Rc<Self> {
        Rc::new(Self {
            names: RefCell::default(),
            parent: Some(parent.clone()),
            module: parent.module,
            now,
            horizon: RefCell::default(),
            path: RefCell::default(),
        })
    }

    pub(crate) fn bind(&self, name: &Symbol, ty: Ty<'a>) {
        self.set(name, Binding::Value(ty));
    }

    pub(crate) fn set(&self, name: &Symbol, binding: Binding<'a>) {
        self.names.borrow_mut().insert(name.clone(), binding);
    }

    /// The meaning of a name here or further out, with the scope that holds it.
    pub(crate) fn find(self: &Rc<Self>, name: &Symbol) -> Option<(Rc<Self>, Binding<'a>)> {
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

    /// The names bound in this very scope.
    pub(crate) fn own_names(&self) -> Vec<Symbol> {
        self.names.borrow().keys().cloned().collect()
    }

    /// The innermost bound time.
    pub(crate) fn now(&self) -> Option<TimeTy> {
        match &self.now {
            Now::Inherited => self.parent.as_ref().and_then(|parent| parent.now()),
            Now::Nothing => None,
            Now::Bound(time) => Some(time.clone()),
        }
    }

    pub(crate) fn set_horizon(&self, horizon: Horizon) {
        *self.horizon.borrow_mut() = Some(Rc::new(horizon));
    }

    pub(crate) fn horizon(&self) -> Option<Rc<Horizon>> {
        self.horizon.borrow().clone().or_else(|| self.parent.as_ref().and_then(|parent| parent.horizon()))
    }

    pub(crate) fn set_path(&self, path: PathTy) {
        *self.path.borrow_mut() = Some(path);
    }

    /// The last path of the bodies around.
    pub(crate) fn path(&self) -> Option<PathTy> {
        self.path.borrow().clone().or_else(|| self.parent.as_ref().and_then(|parent| parent.path()))
    }
}
