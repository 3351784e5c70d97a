//! Nets, layers and their parameters.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use ndarray::{ArrayD, IxDyn};

use super::call::Arguments;
use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::experiment::{CopyRule, ParameterCopy};
use super::law::Distribution;
use super::lowerer::{Lowerer, stream_of};
use super::value::{Function, Value};
use crate::graph::{Draw, Lifetime, Op, Output, ParameterInfo, Type, ValueId};
use crate::source::{Name, Span, Symbol, Tensors};
use crate::syntax::tree::{Expr, ExprKind, Layer, Net, Param, TypeExpr, TypeKind};

/// The parameters of all nets of a cell, in the order in which they were first met.
#[derive(Default, Debug)]
pub struct Registry {
    entries: Vec<Known>,
    by_place: BTreeMap<(String, usize), usize>,
    copies: Vec<ParameterCopy>,
    /// Whether new parameters may still be met: only while the first values are lowered.
    pub open: bool,
}

#[derive(Debug)]
struct Known {
    net: String,
    info: ParameterInfo,
}

impl Registry {
    /// An empty registry that takes in the parameters it meets.
    pub fn collecting() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Names and shapes, those of copies last.
    pub fn infos(&self) -> Vec<ParameterInfo> {
        if self.open {
            return Vec::new();
        }
        let copies =
            self.copies.iter().map(|c| ParameterInfo { name: c.name.clone(), ..self.entries[c.of].info.clone() });
        self.entries.iter().map(|e| e.info.clone()).chain(copies).collect()
    }

    /// The copies that were asked for.
    pub fn copies(&self) -> Vec<ParameterCopy> {
        self.copies.clone()
    }

    /// The number under which programs know the copy of a parameter.
    pub fn copy(&mut self, of: usize, rule: CopyRule) -> usize {
        let known = self.copies.iter().position(|c| c.of == of && c.rule == rule);
        let number = known.unwrap_or_else(|| {
            let how = match rule {
                CopyRule::Mean { decay } => format!("ema({decay})"),
                CopyRule::Held { every: None } => "snapshot".to_owned(),
                CopyRule::Held { every: Some(every) } => format!("snapshot({every})"),
                CopyRule::Taken { place } => format!("snapshot@{place}"),
            };
            let name = format!("{how}.{}", self.entries[of].info.name);
            self.copies.push(ParameterCopy { name, of, rule });
            self.copies.len() - 1
        });
        self.entries.len() + number
    }

    /// The names of all parameters.
    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(|e| e.info.name.clone()).collect()
    }

    /// The number of parameters without copies.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The parameters of a net.
    pub fn of_net(&self, net: &str) -> Vec<usize> {
        (0..self.entries.len()).filter(|i| self.entries[*i].net == net).collect()
    }
}

/// Names shown of a file that does not fit.
const MOST: usize = 24;

/// Where in a net the next parameter stands.
#[derive(Clone, Debug)]
pub struct Naming<'a> {
    net: String,
    next: usize,
    layers: Vec<String>,
    given: Option<Given<'a>>,
    /// What the file was asked for: names and shapes.
    asked: Vec<(String, Vec<usize>)>,
}

/// Where the parameters of a net come from.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    tensors: &'a Tensors,
    part: &'a str,
    frozen: bool,
    span: Span,
}

