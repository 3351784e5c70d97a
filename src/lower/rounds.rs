//! Loops of one program, `repeat n times { … }`: scans whose carries are the states that the body changes.

use std::rc::Rc;

use super::environment::{Binding, Scope};
use super::errors::{Lowered, fault};
use super::lowerer::{Frame, Lowerer};
use super::value::Value;
use crate::graph::{AxisId, AxisKind, Carry, Draw, Law, Lifetime, Op, Scan, ScanOutput, Type, ValueId};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Block, Expr};
use crate::syntax::walk::assigned_in;

/// A state that a loop carries: its name, the scope that holds it, its value before a round.
type State<'a> = (Symbol, Rc<Scope<'a>>, ValueId);

impl<'a> Lowerer<'a> {
    /// `x := e`: from here on `x` is this, where it was known before.
    pub fn assign(&mut self, name: &'a Name, value: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<()> {
        let (home, expected) = match scope.find(&name.key) {
            Some((home, Binding::Value(Value::Tensor(before)))) => (home, Some(self.b.ty(before).shape.clone())),
            _ => (scope.clone(), None),
        };
        let value_of = self.expr(value, scope, expected.as_deref())?;
        let v = self.tensor(&value_of, value.span)?;
        home.bind(&name.key, Value::Tensor(v));
        Ok(())
    }

    /// `repeat n times { … }`
    pub fn rounds(&mut self, times: &'a Expr, body: &'a Block, scope: &Rc<Scope<'a>>, span: Span) -> Lowered<()> {
        let times = self.size(times, scope)?;
        let mut states: Vec<State<'a>> = Vec::new();
        for name in assigned_in(body) {
            if let Some((home, Binding::Value(Value::Tensor(v)))) = scope.find(&name) {
                states.push((name, home, v));
            }
        }
        if times == 0 || states.is_empty() {
            return Ok(());
        }
        let axis = self.b.axis("round", times, AxisKind::Index);
        let mut types: Vec<Type> = states.iter().map(|(.., v)| self.b.ty(*v).clone()).collect();
        // A round may make states vary over more than they did before it.
        loop {
            let (frame, arguments, next) = self.round(axis, &types, &states, body, scope, span)?;
            let wider: Vec<Type> = types.iter().zip(&next).map(|(ty, next)| self.joined(ty, *next)).collect();
            if wider != types {
                types = wider;
                continue;
            }
            let mut carries = Vec::with_capacity(states.len());
            for (((.., before), ty), (argument, next)) in states.iter().zip(&types).zip(arguments.iter().zip(&next)) {
                let init = self.b.broadcast(*before, ty.clone());
                let next = self.b.broadcast(*next, ty.clone());
                carries.push(Carry { init, argument: *argument, next });
            }
            let scan = self.b.scan(Scan {
                region: frame.region,
                axis,
                reverse: false,
                carries,
                slices: frame.slices,
                stacked: Vec::new(),
            });
            for (place, (name, home, _)) in states.iter().enumerate() {
                let last = self.b.output(scan, ScanOutput::Final(place));
                home.bind(name, Value::Tensor(last));
            }
            return Ok(());
        }
    }

    /// The body once, at arguments of these types; the arguments and what the states are after it.
    fn round(
        &mut self,
        axis: AxisId,
        types: &[Type],
        states: &[State<'a>],
        body: &'a Block,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<(Frame, Vec<ValueId>, Vec<ValueId>)> {
        let (_, arguments) = self.open_scan(axis, types);
        for ((name, home, _), argument) in states.iter().zip(&arguments) {
            home.bind(name, Value::Tensor(*argument));
        }
        let made = self.block(body, &Scope::child(scope));
        let frame = self.close_frame();
        made?;
        let next = states.iter().map(|(name, home, _)| match home.find(name) {
            Some((_, Binding::Value(Value::Tensor(v)))) => Ok(v),
            _ => Err(fault(span, format!("the state `{name}` is lost in this loop"))),
        });
        let next: Vec<ValueId> = next.collect::<Lowered<_>>()?;
        for (name, home, before) in states {
            home.bind(name, Value::Tensor(*before));
        }
        Ok((frame, arguments, next))
    }

    fn joined(&self, ty: &Type, next: ValueId) -> Type {
        Type::new(ty.axes.iter().chain(&self.b.ty(next).axes).copied(), ty.shape.clone())
    }

    /// A draw of this type, anew in every round of the loops around.
    pub fn drawn_here(&mut self, law: Law, ty: Type) -> ValueId {
        let is_round = |axis: &AxisId| self.b.program().axis(*axis).kind == AxisKind::Index;
        let rounds: Vec<_> = self.frames.iter().map(|frame| frame.axis).filter(is_round).collect();
        let draw = Draw { stream: self.stream(), law, lifetime: Lifetime::Step, seed: None };
        let all = Type::new(ty.axes.into_iter().chain(rounds), ty.shape);
        let drawn = self.b.push_typed(Op::Draw(draw), Some(all));
        let regions: Vec<_> = self.frames.iter().map(|frame| frame.region).collect();
        regions.into_iter().fold(drawn, |v, region| self.slice(region, v))
    }
}
