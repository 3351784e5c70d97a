//! Statements that name or make something: `use`, `let`, `path`, `process`, draws.

use std::rc::Rc;

use super::errors::{GivenAtBothEnds, GivenElsewhere, GivenNowhere, NoiseBackward, PartMissing, PathsBeside};
use super::function::Declared;
use super::problem::Held;
use super::scope::{Binding, PathTy, Scope};
use super::ty::{Axes, Entry, Moment, NoiseTy, ProcessTy, SAMPLE, Tensor, TimeTy, Ty, join};
use super::typer::Typer;
use crate::check::size::Size;
use crate::check::walk::peel;
use crate::diagnostic::nearest;
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Block, Equation, Expr, ExprKind, Statement, StatementKind, TypeExpr, Use, UsePath};
use crate::typed::Predicate;

/// The schemes of a process.
const SCHEMES: [&str; 7] = ["euler", "transposed", "trapezoid", "heun", "rk4", "implicit", "exponential"];

/// A process as its statement says it.
pub(crate) struct Written<'a> {
    pub(crate) name: &'a Name,
    pub(crate) ty: &'a TypeExpr,
    pub(crate) scheme: Option<&'a Name>,
    pub(crate) body: &'a Block,
}

impl<'a> Typer<'a> {
    /// A statement of a loss, of `train` or of `measure`.
    pub(crate) fn statement(&mut self, statement: &'a Statement, scope: &Rc<Scope<'a>>) {
        match &statement.kind {
            StatementKind::Use(one) => self.use_members(one, scope),
            StatementKind::Let(one) => {
                scope.set(&one.name.key, Binding::Lazy(one));
                if one.params.is_some() || !self.stands_at_a_time(&one.value, scope) {
                    self.lookup(&one.name, scope);
                }
            }
            StatementKind::Path { state, noise, exit, problem, control, batch } => {
                self.batch_size(batch.as_ref(), scope);
                self.path((state, noise.as_ref(), exit.as_ref()), problem, control.as_ref(), scope);
            }
            StatementKind::Process { name, ty, scheme, body } => {
                let written = Written { name, ty, scheme: scheme.as_ref(), body };
                let process = self.process(&written, scope);
                scope.bind(&name.key, process);
            }
            StatementKind::Draw { names, law, batch, weight } => {
                self.batch_size(batch.as_ref(), scope);
                let ty = self.expr(law, scope, None);
                if let Ty::Buffer(buffer) = &ty {
                    return self.draw_rows(names, &buffer.clone(), weight.as_ref(), law.span, scope);
                }
                if let Some(weight) = weight {
                    let help = Some("rows of a buffer are drawn by weight".to_string());
                    self.wrong_kind("a buffer before `weight`", &ty, weight.span, Some(law.span), help);
                }
                for name in names {
                    let drawn = match &ty {
                        Ty::Law(shape, axes) => {
                            let entry = Entry {
                                name: "sample".into(),
                                span: name.span,
                                through: format!("the draw `{name}`").into(),
                            };
                            Ty::Tensor(Tensor::of(shape.clone(), join(&Axes::from([(SAMPLE, entry)]), axes)))
                        }
                        Ty::Poison => Ty::Poison,
                        other => {
                            let help = Some("draw from `normal(m, s)`, `uniform(a, b)`, `P.initial`".to_string());
                            self.wrong_kind("a law after `~`", &other.clone(), law.span, None, help)
                        }
                    };
                    scope.bind(&name.key, drawn);
                }
            }
            _ => self.schedule_statement(statement, scope),
        }
    }

    /// `use P.{b, σ}`
    pub(crate) fn use_members(&mut self, one: &'a Use, scope: &Rc<Scope<'a>>) {
        let UsePath::Dotted(path) = &one.from else {
            let found = Ty::Text;
            self.wrong_kind(
                "a problem after `use` in a body",
                &found,
                one.span,
                None,
                Some("files are imported at the top level".into()),
            );
            return;
        };
        let [owner] = path.as_slice() else {
            let help = "in a body, `use` brings members of a problem: `use P.{b, σ}`; imports stand at the top level"
                .to_string();
            let ty = path.first().map_or(Ty::Poison, |first| self.lookup(first, scope));
            self.wrong_kind("one name after `use`", &ty, one.span, None, Some(help));
            return;
        };
        match self.lookup(owner, scope) {
            Ty::Problem(problem) => {
                for name in &one.names {
                    let ty = self.member(&problem, name);
                    scope.bind(&name.key, ty);
                }
            }
            other => {
                let help = "in a body, `use` brings members of a problem: `use P.{b, σ}`".to_string();
                self.wrong_kind("a problem after `use`", &other, owner.span, None, Some(help));
                for name in &one.names {
                    scope.bind(&name.key, Ty::Poison);
                }
            }
        }
    }

