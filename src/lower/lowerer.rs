//! The state of lowering one program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::distances::Asked;
use super::environment::{Binding, Scope};
use super::errors::{Lowered, fault};
use super::evaluations::Call;
use super::experiment::CopyRule;
use super::network::{Naming, Registry};
use super::operator::Operator;
use super::schedule::{RowDraw, SampleDraw};
use super::time::{Grid, Moment, Place, Side};
use super::value::{Function, Process, Value};
use crate::graph::{AxisId, Builder, Op, RegionId, Type, ValueId};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{ItemKind, Let, TypeExpr, TypeKind};
use crate::typed::Checked;

/// Lowers the texts of one checked program into one graph.
pub struct Lowerer<'a> {
    /// The texts.
    pub checked: &'a Checked,
    /// The graph.
    pub b: Builder,
    /// The chosen index of every swept name.
    pub choice: &'a BTreeMap<Symbol, usize>,
    /// The steps of every grid of this program.
    pub steps: usize,
    /// The grids made so far.
    pub grids: Vec<Rc<Grid>>,
    /// The axes of times that are drawn, with their grids.
    pub drawn: Vec<(AxisId, Rc<Grid>)>,
    /// The axis over which paths and draws vary.
    pub sample: Option<AxisId>,
    /// The axis over which `other(x)` varies, once it was asked for.
    pub others: Option<AxisId>,
    /// The bound times around, innermost last.
    pub now: Vec<Moment>,
    /// The axes that binders around run over.
    pub axes_in_use: Vec<AxisId>,
    /// The scans whose bodies are being made, innermost last.
    pub frames: Vec<Frame>,
    /// How many detached calls are around: their nets keep their parameters fixed.
    pub frozen: usize,
    /// The copies at which the nets of the calls around stand, innermost last.
    pub copied: Vec<CopyRule>,
    /// The nets' parameters.
    pub registry: Rc<RefCell<Registry>>,
    /// The net whose layers are being applied.
    pub naming: Option<Naming<'a>>,
    /// The number of marks made.
    pub marks: u32,
    /// Distinguishes the draws of this program from those of others.
    pub purpose: String,
    /// Whether the program belongs to a schedule, which says when a snapshot is taken.
    pub scheduled: bool,
    /// Whether the program runs at some steps only, so that what it averages over its runs counts them.
    pub occasional: bool,
    /// The calls of functions of the text and of nets.
    pub calls: Vec<Call>,
    /// The distances that a measurement asks for.
    pub distances: Vec<Asked>,
    /// Rows that are drawn before the program runs.
    pub rows: Vec<RowDraw>,
    /// Samples of files that are drawn before the program runs.
    pub samples: Vec<SampleDraw>,
    /// The number of draws made.
    pub draws: u64,
    roots: Vec<Rc<Scope<'a>>>,
    depth: usize,
}

/// The body of a scan under construction.
pub struct Frame {
    /// Its region.
    pub region: RegionId,
    /// The axis it runs along.
    pub axis: AxisId,
    /// Outer values and the arguments that hold their entries.
    pub slices: Vec<(ValueId, ValueId)>,
    /// The number of carries, which come first among the arguments.
    pub carries: usize,
}

const MAX_DEPTH: usize = 256;

impl<'a> Lowerer<'a> {
    /// A lowerer for a program of the given purpose.
    pub fn new(
        checked: &'a Checked,
        choice: &'a BTreeMap<Symbol, usize>,
        registry: Rc<RefCell<Registry>>,
        purpose: &str,
        steps: usize,
    ) -> Self {
        let mut b = Builder::new();
        b.program_mut().parameters = registry.borrow().infos();
        Self {
            checked,
            b,
            choice,
            steps,
            grids: Vec::new(),
            drawn: Vec::new(),
            sample: None,
            others: None,
            now: Vec::new(),
            axes_in_use: Vec::new(),
            frames: Vec::new(),
            frozen: 0,
            copied: Vec::new(),
            registry,
            naming: None,
            marks: 0,
            purpose: purpose.to_owned(),
            scheduled: false,
            occasional: false,
            calls: Vec::new(),
            distances: Vec::new(),
            rows: Vec::new(),
            samples: Vec::new(),
            draws: 0,
            roots: (0..checked.modules.len()).map(Scope::root).collect(),
            depth: 0,
        }
    }

