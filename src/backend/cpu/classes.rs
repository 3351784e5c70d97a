//! The dimensions of a contraction, sorted by what they are to a product of matrices.

use super::strided::{coalesce, walk};

/// A class of dimensions: sizes, and strides of the operands that have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub sizes: Vec<usize>,
    pub strides: Vec<Vec<usize>>,
}

impl Class {
    /// A class whose dimensions `operands` operands have.
    pub fn new(operands: usize) -> Self {
        Self { sizes: Vec::new(), strides: vec![Vec::new(); operands] }
    }

    /// Adds a dimension.
    pub fn push(&mut self, size: usize, strides: &[usize]) {
        self.sizes.push(size);
        for (to, s) in self.strides.iter_mut().zip(strides) {
            to.push(*s);
        }
    }

    /// Joins dimensions that all operands step through as one.
    pub fn coalesce(&mut self) {
        coalesce(&mut self.sizes, &mut self.strides);
    }

    /// The number of index combinations.
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Takes one dimension out: the one with the smallest last stride, which is where numbers lie side by side.
    pub fn take_densest(&mut self) -> (usize, Vec<usize>) {
        let last = self.strides.len() - 1;
        let best = (0..self.sizes.len()).min_by_key(|i| self.strides[last][*i]);
        self.take(best)
    }

    /// The dimensions in the order in which an operand steps through them.
    pub fn order(&self, operand: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.sizes.len()).filter(|i| self.sizes[*i] != 1).collect();
        order.sort_by_key(|i| std::cmp::Reverse(self.strides[operand][*i]));
        order
    }

    /// The stride of an operand that steps through the dimensions evenly in this order.
    pub fn even(&self, operand: usize, order: &[usize]) -> Option<usize> {
        let stride = order.last().map_or(0, |i| self.strides[operand][*i]);
        let mut expected = stride;
        for i in order.iter().rev() {
            if self.strides[operand][*i] != expected {
                return None;
            }
            expected *= self.sizes[*i];
        }
        Some(stride)
    }

    /// Sizes and an operand's strides in this order.
    pub fn along(&self, operand: usize, order: &[usize]) -> (Vec<usize>, Vec<usize>) {
        (order.iter().map(|i| self.sizes[*i]).collect(), order.iter().map(|i| self.strides[operand][*i]).collect())
    }

    /// Takes out the dimension of the largest size.
    pub fn take_largest(&mut self) -> (usize, Vec<usize>) {
        let best = (0..self.sizes.len()).max_by_key(|i| self.sizes[*i]);
        self.take(best)
    }

    /// Takes out a dimension: its size and strides; one index where there is none.
    pub fn take(&mut self, i: Option<usize>) -> (usize, Vec<usize>) {
        match i {
            Some(i) => (self.sizes.remove(i), self.strides.iter_mut().map(|s| s.remove(i)).collect()),
            None => (1, vec![0; self.strides.len()]),
        }
    }
}

/// The dimensions of a contraction by class. Rows and columns may have strides of operands beside the product as well,
/// behind the others.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    /// In both operands and the result; strides of a, b, c.
    pub batch: Class,
    /// In the first and the result; strides of a, c.
    pub rows: Class,
    /// In the second and the result; strides of b, c.
    pub columns: Class,
    /// In both operands, summed; strides of a, b.
    pub summed: Class,
}

impl Classes {
    /// Takes out a sum along which both operands lie side by side, where nothing else is shared between entries.
    pub fn take_dot(&mut self) -> Option<usize> {
        if self.rows.len() != 1 || self.columns.len() != 1 {
            return None;
        }
        self.summed.coalesce();
        let s = &self.summed.strides;
        let unit =
            (0..self.summed.sizes.len()).find(|i| s[0][*i] == 1 && s[1][*i] == 1 && self.summed.sizes[*i] >= 8)?;
        Some(self.summed.take(Some(unit)).0)
    }

    /// The same with the operands in the other order.
    pub fn swapped(&self) -> Self {
        let swap = |class: &Class| {
            let mut class = class.clone();
            class.strides.swap(0, 1);
            class
        };
        Self {
            batch: swap(&self.batch),
            rows: self.columns.clone(),
            columns: self.rows.clone(),
            summed: swap(&self.summed),
        }
    }
}

/// Which entries count of the operands and the result of a product, by their offsets; all if it is not said.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts<'a> {
    pub a: Option<&'a dyn Fn(usize) -> bool>,
    pub b: Option<&'a dyn Fn(usize) -> bool>,
    pub c: Option<&'a dyn Fn(usize) -> bool>,
}

/// For each block of lines the range of the cross lines at which some entry counts.
pub(super) fn ranges(
    lines: &[usize],
    across: &[usize],
    block: usize,
    counts: Option<&dyn Fn(usize) -> bool>,
) -> Vec<[usize; 2]> {
    let Some(counts) = counts else { return Vec::new() };
    let range = |block: &[usize]| {
        let counts = |x: &usize| block.iter().any(|y| counts(x + y));
        let from = across.iter().position(counts).unwrap_or(0);
        [from, across.iter().rposition(counts).map_or(from, |to| to + 1)]
    };
    lines.chunks(block).map(range).collect()
}

/// The offsets of dimensions, in order.
pub(super) fn offsets(sizes: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut all = Vec::new();
    walk(sizes, [strides], [0], &mut |[x]| all.push(x));
    all
}
