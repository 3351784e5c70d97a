//! Steps that carry the Jacobian of the right-hand side, for equations with fast and slow parts.

use super::lowerer::Lowerer;
use crate::graph::{Op, Type, ValueId};

impl Lowerer<'_> {
    /// h·(I − h·J)⁻¹·k: the change of a linearly implicit Euler step. `jacobian: [n, n]`, `k`: n entries.
    pub fn implicit_change(&mut self, jacobian: ValueId, k: ValueId, h: f64) -> ValueId {
        let (shape, n) = (self.b.ty(k).shape.clone(), self.b.ty(k).elements());
        let scaled = self.multiple(jacobian, h);
        let eye = self.b.push(Op::Eye(n));
        let matrix = self.b.sub(eye, scaled);
        let flat = self.b.reshape(k, [n]);
        let flat = self.multiple(flat, h);
        let change = self.b.push(Op::Solve(matrix, flat));
        self.b.reshape(change, shape)
    }

    /// h·φ₁(h·J)·k with φ₁(A) = Σ Aⁱ/(i + 1)!, the upper right block of exp [[A, I], [0, 0]].
    /// `jacobian: [n, n]`, `k`: n entries.
    pub fn exponential_change(&mut self, jacobian: ValueId, k: ValueId, h: f64) -> ValueId {
        let (shape, n) = (self.b.ty(k).shape.clone(), self.b.ty(k).elements());
        let scaled = self.multiple(jacobian, h);
        let eye = self.b.push(Op::Eye(n));
        let top = self.b.push(Op::Concat(1, vec![scaled, eye]));
        let bottom = self.b.filled(0.0, Type::shaped([n, 2 * n]));
        let block = self.b.push(Op::Concat(0, vec![top, bottom]));
        let exponential = self.b.push(Op::Expm(block));
        let upper = self.b.push(Op::Slice { dim: 0, start: 0, length: n, of: exponential });
        let phi = self.b.push(Op::Slice { dim: 1, start: n, length: n, of: upper });
        let flat = self.b.reshape(k, [n]);
        let flat = self.multiple(flat, h);
        let change = self.b.contract(phi, &[0, 1], flat, &[1], &[0], &[]);
        self.b.reshape(change, shape)
    }

    fn multiple(&mut self, v: ValueId, by: f64) -> ValueId {
        let by = self.b.number(by);
        self.b.mul(by, v)
    }
}
