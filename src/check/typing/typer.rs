//! The state of typing a program: what is known, what was reported, and how a name is looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use miette::Diagnostic;

use super::errors::{Circular, NeedsTime, TooDeep, WrongKind};
use super::function::{Closure, Declared, Function};
use super::scope::{Binding, Scope};
use super::ty::{AxisId, Moment, Tensor, TimeTy, Ty};
use crate::check::builtin::find_builtin;
use crate::check::names::Resolved;
use crate::check::size::Size;
use crate::check::walk::{as_name, children};
use crate::diagnostic::Sink;
use crate::source::{Name, SourceMap, Span, Symbol};
use crate::syntax::ParsedModule;
use crate::syntax::tree::{Expr, ExprKind, ItemKind, Let, Param};
use crate::typed::{Structure, UnmetRequirement};

/// Calls and layers nest at most this deep.
const MAX_DEPTH: usize = 192;

/// Types the expressions of a program, imports first.
pub(crate) struct Typer<'a> {
    pub(crate) modules: &'a [ParsedModule],
    pub(crate) resolved: &'a [Resolved],
    pub(crate) structures: &'a BTreeMap<(usize, usize), Structure>,
    pub(crate) map: &'a SourceMap,
    pub(crate) sink: &'a mut Sink,
    /// The calls around, outermost first: errors inside a function name them.
    pub(crate) calls: Vec<Span>,
    /// The chosen value of each swept name.
    pub(crate) choice: BTreeMap<Symbol, usize>,
    /// Whether a path or a process was met: what then needs a grid.
    pub(crate) timed: bool,
    /// Where the shape that is asked for is written.
    pub(crate) asked: Option<Span>,
    /// The states of the schedule that is being typed: what `:=` may assign.
    pub(crate) assigned: BTreeSet<Symbol>,
    /// The number of loops around.
    pub(crate) loops: usize,
    /// Whether a measurement is being typed.
    pub(crate) measuring: bool,
    /// Whether loops are parts of one program, as in a loss or a measurement, and not of a schedule.
    pub(crate) inside: bool,
    /// The measured names that a plot or a table shows.
    pub(crate) shown: BTreeSet<Symbol>,
    /// Names found to be no sizes: reported once.
    pub(crate) no_sizes: BTreeSet<String>,
    /// Requirements that are not met, at each use.
    pub(crate) unmet: Vec<UnmetRequirement>,
    roots: Vec<Rc<Scope<'a>>>,
    /// What a `let` that stands at a bound time is, by its scope, its name and the time.
    timed_known: BTreeMap<(usize, Symbol, String), Ty<'a>>,
    /// The axes of bound times at which no step begins, or not at all of them.
    pub(crate) stepless: BTreeSet<AxisId>,
    reported: BTreeSet<(u32, u32, String)>,
    next_axis: u32,
    depth: usize,
}

impl<'a> Typer<'a> {
    pub(crate) fn new(
        modules: &'a [ParsedModule],
        resolved: &'a [Resolved],
        structures: &'a BTreeMap<(usize, usize), Structure>,
        map: &'a SourceMap,
        sink: &'a mut Sink,
    ) -> Self {
        Self {
            modules,
            resolved,
            structures,
            map,
            sink,
            calls: Vec::new(),
            choice: BTreeMap::new(),
            timed: false,
            asked: None,
            assigned: BTreeSet::new(),
            loops: 0,
            measuring: false,
            inside: false,
            shown: BTreeSet::new(),
            no_sizes: BTreeSet::new(),
            unmet: Vec::new(),
            roots: (0..modules.len()).map(Scope::root).collect(),
            timed_known: BTreeMap::new(),
            stepless: BTreeSet::new(),
            reported: BTreeSet::new(),
            next_axis: 2,
            depth: 0,
        }
    }

