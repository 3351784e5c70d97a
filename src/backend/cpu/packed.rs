//! A matrix that all tiles share is packed once per run, as blocks of rows.

use super::strided::walk;

/// Where a shared matrix lies and how it is packed: `[rows / block][columns][block]`, the last block filled with zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pack {
    pub slot: usize,
    pub offset: usize,
    /// Rows and columns, each as sizes and strides.
    pub rows: (Vec<usize>, Vec<usize>),
    pub columns: (Vec<usize>, Vec<usize>),
    pub block: usize,
}

impl Pack {
    fn count(sizes: &[usize]) -> usize {
        sizes.iter().product()
    }

    /// The numbers of the packed matrix.
    pub fn len(&self) -> usize {
        Self::count(&self.rows.0).div_ceil(self.block) * self.block * Self::count(&self.columns.0)
    }

    /// Packs.
    pub fn fill(&self, from: &[f32], to: &mut [f32]) {
        let columns = Self::count(&self.columns.0);
        let from = &from[self.offset..];
        let mut row = 0;
        walk(&self.rows.0, [&self.rows.1], [0], &mut |[r]| {
            let base = row / self.block * self.block * columns + row % self.block;
            let mut column = 0;
            walk(&self.columns.0, [&self.columns.1], [r], &mut |[x]| {
                to[base + column * self.block] = from[x];
                column += 1;
            });
            row += 1;
        });
    }
}
