//! The length of a gradient that consists of several tensors.

/// √Σ g², over all entries of all tensors; scaled by the largest entry, so that no square overflows.
pub(super) fn norm<'a>(tensors: impl Iterator<Item = &'a [f64]> + Clone) -> f64 {
    let largest = tensors.clone().flatten().fold(0.0_f64, |largest, g| largest.max(g.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let mut sum = 0.0;
    for tensor in tensors {
        sum += tensor.iter().map(|g| (g / largest) * (g / largest)).sum::<f64>();
    }
    largest * sum.sqrt()
}

/// The factor that brings a gradient of this norm to at most `limit`.
pub(super) fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    limit.filter(|limit| norm > *limit).map_or(1.0, |limit| limit / norm)
}
