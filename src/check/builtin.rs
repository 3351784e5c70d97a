//! The functions of the language itself: one row each.

/// How the type of a call follows from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// One tensor of any shape, entry by entry.
    Entrywise,
    /// Two tensors of one shape, entry by entry; `max` also of one tensor, over all entries.
    Extremum,
    /// One tensor of any shape to a number.
    Reduce,
    /// A vector to a vector of its size.
    Softmax,
    /// A number of each sample and a share to a number, with `sample` in brackets.
    Quantile,
    /// Two tensors of one shape to a number.
    Dot,
    /// A square matrix to a number.
    Trace,
    /// A vector to a diagonal matrix, a matrix to its diagonal.
    Diagonal,
    /// The entries below, on and above the diagonal to a matrix.
    Tridiagonal,
    /// A square matrix to one of its size.
    SquareToSquare,
    /// A square matrix and a vector to a vector.
    Solve,
    /// Numbers and vectors, one after the other.
    Concat,
    /// A value or function, without gradient.
    Detach,
    /// A value without axes and a rate, or a function and a decay.
    RunningMean,
    /// A function, held.
    Snapshot,
    /// A list's length, or a vector's size.
    Length,
    /// One entry of a list.
    ListEntry,
    /// All entries of a list but the first.
    ListRest,
    /// The identity, with its size in brackets.
    Identity,
    /// A constant array, with its sizes in brackets.
    Filled,
    /// A random array, with its sizes in brackets: `randn[d](seed = 0)`.
    Drawn,
    /// An array with other sizes: `reshape[n, m](x)`.
    Reshape,
    /// Two numbers to a law.
    Law,
    /// A whole number and two numbers to a law.
    Student,
    /// A file of samples to a law.
    Empirical,
    /// Laws and their weights to a law.
    Mixture,
    /// A law and a value to a number.
    LogDensity,
    /// A bound time to the end of the step that begins at it.
    NextTime,
    /// A count, and two times between which they lie, to times that are drawn.
    Choose,
    /// A learning rate and options to an optimizer.
    Optimizer,
    /// What varies over samples to the same at all of them.
    Others,
    /// Two sets of samples to a number.
    Distance,
    /// A function to how often the training evaluated it.
    Evaluations,
}

/// A function of the language.
#[derive(Debug)]
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// What a call looks like.
    pub(crate) usage: &'static str,
    pub(crate) rule: Rule,
}

const fn row(name: &'static str, usage: &'static str, rule: Rule) -> Builtin {
    Builtin { name, usage, rule }
}

/// All of them.
pub(crate) const BUILTINS: &[Builtin] = &[
    row("exp", "exp(x)", Rule::Entrywise),
    row("log", "log(x)", Rule::Entrywise),
    row("sqrt", "sqrt(x)", Rule::Entrywise),
    row("sin", "sin(x)", Rule::Entrywise),
    row("cos", "cos(x)", Rule::Entrywise),
    row("tanh", "tanh(x)", Rule::Entrywise),
    row("relu", "relu(x)", Rule::Entrywise),
    row("sigmoid", "sigmoid(x)", Rule::Entrywise),
    row("softplus", "softplus(x)", Rule::Entrywise),
    row("abs", "abs(x)", Rule::Entrywise),
    row("sign", "sign(x)", Rule::Entrywise),
    row("erf", "erf(x)", Rule::Entrywise),
    row("floor", "floor(x)", Rule::Entrywise),
    row("min", "min(a, b)", Rule::Extremum),
    row("max", "max(a, b)", Rule::Extremum),
    row("sum", "sum(x)", Rule::Reduce),
    row("logsumexp", "logsumexp(x)", Rule::Reduce),
    row("norm", "norm(x)", Rule::Reduce),
    row("softmax", "softmax(x)", Rule::Softmax),
    row("quantile", "quantile[sample](x, 0.9)", Rule::Quantile),
    row("dot", "dot(x, y)", Rule::Dot),
    row("tr", "tr(A)", Rule::Trace),
    row("diag", "diag(x)", Rule::Diagonal),
    row("tridiagonal", "tridiagonal(below, on, above)", Rule::Tridiagonal),
    row("expm", "expm(A)", Rule::SquareToSquare),
    row("solve", "solve(A, x)", Rule::Solve),
    row("concat", "concat(x, y)", Rule::Concat),
    row("detach", "detach(x)", Rule::Detach),
    row("ema", "ema(x, rate = 0.01)", Rule::RunningMean),
    row("snapshot", "snapshot(u, every = 100)", Rule::Snapshot),
    row("length", "length(list)", Rule::Length),
    row("first", "first(list)", Rule::ListEntry),
    row("last", "last(list)", Rule::ListEntry),
    row("rest", "rest(list)", Rule::ListRest),
    row("I", "I[n]", Rule::Identity),
    row("zeros", "zeros[n]", Rule::Filled),
    row("ones", "ones[n]", Rule::Filled),
    row("randn", "randn[n](seed = 0)", Rule::Drawn),
    row("reshape", "reshape[n, m](x)", Rule::Reshape),
    row("uniform", "uniform(a, b)", Rule::Law),
    row("normal", "normal(m, s)", Rule::Law),
    row("student", "student(3, m, s)", Rule::Student),
    row("empirical", "empirical(\"points.npy\")", Rule::Empirical),
    row("mixture", "mixture([normal(0, 1), normal(3, 1)], weights = [0.3, 0.7])", Rule::Mixture),
    row("log_density", "log_density(p, x)", Rule::LogDensity),
    row("evaluations", "evaluations(f)", Rule::Evaluations),
    row("other", "other(x)", Rule::Others),
    row("W2", "W2(x, y)", Rule::Distance),
    row("next", "next(t)", Rule::NextTime),
    row("choose", "choose(4, 0, T)", Rule::Choose),
    row("adam", "adam(rate, β1 = 0.9, β2 = 0.999, ε = 1e-8, decay = 0, clip = 1)", Rule::Optimizer),
    row("sgd", "sgd(rate, momentum = 0, clip = 1)", Rule::Optimizer),
];

/// The function of this name.
pub(crate) fn find_builtin(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// Whether there is a function of this name.
pub(crate) fn is_builtin(name: &str) -> bool {
    find_builtin(name).is_some()
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|builtin| builtin.name)
}