impl Naming<'_> {
    /// The numbers that the file has for a parameter, where there is a file. Where they do not fit, [`Naming::fits`] says so.
    fn stored(&mut self, rest: &str, shape: &[usize]) -> Option<ArrayD<f64>> {
        let given = self.given.as_ref()?;
        let name = format!("{}.{rest}", given.part);
        let found = given.tensors.entries.get(&name).filter(|found| found.shape() == shape).cloned();
        self.asked.push((name, shape.to_vec()));
        Some(found.unwrap_or_else(|| ArrayD::zeros(IxDyn(shape))))
    }

    /// Compares what the file was asked for with what it has.
    fn fits(&self) -> Lowered<()> {
        let Some(given) = &self.given else { return Ok(()) };
        let entries = &given.tensors.entries;
        let differs =
            |(name, shape): &(String, Vec<usize>)| entries.get(name).is_none_or(|found| found.shape() != shape);
        let inside = format!("{}.", given.part);
        let more = |name: &String| name.starts_with(&inside) && self.asked.iter().all(|(asked, _)| asked != name);
        if !self.asked.iter().any(differs) && !entries.keys().any(more) {
            return Ok(());
        }
        let list = |names: &mut dyn Iterator<Item = (&String, &[usize])>| {
            let lines: Vec<String> = names.map(|(name, shape)| format!("\n  {name} {shape:?}")).collect();
            let more = lines.len().saturating_sub(MOST);
            let rest = if more > 0 { format!("\n  … and {more} more") } else { String::new() };
            if lines.is_empty() { " nothing".to_owned() } else { lines[..lines.len() - more].concat() + &rest }
        };
        let expected = list(&mut self.asked.iter().map(|(name, shape)| (name, &shape[..])));
        let found = list(&mut entries.iter().map(|(name, tensor)| (name, tensor.shape())));
        let mut error = fault(
            given.span,
            format!("expected the parameters of `{}` in `{}`:{expected}\nfound:{found}", self.net, given.tensors.shown),
        );
        error.help = Some(
            "names begin with the net's; say `from \"…\" as \"…\"` where they begin otherwise in the file, as those of a \
             sweep's cell do"
                .to_owned(),
        );
        Err(error)
    }
}

/// A net.
pub struct Network<'a> {
    name: Name,
    inputs: Vec<(&'a Param, Option<Vec<usize>>)>,
    output: Vec<usize>,
    value: &'a Expr,
    scope: Rc<Scope<'a>>,
    given: Option<Given<'a>>,
}

/// A layer with its parameters bound.
pub struct AppliedLayer<'a> {
    layer: &'a Layer,
    scope: Rc<Scope<'a>>,
}

impl Network<'_> {
    /// Its name.
    pub fn key(&self) -> &Symbol {
        &self.name.key
    }
}