    /// Reports an error once per place and code. Its value is at fault, and nothing that follows from it is reported.
    pub(crate) fn report(&mut self, at: Span, error: impl Diagnostic + Send + Sync + 'static) -> Ty<'a> {
        let code = error.code().map(|code| code.to_string()).unwrap_or_default();
        if self.reported.insert((at.start, at.end, code)) {
            self.sink.push(error);
        }
        Ty::Poison
    }

    /// The call through which the text being typed was reached, if it was.
    pub(crate) fn through(&self) -> Option<Span> {
        self.calls.first().copied()
    }

    /// The text of a place, on one line.
    pub(crate) fn text(&self, span: Span) -> String {
        self.map.text(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn root(&self, module: usize) -> Rc<Scope<'a>> {
        self.roots[module].clone()
    }

    /// Forgets what the entry file's names are, for another choice of swept values.
    pub(crate) fn renew_entry(&mut self) {
        if let Some(last) = self.roots.len().checked_sub(1) {
            self.roots[last] = Scope::root(last);
        }
    }

    pub(crate) fn entry(&self) -> usize {
        self.modules.len().saturating_sub(1)
    }

    /// A new axis for a bound time.
    pub(crate) fn new_axis(&mut self) -> AxisId {
        let axis = AxisId(self.next_axis);
        self.next_axis += 1;
        axis
    }

    /// A new bound time.
    pub(crate) fn bind_time(&mut self, name: &str) -> (AxisId, TimeTy) {
        let axis = self.new_axis();
        (axis, TimeTy { moment: Moment::Bound(axis), name: Arc::from(name) })
    }

    /// Guards against recursion without end.
    pub(crate) fn deeper(&mut self, at: Span, inner: impl FnOnce(&mut Self) -> Ty<'a>) -> Ty<'a> {
        if self.depth >= MAX_DEPTH {
            return self.report(at, TooDeep { limit: MAX_DEPTH, at, call: self.through() });
        }
        self.depth += 1;
        let ty = inner(self);
        self.depth -= 1;
        ty
    }

    /// What a name is. Names that nothing binds were reported before.
    pub(crate) fn lookup(&mut self, name: &Name, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        if let Some((home, binding)) = scope.find(&name.key) {
            return match binding {
                Binding::Value(ty) => ty,
                Binding::Busy => self.report(name.span, Circular { name: name.text.to_string(), at: name.span }),
                Binding::Lazy(one) if one.params.is_none() && self.stands_at_a_time(&one.value, &home) => {
                    self.timed_let(name, one, &home, scope)
                }
                Binding::Lazy(one) => {
                    home.set(&name.key, Binding::Busy);
                    let ty = self.let_value(one, &home);
                    home.bind(&name.key, ty.clone());
                    ty
                }
            };
        }
        if let Some((module, item)) = self.resolved[scope.module].names.get(&name.key).copied() {
            return self.item(module, item, name);
        }
        match find_builtin(name.key.as_str()) {
            Some(builtin) => Ty::Function(Rc::new(Function::Builtin(builtin))),
            None => Ty::Poison,
        }
    }

    /// What a top-level name is, worked out once.
    fn item(&mut self, module: usize, item: usize, name: &Name) -> Ty<'a> {
        let root = self.root(module);
        if let Some((_, binding)) = root.find(&name.key) {
            return match binding {
                Binding::Value(ty) => ty,
                _ => self.report(name.span, Circular { name: name.text.to_string(), at: name.span }),
            };
        }
        root.set(&name.key, Binding::Busy);
        let modules = self.modules;
        let calls = std::mem::take(&mut self.calls);
        let ty = match &modules[module].tree.items[item].kind {
            ItemKind::Let(one) => self.let_value(one, &root),
            ItemKind::Problem(definition) => Ty::Function(Rc::new(Function::Problem(definition, (module, item)))),
            ItemKind::Bind(bind) => self.bound_problem(bind, &root),
            ItemKind::Loss(definition) => Ty::Function(Rc::new(Function::Loss(definition, module))),
            ItemKind::Method(definition) => Ty::Function(Rc::new(Function::Method(definition, module))),
            ItemKind::Layer(layer) => Ty::Function(Rc::new(Function::Layer(layer, module))),
            ItemKind::Net(net) => self.net_type(net, &root),
            ItemKind::Sweep(axes) => match axes.iter().find(|axis| axis.name.key == name.key) {
                Some(axis) => self.swept(axis, &root),
                None => Ty::Poison,
            },
            ItemKind::Cite(_)
            | ItemKind::Use(_)
            | ItemKind::Train(_)
            | ItemKind::Measure(_)
            | ItemKind::Plot(_)
            | ItemKind::Table(_)
            | ItemKind::Expect(_)
            | ItemKind::Profile(_) => Ty::Poison,
        };
        self.calls = calls;
        root.bind(&name.key, ty.clone());
        ty
    }

    /// The type of a `let`: a function, or that of its value.
    pub(crate) fn let_value(&mut self, one: &'a Let, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        if let Some(params) = &one.params {
            return Ty::Function(Rc::new(Function::Closure(Closure {
                name: Some(&one.name),
                params,
                result: one.ty.as_ref(),
                body: &one.value,
                scope: Scope::timeless(scope),
                known: std::cell::RefCell::default(),
            })));
        }
        self.typed_value(one, &Scope::timeless(scope))
    }

    /// A `let` in whose value a process stands without a time: its value is that at the time bound where it is asked for.
    fn timed_let(&mut self, name: &Name, one: &'a Let, home: &Rc<Scope<'a>>, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let Some(now) = scope.now() else {
            // The process inside is at fault: nothing says at which time it stands.
            return self.typed_value(one, &Scope::timeless(home));
        };
        let key = (Rc::as_ptr(home) as usize, name.key.clone(), format!("{:?}", now.moment));
        if let Some(ty) = self.timed_known.get(&key) {
            return ty.clone();
        }
        let inner = Scope::at(home, now.clone());
        // Inside a problem the time has a name that its `let`s may use.
        inner.bind(&crate::source::fold(&now.name), Ty::Time(now));
        home.set(&name.key, Binding::Busy);
        self.calls.push(name.span);
        let ty = self.typed_value(one, &inner);
        self.calls.pop();
        home.set(&name.key, Binding::Lazy(one));
        // A bound time is met under one binder only, so the scope is the one it was.
        self.timed_known.insert(key, ty.clone());
        ty
    }

    /// Whether an expression asks for a process at a time that nothing in it binds.
    pub(crate) fn stands_at_a_time(&self, expr: &Expr, scope: &Rc<Scope<'a>>) -> bool {
        self.stands(expr, scope, &mut BTreeSet::new())
    }

    /// `seen` holds the `let`s looked into: each is asked once, also in a circle.
    fn stands(&self, expr: &Expr, scope: &Rc<Scope<'a>>, seen: &mut BTreeSet<Symbol>) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => match scope.find(&name.key) {
                Some((_, Binding::Value(Ty::Process(_)))) => true,
                Some((home, Binding::Lazy(one))) => {
                    one.params.is_none() && seen.insert(name.key.clone()) && self.stands(&one.value, &home, seen)
                }
                _ => false,
            },
            ExprKind::Integral(_) | ExprKind::MeanOver(..) | ExprKind::Lambda(..) => false,
            ExprKind::Call(callee, arguments) => {
                let whole = self.takes_paths(callee, scope);
                let callee_needs = !matches!(callee.kind, ExprKind::Name(_)) && self.stands(callee, scope, seen);
                let mut asked = arguments.iter().filter(|one| !(whole && as_name(&one.value).is_some()));
                callee_needs || asked.any(|one| self.stands(&one.value, scope, seen))
            }
            _ => children(expr).into_iter().any(|child| self.stands(child, scope, seen)),
        }
    }

    /// Whether what is called takes whole paths: a path that is named among the arguments then stands at no time.
    fn takes_paths(&self, callee: &Expr, scope: &Rc<Scope<'a>>) -> bool {
        let name = match &callee.kind {
            ExprKind::Member(_, name) => return name.key.as_str() == "weight",
            ExprKind::Name(name) => name,
            _ => return false,
        };
        match scope.find(&name.key) {
            Some((_, Binding::Lazy(one))) => any_path(one.params.as_deref()),
            Some((_, Binding::Value(Ty::Function(function)))) => function_takes_paths(&function),
            Some(_) => false,
            None => self.resolved[scope.module].names.get(&name.key).is_some_and(|(module, item)| {
                match &self.modules[*module].tree.items[*item].kind {
                    ItemKind::Loss(definition) => any_path(Some(&definition.params)),
                    ItemKind::Let(one) => any_path(one.params.as_deref()),
                    _ => false,
                }
            }),
        }
    }

    fn typed_value(&mut self, one: &'a Let, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let Some(written) = &one.ty else {
            return self.expr(&one.value, scope, None);
        };
        let declared = self.declared(written, scope);
        let expected = match &declared {
            Declared::Tensor(shape) => Some(shape.clone()),
            _ => None,
        };
        let asked = self.asked.replace(written.span);
        let ty = self.expr(&one.value, scope, expected.as_deref());
        self.asked = asked;
        let what = format!("`{}`", one.name);
        self.fit(&declared, ty, one.value.span, Some(written.span), &what, scope)
    }

    /// A value as numbers: a process stands at the innermost bound time; `None` after an error.
    pub(crate) fn tensor(&mut self, ty: &Ty<'a>, at: Span, scope: &Rc<Scope<'a>>) -> Option<Tensor> {
        match ty {
            Ty::Poison => None,
            Ty::Number(_) | Ty::Size(_) | Ty::Index(_) => Some(Tensor::default()),
            Ty::Tensor(tensor) => Some(tensor.clone()),
            Ty::Time(time) => Some(time.as_tensor(at)),
            Ty::Bool(_, axes) => Some(Tensor::scalar(axes.clone())),
            Ty::Process(process) => {
                if let Some(time) = scope.now() {
                    Some(process.at(&time, at))
                } else {
                    let (role, name, call) = (process.role, process.name.text.to_string(), self.through());
                    self.report(at, NeedsTime { role, name, at, call });
                    None
                }
            }
            Ty::List(items) | Ty::Tuple(items) => self.joined(items, at, scope),
            Ty::Text
            | Ty::Range(..)
            | Ty::Function(_)
            | Ty::Problem(_)
            | Ty::Noise(_)
            | Ty::Optimizer
            | Ty::Method(_)
            | Ty::Buffer(_)
            | Ty::Law(..)
            | Ty::Times
            | Ty::Hole => {
                let help = match ty {
                    Ty::Times => {
                        Some("drawn times stand in the brackets of a mean: `mean[t ~ choose(4)] …`".to_string())
                    }
                    Ty::Function(_) => Some("a field takes its arguments: `u(X, t)`".to_string()),
                    Ty::Noise(noise) => Some(format!("noise stands in an integral: `∫ … d{}(t)`", noise.name)),
                    _ => None,
                };
                self.wrong_kind("a number, a vector or a matrix", ty, at, None, help);
                None
            }
        }
    }

    /// Numbers and vectors one after the other; lists of equal size as rows.
    pub(crate) fn joined(&mut self, items: &[Ty<'a>], at: Span, scope: &Rc<Scope<'a>>) -> Option<Tensor> {
        let rows = items.iter().any(|item| matches!(item, Ty::List(_)));
        let mut whole = Tensor::default();
        let mut total = Size::default();
        let mut width: Option<Size> = None;
        for item in items {
            let one = self.tensor(item, at, scope)?;
            whole.axes = super::ty::join(&whole.axes, &one.axes);
            let size = match one.shape.as_slice() {
                [] if !rows => Size::constant(1),
                [n] if !rows => n.clone(),
                [n] => {
                    if width.as_ref().is_some_and(|width| width != n) {
                        let expected = format!("rows of {} entries", width.expect("just seen"));
                        self.wrong_kind(&expected, &Ty::Tensor(one.clone()), at, None, None);
                        return None;
                    }
                    width = Some(n.clone());
                    Size::constant(1)
                }
                _ => {
                    self.wrong_kind("numbers and vectors to join", &Ty::Tensor(one.clone()), at, None, None);
                    return None;
                }
            };
            total = total.add(&size)?;
        }
        whole.shape = std::iter::once(total).chain(width).collect();
        Some(whole)
    }

    pub(crate) fn wrong_kind(
        &mut self,
        expected: &str,
        found: &Ty<'a>,
        at: Span,
        because: Option<Span>,
        help: Option<String>,
    ) -> Ty<'a> {
        if found.is_poison() {
            return Ty::Poison;
        }
        let call = self.through();
        let error = WrongKind { expected: expected.to_string(), found: found.describe(), at, because, call, help };
        self.report(at, error)
    }
}

fn function_takes_paths(function: &Function<'_>) -> bool {
    match function {
        Function::Closure(closure) => any_path(Some(closure.params)),
        Function::Loss(definition, _) => any_path(Some(&definition.params)),
        Function::Declared { signature, .. } => signature.inputs.iter().any(|one| matches!(one, Declared::Path(..))),
        Function::Partial(inner, _) => function_takes_paths(inner),
        _ => false,
    }
}

fn any_path(params: Option<&[Param]>) -> bool {
    params.is_some_and(|params| params.iter().any(Param::takes_path))
}
