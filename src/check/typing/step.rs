//! Steps of the grid: their ends, `next(t)`, and a few that are drawn, `mean[t ~ choose(4)]`.

use std::rc::Rc;

use super::builtin::Builtin;
use super::call::Arg;
use super::errors::{BadSetting, DrawnWhereStopped, NoStepHere, NothingVaries};
use super::scope::Scope;
use super::ty::{Entry, Moment, SAMPLE, TimeTy, Ty};
use super::typer::Typer;
use crate::source::{Name, Span};
use crate::syntax::tree::Expr;

impl<'a> Typer<'a> {
    /// `next(t)`: the end of the step that begins at t.
    pub(crate) fn next_time(&mut self, builtin: &'static Builtin, given: &[Arg<'a>], at: Span) -> Ty<'a> {
        let [one @ Arg { name: None, .. }] = given else { return self.misused(builtin, &[], at) };
        match &one.ty {
            Ty::Poison => Ty::Poison,
            Ty::Time(TimeTy { moment: Moment::Bound(axis), name }) if !self.stepless.contains(axis) => {
                Ty::Time(TimeTy { moment: Moment::After(*axis), name: format!("next({name})").into() })
            }
            Ty::Time(time) => {
                let (time, call) = (time.name.to_string(), self.through());
                self.report(one.span, NoStepHere { time, at: one.span, call })
            }
            other => {
                let help = "the time is one that `∫ … dt` or the equation of a process binds".to_string();
                self.wrong_kind("a bound time", &other.clone(), one.span, None, Some(help))
            }
        }
    }

    /// `choose(n)`, `choose(n, from, to)`
    pub(crate) fn choose_times(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let named = given.iter().any(|one| one.name.is_some());
        let ([count] | [count, _, _], false) = (given, named) else { return self.misused(builtin, &[], at) };
        match &count.ty {
            Ty::Poison => return Ty::Poison,
            // A parameter of a definition has its value at the use.
            Ty::Size(_) => {}
            Ty::Number(n) if n.fract() == 0.0 && *n >= 1.0 => {}
            other => {
                let (name, found) = ("the number of times".to_string(), other.describe());
                let expected = "is a whole number from 1";
                return self.report(count.span, BadSetting { name, expected, found, at: count.span, help: None });
            }
        }
        for end in &given[1..] {
            let Some(tensor) = self.tensor(&end.ty, end.span, scope) else { return Ty::Poison };
            if !tensor.is_scalar() || !tensor.axes.is_empty() {
                let (name, found) = ("an end of what is chosen from".to_string(), end.ty.describe());
                let expected = "is a number known before the run";
                return self.report(end.span, BadSetting { name, expected, found, at: end.span, help: None });
            }
        }
        Ty::Times
    }

    /// `mean[t ~ choose(4)] e`
    pub(crate) fn mean_over_drawn(
        &mut self,
        name: &'a Name,
        drawn: &'a Expr,
        body: &'a Expr,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        match self.expr(drawn, scope, None) {
            Ty::Poison => return Ty::Poison,
            Ty::Times => {}
            other => {
                let help = "a mean over some times of the grid is `mean[t ~ choose(4)] …`".to_string();
                return self.wrong_kind("times that are drawn after `~`", &other, drawn.span, None, Some(help));
            }
        }
        if let Some(path) = scope.path().filter(|path| path.stops) {
            let (at, path, because) = (drawn.span, path.name.text.to_string(), path.name.span);
            return self.report(at, DrawnWhereStopped { path, at, because });
        }
        let (axis, time) = self.bind_time(&name.text);
        let inner = Scope::at(scope, time.clone());
        inner.bind(&name.key, Ty::Time(time));
        let ty = self.expr(body, &inner, None);
        let Some(mut tensor) = self.tensor(&ty, body.span, &inner) else { return Ty::Poison };
        if tensor.axes.remove(&axis).is_none() {
            let help = "a mean binds the time of the paths and fields under it, `mean[t ~ choose(4)] |u(X, t)|²`";
            self.report(body.span, NothingVaries { what: "a mean", axis: name.text.to_string(), at: body.span, help });
        }
        let through = format!("the drawn times `{}`", name.text).into();
        tensor.axes.entry(SAMPLE).or_insert(Entry { name: "sample".into(), span: drawn.span, through });
        Ty::Tensor(tensor)
    }
}
