//! What every name stands for.
//!
//! In: the trees of all files, imports first. Out: the top-level names of each file, and an error for every name that
//! nothing binds or that is bound twice. May not know: types; a member after a dot is the typing's business.

mod body;
mod errors;
mod expr;
mod offers;
mod top;

pub(super) use offers::Offers;
pub(super) use top::{Resolved, resolve_module};

use std::collections::BTreeMap;

use self::errors::{GivenTwice, UnknownName};
use super::builtin;
use crate::diagnostic::Sink;
use crate::diagnostic::nearest;
use crate::source::{Name, Span, Symbol};

/// What a local name is, as far as names need to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    Noise,
}

/// The scopes around a place and the file's own names.
struct Resolver<'a> {
    sink: &'a mut Sink,
    /// Names of the file with their spellings.
    top: &'a BTreeMap<Symbol, (String, Span)>,
    /// Where else a name could come from: the clause that would import it.
    offers: &'a Offers,
    frames: Vec<BTreeMap<Symbol, (Name, Role)>>,
}

impl Resolver<'_> {
    fn enter(&mut self) {
        self.frames.push(BTreeMap::new());
    }

    fn leave(&mut self) {
        self.frames.pop();
    }

    /// Binds a name in the innermost frame; a second time there is an error.
    fn declare(&mut self, name: &Name, role: Role) {
        let frame = self.frames.last_mut().expect("a frame is entered before names are declared in it");
        if let Some((first, _)) = frame.get(&name.key) {
            let error = GivenTwice { name: name.text.to_string(), second: name.span, first: first.span };
            self.sink.push(error);
            return;
        }
        frame.insert(name.key.clone(), (name.clone(), role));
    }

    /// Binds a name whether or not the frame has it: for the bound variables of integrals and sums.
    fn bind(&mut self, name: &Name) {
        let frame = self.frames.last_mut().expect("a frame is entered before names are bound in it");
        frame.insert(name.key.clone(), (name.clone(), Role::Plain));
    }

    /// Binds a time under its usual name, where a text leaves its name out.
    fn bind_usual(&mut self, text: &str, span: Span) {
        let name = crate::source::name(text, span);
        self.bind(&name);
    }

    fn is_local(&self, key: &Symbol) -> bool {
        self.frames.iter().any(|frame| frame.contains_key(key))
    }

    fn is_known(&self, key: &Symbol) -> bool {
        self.is_local(key) || self.top.contains_key(key) || builtin::is_builtin(key.as_str())
    }

    fn is_noise(&self, key: &Symbol) -> bool {
        let found = self.frames.iter().rev().find_map(|frame| frame.get(key));
        found.is_some_and(|(_, role)| *role == Role::Noise)
    }

    /// Reports `name` unless something binds it.
    fn need(&mut self, name: &Name) {
        if self.is_known(&name.key) {
            return;
        }
        let help = self.help_for(name);
        self.sink.push(UnknownName { name: name.text.to_string(), help, at: name.span });
    }

    fn help_for(&self, name: &Name) -> String {
        if let Some(module) = self.offers.module_of(&name.key) {
            return format!("import it: `use {module}.{{{name}}}`");
        }
        let locals = self.frames.iter().rev().flat_map(|frame| frame.values().map(|(name, _)| &*name.text));
        let tops = self.top.values().map(|(text, _)| text.as_str());
        let known: Vec<&str> = locals.chain(tops).chain(builtin::names().map(|name| -> &str { name })).collect();
        // One letter is as near to another as to any.
        if name.text.chars().count() > 1
            && let Some(near) = nearest(&name.text, known)
        {
            return format!("did `{near}` stand here?");
        }
        // Spellings are compared folded as well, so that `sigm` finds `σ`.
        let locals = self.frames.iter().rev().flat_map(|frame| frame.values().map(|(name, _)| name));
        if let Some(near) = locals
            .into_iter()
            .find(|near| name.key.as_str().len() > 1 && nearest(name.key.as_str(), [near.key.as_str()]).is_some())
        {
            return format!("did `{near}` stand here?");
        }
        if let Some((near, module)) = self.offers.nearest(&name.key) {
            return format!("the standard library has `{near}`: `use {module}.{{{near}}}`");
        }
        format!("define it with `let {name} = …`, or import it with `use`")
    }
}
