//! Statements.

use std::rc::Rc;

use super::environment::{Binding, Ends, Scope};
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::value::{Function, Value};
use crate::syntax::tree::{Block, Expr, ExprKind, ItemKind, Param, Statement, StatementKind};
use crate::syntax::walk::for_each_part;
use crate::typed::Checked;

impl<'a> Lowerer<'a> {
    /// The statements in order; the value of `return`, if there is one.
    pub fn block(&mut self, block: &'a Block, scope: &Rc<Scope<'a>>) -> Lowered<Option<Value<'a>>> {
        self.block_expecting(block, scope, None)
    }

    /// As [`Lowerer::block`], where the place knows the shape of the value.
    pub fn block_expecting(
        &mut self,
        block: &'a Block,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[usize]>,
    ) -> Lowered<Option<Value<'a>>> {
        for s in &block.statements {
            if let StatementKind::Return(e) = &s.kind {
                return self.expr(e, scope, expected).map(Some);
            }
            self.statement(s, scope)?;
        }
        Ok(None)
    }

    /// A statement that names or makes something.
    pub fn statement(&mut self, s: &'a Statement, scope: &Rc<Scope<'a>>) -> Lowered<()> {
        match &s.kind {
            StatementKind::Use(u) => self.use_members(u, scope),
            StatementKind::Let(l) => {
                if l.params.is_none() && needs_time(self.checked, &l.value, scope) {
                    scope.set(&l.name.key, Binding::Timed(l));
                    return Ok(());
                }
                scope.set(&l.name.key, Binding::Lazy(l));
                self.lookup(&l.name, scope).map(|_| ())
            }
            StatementKind::Process { name, .. } => {
                let process = self.process(s, scope)?;
                scope.bind(&name.key, Value::Process(Rc::new(process)));
                Ok(())
            }
            StatementKind::Path { state, noise, exit, problem, control, .. } => {
                let p = match self.expr(problem, scope, None)? {
                    Value::Problem(p) => p,
                    other => return Err(fault(problem.span, format!("expected a problem, found {}", other.kind()))),
                };
                let control = match control {
                    None => None,
                    Some(c) => Some(self.expr(c, scope, None)?),
                };
                let path = self.path(state, &p, control, s.span)?;
                scope.set_grid(p.grid.clone());
                self.time_names(&p, scope);
                if let Some(clock) = path.origin.as_ref().and_then(|o| o.clock.clone()) {
                    if let Some(name) = exit {
                        scope.bind(&name.key, Value::Tensor(clock.exit));
                    }
                    if let Ends::Stopped(_) = scope.ends() {
                        let why = "integrals would end with one of two paths that stop; give each a body of its own";
                        return Err(fault(s.span, why));
                    }
                    scope.set_ends(Ends::Stopped(clock));
                }
                if let (Some(name), Some(n)) = (noise, path.origin.as_ref().and_then(|o| o.noise.clone())) {
                    scope.bind(&name.key, Value::Noise(n));
                }
                scope.bind(&state.key, Value::Process(Rc::new(path)));
                Ok(())
            }
            StatementKind::Parameter { name, ty, drawn, init } => {
                let v = self.parameter(name, ty, *drawn, init, scope)?;
                scope.bind(&name.key, Value::Tensor(v));
                Ok(())
            }
            StatementKind::Draw { names, law, weight, .. } => {
                if let Value::Buffer(buffer) = self.expr(law, scope, None)? {
                    return self.draw_rows(names, &buffer, weight.as_ref(), scope, s.span);
                }
                for name in names {
                    let v = match self.expr(law, scope, None)? {
                        Value::Law(law) => {
                            let shape = self.shape_of(&law);
                            self.draw(&law, shape, s.span)?
                        }
                        // The law of a problem's first state is drawn where it is asked for.
                        Value::Tensor(v) => v,
                        other => {
                            return Err(fault(
                                law.span,
                                format!("expected a law to draw from, found {}", other.kind()),
                            ));
                        }
                    };
                    scope.bind(&name.key, Value::Tensor(v));
                }
                Ok(())
            }
            StatementKind::Repeat { times, body } => {
                let times = times.as_ref().ok_or_else(|| fault(s.span, "this loop has no end"))?;
                self.rounds(times, body, scope, s.span)
            }
            StatementKind::Assign { name, value } => self.assign(name, value, scope),
            StatementKind::Setting { .. } | StatementKind::Minimize { .. } | StatementKind::Measure(_) => Ok(()),
            StatementKind::Return(_)
            | StatementKind::Every { .. }
            | StatementKind::Until(_)
            | StatementKind::Run(_)
            | StatementKind::Buffer { .. }
            | StatementKind::Push { .. }
            | StatementKind::Solve { .. }
            | StatementKind::Time { .. }
            | StatementKind::State(_)
            | StatementKind::Control(_)
            | StatementKind::Noise(_)
            | StatementKind::Equation(_)
            | StatementKind::Boundary { .. }
            | StatementKind::Cost(_)
            | StatementKind::Stop(_) => Err(fault(s.span, "this statement does not stand here")),
        }
    }
}

/// Whether an expression asks for a process at a time that nothing in it binds.
pub fn needs_time(checked: &Checked, e: &Expr, scope: &Rc<Scope<'_>>) -> bool {
    match &e.kind {
        ExprKind::Name(name) => {
            matches!(scope.find(&name.key), Some((_, Binding::Value(Value::Process(_)) | Binding::Timed(_))))
        }
        ExprKind::Integral(_) | ExprKind::MeanOver(..) | ExprKind::Lambda(..) => false,
        ExprKind::Call(callee, arguments) => {
            let whole = takes_paths(checked, callee, scope);
            let callee_needs = !matches!(callee.kind, ExprKind::Name(_)) && needs_time(checked, callee, scope);
            let mut asked = arguments.iter().filter(|a| !(whole && is_name(&a.value)));
            callee_needs || asked.any(|a| needs_time(checked, &a.value, scope))
        }
        _ => {
            let mut found = false;
            for_each_part(e, |part| found |= needs_time(checked, part, scope));
            found
        }
    }
}

fn is_name(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Group(inner) => is_name(inner),
        kind => matches!(kind, ExprKind::Name(_)),
    }
}

/// Whether what is called takes whole paths: a path that is named among the arguments then stands at no time.
fn takes_paths(checked: &Checked, callee: &Expr, scope: &Rc<Scope<'_>>) -> bool {
    let name = match &callee.kind {
        ExprKind::Member(_, name) => return name.key.as_str() == "weight",
        ExprKind::Name(name) => name,
        _ => return false,
    };
    match scope.find(&name.key) {
        Some((_, Binding::Lazy(one) | Binding::Timed(one))) => any_path(one.params.as_deref()),
        Some((_, Binding::Value(Value::Function(f)))) => function_takes_paths(&f),
        Some(_) => false,
        None => checked.modules[scope.module].names.get(&name.key).is_some_and(|(module, item)| {
            match &checked.modules[*module].tree.items[*item].kind {
                ItemKind::Loss(definition) => any_path(Some(&definition.params)),
                ItemKind::Let(one) => any_path(one.params.as_deref()),
                _ => false,
            }
        }),
    }
}

fn function_takes_paths(f: &Function<'_>) -> bool {
    match f {
        Function::Closure { params, .. } => any_path(Some(params)),
        Function::Loss(definition, _) => any_path(Some(&definition.params)),
        Function::Partial(inner, _) => function_takes_paths(inner),
        _ => false,
    }
}

fn any_path(params: Option<&[Param]>) -> bool {
    params.is_some_and(|params| params.iter().any(Param::takes_path))
}