impl<'a> Lowerer<'a> {
    /// `net V(x: R[d], t: R) -> R[d] = …`
    pub fn network(&mut self, net: &'a Net, scope: &Rc<Scope<'a>>) -> Lowered<Network<'a>> {
        let mut inputs = Vec::with_capacity(net.inputs.len());
        for p in &net.inputs {
            let shape = match &p.ty {
                Some(ty) => self.shape(ty, scope)?,
                None => None,
            };
            inputs.push((p, shape));
        }
        let output = self.shape(&net.output, scope)?.ok_or_else(|| fault(net.output.span, "a net gives R or R[…]"))?;
        let checked = self.checked;
        let given = net.stored.as_ref().map(|stored| Given {
            tensors: &checked.modules[scope.module].data[&stored.file.value],
            part: stored.part.as_ref().map_or(&net.name.text, |part| &part.value),
            frozen: net.frozen.is_some(),
            span: stored.file.span,
        });
        Ok(Network { name: net.name.clone(), inputs, output, value: &net.value, scope: scope.clone(), given })
    }

    /// Applies a net, so that all its parameters are met.
    pub fn meet(&mut self, net: &'a Net, scope: &Rc<Scope<'a>>) -> Lowered<()> {
        let network = Rc::new(self.network(net, scope)?);
        let mut given = Vec::new();
        for (p, shape) in &network.inputs {
            let shape = shape.clone().ok_or_else(|| fault(p.span, "the inputs of a net have shapes"))?;
            given.push((None, Value::Tensor(self.b.filled(0.0, Type::shaped(shape)))));
        }
        self.call_network(&network, given, net.name.span).map(|_| ())
    }

    /// A net at its inputs.
    pub fn call_network(&mut self, net: &Rc<Network<'a>>, given: Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        if given.len() != net.inputs.len() {
            return Err(fault(
                span,
                format!("`{}` takes {} inputs, found {}", net.name, net.inputs.len(), given.len()),
            ));
        }
        let scope = Scope::child(&net.scope);
        for ((param, shape), (_, value)) in net.inputs.iter().zip(given) {
            let mut v = self.tensor(&value, span)?;
            if let Some(shape) = shape
                && self.b.ty(v).shape != *shape
            {
                if self.b.ty(v).elements() != shape.iter().product::<usize>() {
                    return Err(fault(
                        span,
                        format!(
                            "`{}` takes `{}` of shape {shape:?}, found {:?}",
                            net.name,
                            param.name,
                            self.b.ty(v).shape
                        ),
                    ));
                }
                v = self.b.reshape(v, shape.clone());
            }
            scope.bind(&param.name.key, Value::Tensor(v));
        }
        let naming = Naming {
            net: net.name.key.as_str().to_owned(),
            next: 0,
            layers: Vec::new(),
            given: net.given.clone(),
            asked: Vec::new(),
        };
        let outer = self.naming.replace(naming);
        let value = self.expr(net.value, &scope, Some(&net.output));
        let naming = std::mem::replace(&mut self.naming, outer).expect("it was put there");
        let value = value?;
        naming.fits()?;
        self.fits(&value, &net.output, net.value.span, &format!("`{}`", net.name))?;
        Ok(value)
    }

    fn fits(&mut self, value: &Value<'a>, shape: &[usize], span: Span, who: &str) -> Lowered<()> {
        let found = match value {
            Value::Operator(m) => {
                let (r, c) = self.extent(m);
                vec![r, c]
            }
            other => {
                let v = self.tensor(other, span)?;
                self.b.ty(v).shape.clone()
            }
        };
        if found == shape {
            Ok(())
        } else {
            Err(fault(span, format!("{who} gives the shape {shape:?}, this has {found:?}")))
        }
    }

    /// A layer at its parameters.
    pub fn apply_layer(
        &mut self,
        layer: &'a Layer,
        module: usize,
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let scope = Scope::child(&self.root(module));
        self.bind_params(&layer.params, given, &scope, span)?;
        Ok(Value::Function(Rc::new(Function::Applied(Rc::new(AppliedLayer { layer, scope })))))
    }

    /// A layer at its inputs; several for one parameter are joined to a vector.
    pub fn call_layer(
        &mut self,
        applied: &Rc<AppliedLayer<'a>>,
        given: Arguments<'a>,
        span: Span,
        expected: Option<&[usize]>,
    ) -> Lowered<Value<'a>> {
        let layer = applied.layer;
        let scope = Scope::child(&applied.scope);
        let values: Vec<Value<'a>> = given.into_iter().map(|(_, v)| v).collect();
        let values = match (layer.inputs.len(), values.as_slice()) {
            (1, [Value::Tuple(items)]) => vec![Value::Tensor(self.join(items, span)?)],
            (1, many) if many.len() > 1 => vec![Value::Tensor(self.join(many, span)?)],
            _ => values,
        };
        if values.len() != layer.inputs.len() {
            return Err(fault(
                span,
                format!("`{}` takes {} inputs, found {}", layer.name, layer.inputs.len(), values.len()),
            ));
        }
        for (param, value) in layer.inputs.iter().zip(&values) {
            let mut v = self.tensor(value, span)?;
            if let Some(ty) = &param.ty {
                // A scalar goes where a vector of one component is asked for.
                if let TypeKind::Real(sizes) = &ty.kind
                    && sizes.len() == 1
                    && self.b.ty(v).shape.is_empty()
                {
                    v = self.b.reshape(v, [1]);
                }
                let shape = self.b.ty(v).shape.clone();
                self.match_sizes(ty, &shape, &scope, span)?;
            }
            scope.bind(&param.name.key, Value::Tensor(v));
        }
        if let Some(expected) = expected {
            self.match_sizes(&layer.output, expected, &scope, span)?;
        }
        let shape = self.shape(&layer.output, &scope)?;
        if let Some(n) = &mut self.naming {
            n.layers.push(layer.name.key.as_str().to_owned());
        }
        let value = self.block_expecting(&layer.body, &scope, shape.as_deref());
        if let Some(n) = &mut self.naming {
            n.layers.pop();
        }
        let value = value?.ok_or_else(|| fault(span, format!("`{}` returns nothing", layer.name)))?;
        if let Some(shape) = shape {
            self.fits(&value, &shape, span, &format!("the layer `{}`", layer.name))?;
        }
        Ok(value)
    }

    /// Binds the size names of a type that are still free by a shape, and compares the others.
    fn match_sizes(&mut self, ty: &'a TypeExpr, shape: &[usize], scope: &Rc<Scope<'a>>, span: Span) -> Lowered<()> {
        let TypeKind::Real(sizes) = &ty.kind else { return Ok(()) };
        if sizes.len() != shape.len() {
            return Err(fault(span, format!("expected {} dimensions, found the shape {shape:?}", sizes.len())));
        }
        for (size, n) in sizes.iter().zip(shape) {
            if let ExprKind::Name(name) = &size.kind
                && scope.find(&name.key).is_none()
                && !self.checked.modules[scope.module].names.contains_key(&name.key)
            {
                scope.bind(&name.key, Value::Number(*n as f64));
                continue;
            }
            let wanted = self.size(size, scope)?;
            if wanted != *n {
                return Err(fault(span, format!("expected the size {wanted}, found {n}")));
            }
        }
        Ok(())
    }

    /// `param W: R[n, m] ~ uniform(-k, k)`: the parameter that stands at this place of the net.
    pub fn parameter(
        &mut self,
        name: &Name,
        ty: &'a TypeExpr,
        drawn: bool,
        init: &'a Expr,
        scope: &Rc<Scope<'a>>,
    ) -> Lowered<ValueId> {
        let shape = self.shape(ty, scope)?.ok_or_else(|| fault(ty.span, "a parameter is R or R[…]"))?;
        let Some(naming) = &mut self.naming else {
            return Err(fault(name.span, "parameters belong to layers that a net applies"));
        };
        let ordinal = naming.next;
        naming.next += 1;
        let net = naming.net.clone();
        let rest = format!("{ordinal}.{}.{}", naming.layers.join("."), name.key);
        let full = format!("{net}.{rest}");
        let place = (net.clone(), ordinal);
        let stored = naming.stored(&rest, &shape);
        let frozen = naming.given.as_ref().is_some_and(|given| given.frozen);
        let stored = stored.map(|values| self.b.table(values, Type::shaped(shape.clone())));
        if let Some(stored) = stored.filter(|_| frozen) {
            return Ok(stored);
        }
        if self.registry.borrow().open {
            let value = match stored {
                Some(value) => value,
                None => self.first_value(&full, &shape, drawn, init, scope)?,
            };
            let mut registry = self.registry.borrow_mut();
            let number = registry.entries.len();
            if let Entry::Vacant(free) = registry.by_place.entry(place) {
                free.insert(number);
                registry.entries.push(Known { net, info: ParameterInfo { name: full.clone(), shape } });
                self.b.program_mut().outputs.push((Output::Named(full), value));
            }
            return Ok(value);
        }
        let number = self.registry.borrow().by_place.get(&place).copied();
        let number = number
            .ok_or_else(|| fault(name.span, format!("the parameter `{full}` was not met when the nets were made")))?;
        let known = self.registry.borrow().entries[number].info.shape.clone();
        if known != shape {
            return Err(fault(name.span, format!("the parameter `{full}` has the shape {known:?}, here {shape:?}")));
        }
        if let Some(rule) = self.copied.last() {
            let number = self.registry.borrow_mut().copy(number, *rule);
            self.b.program_mut().parameters = self.registry.borrow().infos();
            let v = self.b.push(Op::Parameter(number));
            return Ok(self.b.detach(v));
        }
        let v = self.b.push(Op::Parameter(number));
        Ok(if self.frozen > 0 { self.b.detach(v) } else { v })
    }

    fn first_value(
        &mut self,
        full: &str,
        shape: &[usize],
        drawn: bool,
        init: &'a Expr,
        scope: &Rc<Scope<'a>>,
    ) -> Lowered<ValueId> {
        let value = self.expr(init, scope, Some(shape))?;
        let ty = Type::shaped(shape.to_vec());
        let v = match (&value, drawn) {
            (Value::Law(law), true) => {
                let Distribution::Entries { law, shift, scale } = &**law else {
                    return Err(fault(
                        init.span,
                        "a parameter is drawn entry by entry: `normal(m, s)`, `uniform(a, b)`",
                    ));
                };
                let draw = Draw { stream: stream_of(full, 0), law: *law, lifetime: Lifetime::Run, seed: None };
                let standard = self.b.push_typed(Op::Draw(draw), Some(ty.clone()));
                let scaled = self.b.mul(*scale, standard);
                self.b.add(*shift, scaled)
            }
            (_, true) => return Err(fault(init.span, format!("expected a law to draw from, found {}", value.kind()))),
            (_, false) => self.tensor(&value, init.span)?,
        };
        if self.b.ty(v).shape.is_empty() || self.b.ty(v).shape == shape {
            Ok(self.b.broadcast(v, ty))
        } else {
            Err(fault(init.span, format!("expected the shape {shape:?}, found {:?}", self.b.ty(v).shape)))
        }
    }
}
