//! Steps that carry the Jacobian of the right-hand side, for equations with fast and slow parts.

use ndarray::ArrayD;

use super::lowerer::Lowerer;
use super::tridiagonal::Bands;
use crate::graph::{Op, Type, ValueId};
use crate::transform::bandwidth;

impl Lowerer<'_> {
    /// h·(I − h·J)⁻¹·k: the change of a linearly implicit Euler step, with J = ∂k/∂y at the marked `point`.
    pub fn implicit_change(&mut self, k: ValueId, point: ValueId, h: f64) -> ValueId {
        let (shape, n) = (self.b.ty(k).shape.clone(), self.b.ty(k).elements());
        let change = self.multiple(k, h);
        if shape.len() == 1 && n >= COLOURS && bandwidth(self.b.program(), point, k) <= 1 {
            let jacobian = self.jacobian_bands(k, point);
            let one = self.b.number(1.0);
            let on = self.multiple(jacobian.on, -h);
            let matrix = Bands {
                below: self.multiple(jacobian.below, -h),
                on: self.b.add(one, on),
                above: self.multiple(jacobian.above, -h),
            };
            return self.solve_bands(matrix, change);
        }
        let jacobian = self.jacobian_of(k, point);
        let scaled = self.multiple(jacobian, h);
        let eye = self.b.push(Op::Eye(n));
        let matrix = self.b.sub(eye, scaled);
        let flat = self.b.reshape(change, [n]);
        let change = self.b.push(Op::Solve(matrix, flat));
        self.b.reshape(change, shape)
    }

    /// The Jacobian ∂k/∂y of a vector field whose entries see their neighbours at most. Every third entry of the point moves
    /// at once, so that three jvps tell all entries apart.
    fn jacobian_bands(&mut self, k: ValueId, point: ValueId) -> Bands {
        let n = self.b.ty(k).elements();
        let every_third: Vec<ValueId> = (0..COLOURS)
            .map(|colour| {
                let marks = ArrayD::from_shape_fn(vec![n], |i| f64::from(u8::from(i[0] % COLOURS == colour)));
                self.b.table(marks, Type::shaped([n]))
            })
            .collect();
        let ty = self.b.ty(point).clone();
        let slopes: Vec<ValueId> = every_third
            .iter()
            .map(|marks| {
                let seed = self.b.broadcast(*marks, ty.clone());
                self.tangent_of(k, point, seed)
            })
            .collect();
        // Row i finds the column i + ahead in the slope of that column's colour.
        let mut diagonal = |ahead: usize| {
            let none = self.b.filled(0.0, Type::shaped([n]));
            (0..COLOURS).fold(none, |sum, colour| {
                let part = self.b.mul(every_third[colour], slopes[(colour + ahead) % COLOURS]);
                self.b.add(sum, part)
            })
        };
        let (below, on, above) = (diagonal(COLOURS - 1), diagonal(0), diagonal(1));
        Bands {
            below: self.b.push(Op::Slice { dim: 0, start: 1, length: n - 1, of: below }),
            on,
            above: self.b.push(Op::Slice { dim: 0, start: 0, length: n - 1, of: above }),
        }
    }

    /// h·φ₁(h·J)·k with φ₁(A) = Σ Aⁱ/(i + 1)!, the upper right block of exp [[A, I], [0, 0]], and J = ∂k/∂y at `point`.
    pub fn exponential_change(&mut self, k: ValueId, point: ValueId, h: f64) -> ValueId {
        let (shape, n) = (self.b.ty(k).shape.clone(), self.b.ty(k).elements());
        let jacobian = self.jacobian_of(k, point);
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

/// Columns of one colour of a tridiagonal matrix have no row in common.
const COLOURS: usize = 3;
