//! `expect` and `profile`.

use super::build::{Builder, Children};
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{Change, ChangeKind, Claim, Expect, Moment, Profile};

impl Builder<'_> {
    /// `expect`
    pub(super) fn expect(&mut self, form: Pair<'_>) -> Expect {
        let span = self.span(&form);
        let mut children = Children::of(form);
        let value = self.expr(children.next());
        let claim = match children.take_if(Rule::interval) {
            None => Claim::Holds(value),
            Some(interval) => {
                let mut parts = Children::of(interval);
                let first = self.expr(parts.next());
                let near = parts.take_if(Rule::plus_minus).is_some();
                let second = self.expr(parts.next());
                if near { Claim::Near(value, first, second) } else { Claim::Between(value, first, second) }
            }
        };
        let step = children.take_if(Rule::moment).and_then(|moment| Children::of(moment).take_if(Rule::expr));
        let at = step.map_or(Moment::End, |step| Moment::Step(self.expr(step)));
        Expect { claim, at, clauses: self.clauses(&mut children), span }
    }

    /// What follows the word `profile`.
    pub(super) fn profile(&mut self, children: &mut Children<'_>) -> Profile {
        let name = self.name(&children.next());
        let changes = Children::of(children.next()).take_all(Rule::change).into_iter().map(|change| {
            let form = Children::of(change).next();
            let span = self.span(&form);
            let kind = match form.as_rule() {
                Rule::let_ => ChangeKind::Let(self.definition(form)),
                Rule::sweep => ChangeKind::Sweep(self.sweep(form)),
                Rule::expect => ChangeKind::Expect(self.expect(form)),
                _ => {
                    let mut parts = Children::of(form);
                    let words = Children::of(parts.next()).take_all(Rule::word);
                    let path = words.iter().map(|word| self.name(word)).collect();
                    let value = Children::of(parts.next()).next();
                    ChangeKind::Set(path, self.expr(value))
                }
            };
            Change { kind, span }
        });
        Profile { name, changes: changes.collect() }
    }
}
