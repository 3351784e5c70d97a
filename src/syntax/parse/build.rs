//! What every builder of tree nodes shares: places, names, and the children of a pair.

use crate::diagnostic::Sink;
use crate::source::{self, Name, Span};
use crate::syntax::errors::TooManyOperators;
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::scan::Scan;
use crate::syntax::tree::{Expr, ExprKind, Text};

/// Builds the tree of one item from its pairs.
pub(super) struct Builder<'a> {
    /// The whole file.
    pub text: &'a str,
    /// Its comments and brackets.
    pub scan: &'a Scan,
    /// The offset of the file in the offset space.
    pub base: u32,
    /// Where the parsed part starts in the file.
    pub from: usize,
    /// Errors that the grammar cannot see.
    pub sink: &'a mut Sink,
    /// The files of samples that were named.
    pub samples: &'a mut Vec<Text>,
    /// How deep in the tree of an expression the next node stands, at most.
    pub depth: usize,
}

/// The depth of an expression's tree that later stages, which recurse, are asked to bear.
const MAX_TREE_DEPTH: usize = 400;

impl Builder<'_> {
    /// The place of a pair, without the blanks and comments behind it.
    pub fn span(&self, pair: &Pair<'_>) -> Span {
        let within = pair.as_span();
        let start = self.from + within.start();
        let end = self.scan.trim_end(self.text, self.from + within.end()).max(start);
        Span::new(self.base + start as u32, self.base + end as u32)
    }

    /// A name from a `name` or `word` pair.
    pub fn name(&self, pair: &Pair<'_>) -> Name {
        source::name(pair.as_str(), self.span(pair))
    }

    /// A string literal.
    pub fn literal(&self, pair: &Pair<'_>) -> Text {
        let quoted = pair.as_str();
        Text { value: quoted[1..quoted.len() - 1].into(), span: self.span(pair) }
    }

    /// Builds parts that stand up to `levels` deeper than what is being built; where that is too deep, reports it once
    /// and leaves them out.
    pub fn deeper(&mut self, levels: usize, span: Span, build: impl FnOnce(&mut Self) -> Expr) -> Expr {
        self.depth += levels;
        let built = if self.depth <= MAX_TREE_DEPTH {
            build(self)
        } else {
            self.too_deep(span);
            Self::broken(span)
        };
        self.depth -= levels;
        built
    }

    /// Reports an expression by its first letters, where all of it would fill pages.
    pub fn too_deep(&mut self, span: Span) {
        let text = &self.text[(span.start - self.base) as usize..(span.end - self.base) as usize];
        let line = text.lines().next().unwrap_or(text);
        let length: usize = line.chars().take(40).map(char::len_utf8).sum();
        let here = Span::new(span.start, span.start + length as u32);
        self.sink.push(TooManyOperators { most: MAX_TREE_DEPTH, here });
    }

    /// What stands in the tree where an error was reported.
    pub fn broken(span: Span) -> Expr {
        Expr { kind: ExprKind::Hole, span }
    }
}

/// The children of a pair in order, words of the language left out.
pub(super) struct Children<'i> {
    pairs: std::iter::Peekable<pest::iterators::Pairs<'i, Rule>>,
}

impl<'i> Children<'i> {
    pub fn of(pair: Pair<'i>) -> Self {
        Self { pairs: pair.into_inner().peekable() }
    }

    /// How many children are left, words of the language included.
    pub fn count(&self) -> usize {
        self.pairs.clone().count()
    }

    /// How many levels the operators among the children add to a tree.
    pub fn levels(&self) -> usize {
        let adds = |pair: &Pair<'_>| {
            matches!(
                pair.as_rule(),
                Rule::infix
                    | Rule::kw_not
                    | Rule::chain_op
                    | Rule::prefix
                    | Rule::exponent
                    | Rule::with
                    | Rule::lambda
                    | Rule::conditional
            )
        };
        self.pairs.clone().filter(adds).count()
    }

    /// The next child's rule.
    pub fn rule(&mut self) -> Option<Rule> {
        while self.pairs.next_if(|pair| is_keyword(pair.as_rule())).is_some() {}
        self.pairs.peek().map(Pair::as_rule)
    }

    /// The next child, left in place.
    pub fn peek(&mut self) -> Option<Pair<'i>> {
        self.rule()?;
        self.pairs.peek().cloned()
    }

    /// The next child, which the grammar says is there.
    pub fn next(&mut self) -> Pair<'i> {
        self.take().expect("the grammar puts a pair here")
    }

    /// The next child, if any.
    pub fn take(&mut self) -> Option<Pair<'i>> {
        self.rule()?;
        self.pairs.next()
    }

    /// The next child if it is of that rule.
    pub fn take_if(&mut self, rule: Rule) -> Option<Pair<'i>> {
        if self.rule() == Some(rule) { self.pairs.next() } else { None }
    }

    /// The children from here on that are of that rule.
    pub fn take_all(&mut self, rule: Rule) -> Vec<Pair<'i>> {
        let mut all = Vec::new();
        while let Some(pair) = self.take_if(rule) {
            all.push(pair);
        }
        all
    }
}

/// Words that only mark a place; `not` is an operator and stays.
fn is_keyword(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::kw_against
            | Rule::kw_at
            | Rule::kw_batch
            | Rule::kw_buffer
            | Rule::kw_by
            | Rule::kw_capacity
            | Rule::kw_cite
            | Rule::kw_control
            | Rule::kw_cost
            | Rule::kw_else
            | Rule::kw_end
            | Rule::kw_every
            | Rule::kw_expect
            | Rule::kw_for
            | Rule::kw_as
            | Rule::kw_from
            | Rule::kw_frozen
            | Rule::kw_if
            | Rule::kw_in
            | Rule::kw_layer
            | Rule::kw_let
            | Rule::kw_log
            | Rule::kw_loss
            | Rule::kw_mean
            | Rule::kw_measure
            | Rule::kw_method
            | Rule::kw_minimize
            | Rule::kw_net
            | Rule::kw_noise
            | Rule::kw_of
            | Rule::kw_over
            | Rule::kw_param
            | Rule::kw_path
            | Rule::kw_plot
            | Rule::kw_problem
            | Rule::kw_process
            | Rule::kw_profile
            | Rule::kw_push
            | Rule::kw_repeat
            | Rule::kw_requires
            | Rule::kw_return
            | Rule::kw_run
            | Rule::kw_solve
            | Rule::kw_state
            | Rule::kw_step
            | Rule::kw_stop
            | Rule::kw_sweep
            | Rule::kw_table
            | Rule::kw_the
            | Rule::kw_then
            | Rule::kw_time
            | Rule::kw_times
            | Rule::kw_train
            | Rule::kw_under
            | Rule::kw_when
            | Rule::kw_until
            | Rule::kw_use
            | Rule::kw_weight
            | Rule::kw_with
            | Rule::arrow
    )
}