    /// The outermost scope of a module.
    pub fn root(&self, module: usize) -> Rc<Scope<'a>> {
        self.roots[module].clone()
    }

    /// The scope of the entry file.
    pub fn entry(&self) -> Rc<Scope<'a>> {
        self.root(self.checked.modules.len() - 1)
    }

    /// Guards against recursion without end.
    pub fn deeper<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> Lowered<T>) -> Lowered<T> {
        if self.depth >= MAX_DEPTH {
            return Err(fault(span, format!("calls nest more than {MAX_DEPTH} deep; a recursion without end?")));
        }
        self.depth += 1;
        let out = f(self);
        self.depth -= 1;
        out
    }

    /// Lowers something outside of all scans and bound times around.
    pub fn outside<T>(&mut self, f: impl FnOnce(&mut Self) -> Lowered<T>) -> Lowered<T> {
        let frames = std::mem::take(&mut self.frames);
        let now = std::mem::take(&mut self.now);
        let axes = std::mem::take(&mut self.axes_in_use);
        let out = f(self);
        self.frames = frames;
        self.now = now;
        self.axes_in_use = axes;
        out
    }

    /// What a name stands for.
    pub fn lookup(&mut self, name: &Name, scope: &Rc<Scope<'a>>) -> Lowered<Value<'a>> {
        if let Some((home, binding)) = scope.find(&name.key) {
            return match binding {
                Binding::Value(v) => Ok(v),
                Binding::Lost(why) => Err(fault(name.span, why.to_string())),
                Binding::Busy => Err(fault(name.span, format!("`{name}` is defined by itself"))),
                Binding::Lazy(definition) => {
                    home.set(&name.key, Binding::Busy);
                    let value = self.evaluate_let(definition, &home)?;
                    home.bind(&name.key, value.clone());
                    Ok(value)
                }
                Binding::Timed(definition) => self.evaluate_let(definition, &home),
                Binding::Process(statement) => {
                    home.set(&name.key, Binding::Busy);
                    let process = self.outside(|l| l.process(statement, &home))?;
                    let value = Value::Process(Rc::new(process));
                    home.bind(&name.key, value.clone());
                    Ok(value)
                }
            };
        }
        let module = scope.module;
        if let Some((home, item)) = self.checked.modules[module].names.get(&name.key).copied() {
            return self.item(home, item, name);
        }
        super::builtin::named(name.key.as_str())
            .map(|f| Value::Function(Rc::new(Function::Builtin(f))))
            .ok_or_else(|| fault(name.span, format!("`{name}` is not known here")))
    }

    /// The value of a top-level item, worked out once per program.
    fn item(&mut self, module: usize, item: usize, name: &Name) -> Lowered<Value<'a>> {
        let scope = self.root(module);
        if let Some((_, Binding::Value(v))) = scope.find(&name.key) {
            return Ok(v);
        }
        let checked = self.checked;
        let value = self.outside(|l| match &checked.modules[module].tree.items[item].kind {
            ItemKind::Let(definition) => l.evaluate_let(definition, &scope),
            ItemKind::Problem(definition) => {
                Ok(Value::Function(Rc::new(Function::ProblemDefinition(definition, module, item))))
            }
            ItemKind::Bind(bind) => l.expr(&bind.value, &scope, None),
            ItemKind::Loss(definition) => Ok(Value::Function(Rc::new(Function::Loss(definition, module)))),
            ItemKind::Method(definition) => Ok(Value::Function(Rc::new(Function::Method(definition, module)))),
            ItemKind::Layer(layer) => Ok(Value::Function(Rc::new(Function::Layer(layer, module)))),
            ItemKind::Net(net) => {
                l.network(net, &scope).map(|n| Value::Function(Rc::new(Function::Network(Rc::new(n)))))
            }
            ItemKind::Sweep(axes) => {
                let axis = axes.iter().find(|x| x.name == *name);
                let axis = axis.ok_or_else(|| fault(name.span, format!("`{name}` is not swept")))?;
                let index = l.choice.get(&axis.name.key).copied().unwrap_or(0);
                let values = l.expr(&axis.values, &scope, None)?;
                Self::element(&values, index, axis.values.span)
            }
            ItemKind::Cite(_)
            | ItemKind::Use(_)
            | ItemKind::Train(_)
            | ItemKind::Measure(_)
            | ItemKind::Plot(_)
            | ItemKind::Table(_)
            | ItemKind::Expect(_)
            | ItemKind::Profile(_) => Err(fault(name.span, format!("`{name}` has no value"))),
        })?;
        if module == self.checked.modules.len() - 1
            || self.checked.modules[module].names.get(&name.key) == Some(&(module, item))
        {
            scope.bind(&name.key, value.clone());
        }
        Ok(value)
    }

    /// The value of a `let`: a closure, or the value of its right-hand side.
    pub fn evaluate_let(&mut self, definition: &'a Let, scope: &Rc<Scope<'a>>) -> Lowered<Value<'a>> {
        if let Some(params) = &definition.params {
            return Ok(Value::Function(Rc::new(Function::Closure {
                params,
                result: definition.ty.as_ref(),
                body: &definition.value,
                scope: scope.clone(),
            })));
        }
        let expected = match &definition.ty {
            Some(ty) => self.shape(ty, scope)?,
            None => None,
        };
        let value = self.expr(&definition.value, scope, expected.as_deref())?;
        match value {
            // `let v: R[2] = [1, 2]` is a vector, which a list becomes only where its place says so.
            Value::List(_) if expected.is_some() => self.tensor(&value, definition.value.span).map(Value::Tensor),
            other => Ok(other),
        }
    }

    /// The element shape of a written type; `None` if it is no tensor.
    pub fn shape(&mut self, ty: &'a TypeExpr, scope: &Rc<Scope<'a>>) -> Lowered<Option<Vec<usize>>> {
        match &ty.kind {
            TypeKind::Real(sizes) | TypeKind::Samples(sizes) => {
                sizes.iter().map(|s| self.size(s, scope)).collect::<Lowered<Vec<_>>>().map(Some)
            }
            TypeKind::Named(path) if path.len() == 2 => {
                let Value::Problem(p) = self.lookup(&path[0], scope)? else { return Ok(None) };
                Ok(match path[1].key.as_str() {
                    "State" => Some(vec![p.dimension]),
                    "Noise" => Some(vec![p.noise_dimension]),
                    _ => None,
                })
            }
            TypeKind::Named(_) | TypeKind::Law(_) | TypeKind::List(_) | TypeKind::Function(..) => Ok(None),
        }
    }

    /// A value as a tensor of the graph.
    pub fn tensor(&mut self, value: &Value<'a>, span: Span) -> Lowered<ValueId> {
        match value {
            Value::Number(x) => Ok(self.b.number(*x)),
            Value::Bool(x) => Ok(self.b.number(f64::from(*x))),
            Value::Tensor(v) | Value::State(v) => Ok(*v),
            Value::Time(m) => Ok(m.value),
            Value::Operator(m) => {
                let m = m.clone();
                self.densify(&m)
            }
            Value::Row(v) => {
                let n = self.b.ty(*v).shape[0];
                Ok(self.b.reshape(*v, [1, n]))
            }
            Value::Process(p) => {
                let now = self.now.last().copied().ok_or_else(|| {
                    fault(span, format!("`{}` stands without a time, and no time is bound here", p.name))
                })?;
                self.sample_process(p, now, span)
            }
            Value::List(items) | Value::Tuple(items) => self.join(items, span),
            Value::Range(..)
            | Value::Noise(_)
            | Value::Function(_)
            | Value::Problem(_)
            | Value::Hole
            | Value::Optimizer(_)
            | Value::Method(_)
            | Value::Buffer(_)
            | Value::Law(_)
            | Value::Times(_) => {
                Err(fault(span, format!("expected a number, a vector or a matrix, found {}", value.kind())))
            }
        }
    }

    /// Scalars and vectors, one after the other, as one vector; vectors of one size in a list of lists as rows.
    pub fn join(&mut self, items: &[Value<'a>], span: Span) -> Lowered<ValueId> {
        let mut parts = Vec::with_capacity(items.len());
        let rows = items.iter().any(|i| matches!(i, Value::List(_)));
        for item in items {
            let v = self.tensor(item, span)?;
            let shape = self.b.ty(v).shape.clone();
            parts.push(match (shape.as_slice(), rows) {
                ([], false) => self.b.reshape(v, [1]),
                ([_], false) => v,
                ([n], true) => self.b.reshape(v, [1, *n]),
                _ => return Err(fault(span, "only scalars and vectors are joined to a vector")),
            });
        }
        if parts.is_empty() {
            return Err(fault(span, "nothing to join"));
        }
        Ok(self.b.push(Op::Concat(0, parts)))
    }

    /// The value of a process at a time.
    pub fn sample_process(&mut self, p: &Process<'a>, at: Moment, span: Span) -> Lowered<ValueId> {
        match at.place {
            Place::Start => Ok(p.start),
            Place::End => Ok(p.end),
            Place::Along(axis) => Ok(self.along(&p.grid, p.left, axis)),
            Place::After(axis) => Ok(self.along(&p.grid, p.right, axis)),
            Place::Drawn { number, side, .. } => {
                let all = if side == Side::Left { p.left } else { p.right };
                Ok(self.at_number(&p.grid, all, number))
            }
            Place::Within(region, side) => {
                let value = if side == Side::Left { p.left } else { p.right };
                Ok(self.slice(region, value))
            }
            Place::Free => Err(fault(span, format!("`{}` is known at the times of its grid, not at this one", p.name))),
        }
    }

    /// The entry of an outer value at the step that a scan is at; the value itself if it does not vary over its axis.
    pub fn slice(&mut self, region: RegionId, outer: ValueId) -> ValueId {
        let Some(frame) = self.frames.iter_mut().find(|f| f.region == region) else { return outer };
        let axis = frame.axis;
        if let Some((_, argument)) = frame.slices.iter().find(|(v, _)| *v == outer) {
            return *argument;
        }
        let ty = self.b.ty(outer).clone();
        if !ty.varies(axis) {
            return outer;
        }
        let inner = Type::new(ty.axes.iter().copied().filter(|x| *x != axis), ty.shape);
        let argument = self.b.argument(region, frame.carries + frame.slices.len(), inner);
        frame.slices.push((outer, argument));
        argument
    }

    /// A matrix, as an operator.
    pub fn operator(&mut self, value: &Value<'a>, span: Span) -> Lowered<Rc<Operator<'a>>> {
        if let Value::Operator(m) = value {
            return Ok(m.clone());
        }
        let v = self.tensor(value, span)?;
        if self.b.ty(v).shape.len() == 2 {
            Ok(Rc::new(Operator::Dense(v)))
        } else {
            Err(fault(span, format!("expected a matrix, found the shape {:?}", self.b.ty(v).shape)))
        }
    }

    /// A stream for the next draw.
    pub fn stream(&mut self) -> u64 {
        self.draws += 1;
        stream_of(&self.purpose, self.draws)
    }
}

/// The stream of a draw, from what it is for and its number there.
pub fn stream_of(purpose: &str, number: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in purpose.bytes().chain(number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
