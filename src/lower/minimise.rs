//! What is minimised, over which parameters, and how.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::experiment::{Group, Training};
use super::lowerer::Lowerer;
use super::value::Value;
use crate::graph::{Op, Output, Type, ValueId};
use crate::source::{Name, Span};
use crate::syntax::tree::Expr;
use crate::transform::vjp;

/// The objectives of a program: the place of each among the outputs, and the parameters in which it is differentiated.
pub type Objectives = Vec<(usize, Vec<usize>)>;

impl<'a> Lowerer<'a> {
    /// `minimize e over V by adam(1e-3)`
    pub fn minimize(
        &mut self,
        objective: &'a Expr,
        over: &'a [(Name, Expr)],
        scope: &Rc<Scope<'a>>,
        groups: &mut Vec<Group>,
        objectives: &mut Objectives,
    ) -> Lowered<()> {
        let value = self.expr(objective, scope, None)?;
        let loss = self.tensor(&value, objective.span)?;
        if *self.b.ty(loss) != Type::SCALAR {
            return Err(fault(
                objective.span,
                "what is minimised is one number; average it over what it varies over, E[…]",
            ));
        }
        let place = self.b.program().outputs.len();
        self.b.program_mut().outputs.push((Output::Named(Training::OBJECTIVE.to_owned()), loss));
        let mut numbers: Vec<usize> = Vec::new();
        for (name, optimizer) in over {
            let parameters = self.moved(name, scope)?;
            let Value::Optimizer(o) = self.expr(optimizer, scope, None)? else {
                return Err(fault(optimizer.span, "expected an optimizer: adam(1e-3), sgd(1e-2)"));
            };
            let rate = self.rate(&o.rate, optimizer.span)?;
            let output = format!("rate:{}", groups.len());
            self.b.program_mut().outputs.push((Output::Named(output.clone()), rate));
            groups.push(Group {
                name: name.text.to_string(),
                parameters: parameters.clone(),
                rule: o.rule,
                rate: output,
                clip: o.clip,
            });
            numbers.extend(parameters);
        }
        objectives.push((place, numbers));
        Ok(())
    }

    /// ∂[V] e: the derivatives of a number in all parameters of the nets that a function is made of, one vector.
    pub fn parameter_gradient(
        &mut self,
        name: &Name,
        of: ValueId,
        span: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Lowered<ValueId> {
        let parameters = self.moved(name, scope)?;
        if *self.b.ty(of) != Type::SCALAR {
            return Err(fault(
                span,
                "a derivative in parameters is of one number; average it over what it varies over",
            ));
        }
        let wrt: Vec<ValueId> = parameters.iter().map(|number| self.b.push(Op::Parameter(*number))).collect();
        let one = self.b.number(1.0);
        let slopes = vjp(&mut self.b, &[(of, one)], &wrt);
        let parts: Vec<ValueId> = wrt
            .iter()
            .zip(slopes)
            .map(|(parameter, slope)| {
                let count = self.b.ty(*parameter).elements();
                match slope {
                    Some(slope) => self.b.reshape(slope, [count]),
                    None => self.b.filled(0.0, Type::shaped([count])),
                }
            })
            .collect();
        Ok(self.b.push(Op::Concat(0, parts)))
    }

    /// The parameters of the nets that a name after `over` stands for.
    fn moved(&mut self, name: &Name, scope: &Rc<Scope<'a>>) -> Lowered<Vec<usize>> {
        let Value::Function(f) = self.lookup(name, scope)? else {
            return Err(fault(name.span, format!("`{name}` is no net, and made of none")));
        };
        let nets = self.nets_of(&f)?.moving;
        if nets.is_empty() {
            return Err(fault(name.span, format!("`{name}` is made of no net whose parameters could move")));
        }
        let registry = self.registry.borrow();
        Ok(nets.iter().flat_map(|net| registry.of_net(net.as_str())).collect())
    }

    /// The learning rate: a number, or a function of the step.
    fn rate(&mut self, rate: &Value<'a>, span: Span) -> Lowered<ValueId> {
        if let Value::Function(f) = rate {
            let step = self.b.push(Op::Step);
            let value = self.call(&f.clone(), vec![(None, Value::Tensor(step))], span, None)?;
            return self.tensor(&value, span);
        }
        self.tensor(rate, span)
    }
}
