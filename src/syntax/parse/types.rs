//! Types as written.

use super::build::{Builder, Children};
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{TypeExpr, TypeKind};

impl Builder<'_> {
    /// `R[d]`, `P.Control`, `[Nat]`, `(R, R) -> R[d]`
    pub fn type_expr(&mut self, pair: Pair<'_>) -> TypeExpr {
        let span = self.span(&pair);
        let form = Children::of(pair).next();
        let rule = form.as_rule();
        let mut children = Children::of(form);
        let kind = match rule {
            Rule::real_type | Rule::law_type | Rule::samples_type => {
                let sizes = match children.take() {
                    Some(index) => {
                        let sizes = Children::of(index).take_all(Rule::ranged);
                        sizes.into_iter().map(|size| self.ranged(size)).collect()
                    }
                    None => Vec::new(),
                };
                match rule {
                    Rule::law_type => TypeKind::Law(sizes),
                    Rule::samples_type => TypeKind::Samples(sizes),
                    _ => TypeKind::Real(sizes),
                }
            }
            Rule::list_type => TypeKind::List(Box::new(self.type_expr(children.next()))),
            Rule::function_type => {
                let mut types: Vec<_> =
                    children.take_all(Rule::r#type).into_iter().map(|ty| self.type_expr(ty)).collect();
                let result = types.pop().expect("the grammar gives a result type");
                TypeKind::Function(types, Box::new(result))
            }
            _ => {
                let mut names = Vec::new();
                while let Some(name) = children.take() {
                    names.push(self.name(&name));
                }
                TypeKind::Named(names)
            }
        };
        TypeExpr { kind, span }
    }
}