    /// `path (X, W) of P under u`
    fn path(
        &mut self,
        (state, noise, exit): (&'a Name, Option<&'a Name>, Option<&'a Name>),
        problem: &'a Expr,
        control: Option<&'a Expr>,
        scope: &Rc<Scope<'a>>,
    ) {
        let ty = self.expr(problem, scope, None);
        let fitted = self.fit(&Declared::Problem, ty, problem.span, None, "the path", scope);
        self.timed = true;
        let Ty::Problem(of) = fitted else {
            scope.bind(&state.key, Ty::Poison);
            for other in noise.into_iter().chain(exit) {
                scope.bind(&other.key, Ty::Poison);
            }
            return;
        };
        if let Some(control) = control {
            let ty = self.expr(control, scope, None);
            let declared = Declared::Function(Rc::new(of.control_type()));
            let what = format!("the control of the path `{state}`");
            self.fit(&declared, ty, control.span, None, &what, scope);
        }
        let (from, to) = Self::horizon_of(&of);
        self.enter_horizon(from, to, scope);
        self.enter_path(state, exit, &of, scope);
        let process = ProcessTy {
            name: state.clone(),
            role: "path",
            shape: vec![of.state.clone()],
            random: true,
            problem: Some(of.name.clone()),
        };
        scope.bind(&state.key, Ty::Process(Rc::new(process)));
        if let Some(noise) = noise {
            let increments = NoiseTy { name: noise.clone(), shape: vec![of.noise.clone()] };
            scope.bind(&noise.key, Ty::Noise(Rc::new(increments)));
        }
    }

    /// Times end with the path from here on, if it stops; another path beside it would leave open with which.
    fn enter_path(
        &mut self,
        state: &'a Name,
        exit: Option<&'a Name>,
        of: &Rc<super::problem::ProblemTy<'a>>,
        scope: &Rc<Scope<'a>>,
    ) {
        let stops = of.stops();
        if let Some(first) = scope.path()
            && (first.stops || stops)
        {
            let (stopped, other) = if stops { (state, &first.name) } else { (&first.name, state) };
            let error = PathsBeside {
                stopped: stopped.text.to_string(),
                other: other.text.to_string(),
                second: state.span,
                first: first.name.span,
            };
            self.report(state.span, error);
        }
        scope.set_path(PathTy { name: state.clone(), stops });
        let Some(exit) = exit else { return };
        if let Held::No { span, why } = of.holds(Predicate::Stops) {
            let error = self.member_needs(of, &exit.text, Predicate::Stops, exit.span, span, why);
            scope.bind(&exit.key, error);
            return;
        }
        let axes = Self::exit_axes(state, exit.span);
        scope.bind(&exit.key, Ty::Tensor(Tensor::scalar(axes)));
    }

    /// What varies with the exit of a path.
    pub(crate) fn exit_axes(path: &Name, span: Span) -> Axes {
        let through = format!("the exit of the path `{path}`").into();
        Axes::from([(SAMPLE, Entry { name: "sample".into(), span, through })])
    }

    /// Adds what the ends of the times vary over, where a path stops.
    pub(crate) fn vary_with_exit(axes: &mut Axes, span: Span, scope: &Rc<Scope<'a>>) {
        if let Some(path) = scope.path().filter(|path| path.stops) {
            *axes = join(axes, &Self::exit_axes(&path.name, span));
        }
    }

    /// The ends of a problem's horizon, where they are known.
    pub(crate) fn horizon_of(of: &super::problem::ProblemTy<'a>) -> (Option<f64>, Option<f64>) {
        let horizon = of.scope.as_ref().and_then(|inner| inner.horizon());
        (horizon.as_ref().map_or(Some(0.0), |known| known.from), horizon.as_ref().and_then(|known| known.to))
    }

    /// From here on times run between these ends.
    pub(crate) fn enter_horizon(&mut self, from: Option<f64>, to: Option<f64>, scope: &Rc<Scope<'a>>) {
        self.timed = true;
        scope.set_horizon(super::scope::Horizon { from, to, texts: None });
        self.usual_end(scope);
    }

    /// The end of the horizon is known as T where nothing else is.
    fn usual_end(&mut self, scope: &Rc<Scope<'a>>) {
        let key = Symbol::folded("T");
        if scope.find(&key).is_none() && !self.resolved[scope.module].names.contains_key(&key) {
            scope.bind(&key, Ty::Time(TimeTy { moment: Moment::End, name: "T".into() }));
        }
    }

    /// `process F: R[d, d] by rk4 { F(T) = …  dF = … dt }`
    pub(crate) fn process(&mut self, written: &Written<'a>, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        self.timed = true;
        let name = written.name;
        if let Some(scheme) = written.scheme
            && !SCHEMES.contains(&scheme.key.as_str())
        {
            let help = match nearest(&scheme.text, SCHEMES) {
                Some(near) => format!("did `{near}` stand here?"),
                None => format!("the schemes are {}", SCHEMES.join(", ")),
            };
            let error = super::errors::UnknownWord {
                expected: "a scheme",
                name: scheme.text.to_string(),
                at: scheme.span,
                help,
            };
            self.report(scheme.span, error);
        }
        let shape = match self.declared(written.ty, scope) {
            Declared::Tensor(shape) => shape,
            Declared::Poison => return Ty::Poison,
            other => {
                let error = super::errors::WrongKind {
                    expected: "a process of numbers, a vector or a matrix".into(),
                    found: format!("the type {}", other.describe()),
                    at: written.ty.span,
                    because: None,
                    call: self.through(),
                    help: None,
                };
                return self.report(written.ty.span, error);
            }
        };
        let handle =
            |random| ProcessTy { name: name.clone(), role: "process", shape: shape.clone(), random, problem: None };
        let inner = Scope::child(scope);
        inner.bind(&name.key, Ty::Process(Rc::new(handle(false))));
        let mut axes = Axes::new();
        let mut equation: Option<(&'a Equation, Span)> = None;
        let mut ends: Vec<(TimeTy, Span, &'a Expr)> = Vec::new();
        let mut misplaced = false;
        for statement in &written.body.statements {
            match &statement.kind {
                StatementKind::Let(one) => inner.set(&one.name.key, Binding::Lazy(one)),
                StatementKind::Equation(one) if one.name == *name => match equation {
                    None => equation = Some((one, statement.span)),
                    Some(_) => {
                        self.part_missing(
                            name,
                            "two equations",
                            "write the summands into one equation",
                            statement.span,
                        );
                    }
                },
                StatementKind::Boundary { name: given, at, value, drawn } if given == name => {
                    let ty = self.expr(at, &inner, None);
                    if ty.is_poison() {
                        misplaced = true;
                        continue;
                    }
                    match Self::moment(at, &ty, &inner) {
                        Some(time) if matches!(time.moment, Moment::Origin | Moment::End) => {
                            let given = self.boundary(name, &shape, *drawn, value, written.ty.span, &inner);
                            axes = join(&axes, &given);
                            ends.push((time, statement.span, value));
                        }
                        _ => {
                            misplaced = true;
                            self.report(at.span, GivenElsewhere { name: name.text.to_string(), at: at.span });
                        }
                    }
                }
                StatementKind::Equation(one) => {
                    let help = format!("the body of `{name}` holds its own equation, `d{name} = … dt`");
                    self.part_missing(name, "the equation of another name", &help, one.name.span);
                }
                StatementKind::Boundary { name: given, .. } => {
                    let help = format!("the body of `{name}` holds its own boundary value, `{name}(T) = …`");
                    self.part_missing(name, "the boundary value of another name", &help, given.span);
                }
                _ => {}
            }
        }
        match ends.as_slice() {
            [] if !misplaced => {
                self.report(name.span, GivenNowhere { name: name.text.to_string(), at: name.span });
            }
            [first, second, ..] => {
                let (first, second) = (first.1, second.1);
                self.report(second, GivenAtBothEnds { name: name.text.to_string(), first, second });
            }
            _ => {}
        }
        let backward = ends.first().filter(|(time, ..)| time.moment == Moment::End).map(|(_, span, _)| *span);
        // The transpose of a step with noise holds the noise of that step.
        let scheme = written.scheme.map_or("euler", |scheme| scheme.key.as_str());
        let noiseless = backward.filter(|_| scheme != "transposed");
        let begins = scheme == if backward.is_some() { "transposed" } else { "euler" };
        match equation {
            None => {
                let help = format!("state it: `d{name} = … dt`");
                self.part_missing(name, "no equation", &help, name.span);
            }
            Some((one, _)) => {
                axes = join(&axes, &self.equation(one, (&shape, written.ty.span), noiseless, begins, &inner));
            }
        }
        Self::vary_with_exit(&mut axes, name.span, scope);
        Ty::Process(Rc::new(handle(axes.contains_key(&SAMPLE))))
    }

    fn part_missing(&mut self, name: &Name, found: &'static str, help: &str, at: Span) {
        self.report(at, PartMissing { name: name.text.to_string(), found, help: help.to_string(), at });
    }

    /// The value at an end, against the shape; its axes.
    pub(crate) fn boundary(
        &mut self,
        name: &Name,
        shape: &[Size],
        drawn: bool,
        value: &'a Expr,
        because: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Axes {
        let ty = self.expr(value, scope, Some(shape));
        let what = format!("the boundary value of `{name}`");
        let mut axes = Axes::new();
        match (drawn, &ty) {
            (_, Ty::Poison) => {}
            (true, Ty::Law(law, _)) => {
                axes.insert(SAMPLE, Entry { name: "sample".into(), span: value.span, through: "this draw".into() });
                // The law of one component, drawn for each.
                if !law.is_empty() {
                    self.fit_shape(shape, Tensor::of(law.clone(), Axes::new()), value.span, Some(because), &what);
                }
            }
            (true, other) => {
                self.wrong_kind(
                    "a law after `~`",
                    &other.clone(),
                    value.span,
                    None,
                    Some("a value is given with `=`".into()),
                );
            }
            (false, Ty::Law(..)) => {
                self.wrong_kind("a value after `=`", &ty, value.span, None, Some("a draw is written with `~`".into()));
            }
            // 0 goes with any shape.
            (false, _) if is_zero(value) => {}
            (false, _) => {
                if let Some(tensor) = self.tensor(&ty, value.span, scope) {
                    axes = tensor.axes.clone();
                    self.fit_shape(shape, tensor, value.span, Some(because), &what);
                }
            }
        }
        axes
    }

    /// The summands of an equation against the shape of its left side; their axes, the equation's time bound. `noiseless`
    /// is where a value was given that does not go with noise, `begins` whether a step begins at the equation's time.
    pub(crate) fn equation(
        &mut self,
        equation: &'a Equation,
        (shape, because): (&[Size], Span),
        noiseless: Option<Span>,
        begins: bool,
        scope: &Rc<Scope<'a>>,
    ) -> Axes {
        let mut axes = Axes::new();
        let of_noise = |name: &Name| matches!(scope.find(&name.key), Some((_, Binding::Value(Ty::Noise(_)))));
        let usual = equation.time(of_noise).map_or("t", |name| &*name.text).to_string();
        for term in &equation.terms {
            let differential = &term.differential;
            let noise = match scope.find(&differential.name.key) {
                Some((_, Binding::Value(Ty::Noise(noise)))) => Some(noise),
                _ => None,
            };
            if let (Some(_), Some(end)) = (&noise, noiseless) {
                let error = NoiseBackward { name: equation.name.text.to_string(), at: differential.span, end };
                self.report(differential.span, error);
                continue;
            }
            let time_name = if noise.is_some() { usual.clone() } else { differential.name.text.to_string() };
            let (axis, time) = self.bind_time(&time_name);
            if !begins {
                self.stepless.insert(axis);
            }
            let inner = Scope::at(scope, time.clone());
            inner.bind(&crate::source::fold(&time_name), Ty::Time(time));
            let ty = self.expr(&term.integrand, &inner, Some(shape).filter(|_| noise.is_none()));
            if is_zero(&term.integrand) {
                continue;
            }
            let Some(integrand) = self.tensor(&ty, term.integrand.span, &inner) else { continue };
            let summand = match &noise {
                None => Ty::Tensor(integrand),
                Some(noise) => {
                    let increment = Self::increment(&Ty::Noise(noise.clone()), differential.span);
                    if term.dot {
                        let (a, b) = (Ty::Tensor(integrand), Ty::Tensor(increment));
                        self.binary(
                            crate::syntax::tree::BinaryOp::Dot,
                            (&a, term.integrand.span),
                            (&b, differential.span),
                            &inner,
                        )
                    } else if integrand.shape.len() == 1 && !integrand.row && increment.shape == [Size::constant(1)] {
                        // A vector before one noise is a column.
                        Ty::Tensor(Tensor { axes: join(&integrand.axes, &increment.axes), ..integrand })
                    } else {
                        self.product((&integrand, term.integrand.span), (&increment, differential.span))
                    }
                }
            };
            let Ty::Tensor(mut summand) = summand else { continue };
            summand.axes.remove(&axis);
            axes = join(&axes, &summand.axes);
            let what = format!("each summand of `d{}`", equation.name);
            self.fit_shape(shape, summand, term.span, Some(because), &what);
        }
        axes
    }
}

/// Whether an expression is the number 0 as written.
fn is_zero(expr: &Expr) -> bool {
    matches!(peel(expr).kind, ExprKind::Number { value, .. } if value == 0.0)
}
