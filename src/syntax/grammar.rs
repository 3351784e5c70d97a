//! The parser that pest derives from `grammar/soc.pest`.

// The derived enum has a variant per rule; what a rule means stands in the grammar.
#![allow(missing_docs, clippy::wildcard_enum_match_arm)]

use pest_derive::Parser;

#[derive(Parser)]
#[grammar = "../grammar/soc.pest"]
pub struct Grammar;

pub(super) type Pair<'i> = pest::iterators::Pair<'i, Rule>;
