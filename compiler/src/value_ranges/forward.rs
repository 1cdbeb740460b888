//! What follows for the result of every op from what is known of its operands.

use super::facts::{Facts, least};
use super::interval::{Interval, Rows};
use super::{Analysis, spectral};
use crate::evaluate::{Tensor, centre_factor};
use crate::graph::{Element, NodeId, Op, Visibility};
use crate::smooth::Smooth;

impl Analysis<'_> {
    /// Op by op.
    pub(super) fn forward(&self, id: NodeId) -> Facts {
        let node = self.graph.node(id);
        let width = self.width(id);
        if matches!(node.ty.visibility, Visibility::Public | Visibility::SecretServer)
            && let Some(value) = self.known(id)
        {
            return of_values(&value.data, width);
        }
        let rows = Facts::of_rows(self.intervals(id));
        let of = |x: NodeId| &self.facts[x.0 as usize];
        match &node.op {
            Op::Add(a, b) | Op::Sub(a, b) => {
                let [a, b] = [a, b].map(|x| self.stretched(*x, width));
                Facts { spread: a.spread + b.spread, ..rows.with_norm(a.norm + b.norm).with_mass(a.mass + b.mass) }
            }
            Op::Mul(a, b) => self.entries(*a, *b, rows),
            Op::Scale(x, factor) => scaled(of(*x), factor.abs(), rows),
            Op::Offset(x, term) => {
                let (n, term) = (width as f64, term.abs());
                let x = of(*x);
                Facts { spread: x.spread, ..rows.with_norm(x.norm + term * n.sqrt()).with_mass(x.mass + term * n) }
            }
            Op::MatMul(a, b) => self.product(*a, *b, rows),
            Op::Linear { x, weight, bias } => match self.known(*weight) {
                Some(w) if !self.is_only_split(id) => {
                    self.layer(*x, *weight, w, bias.map_or(0.0, |b| of(b).norm), rows)
                }
                _ => rows,
            },
            Op::Transpose(x) => rows.with_norm(of(*x).norm * (width as f64).sqrt()),
            Op::SplitHeads { x, heads } => {
                let x = Facts { spread: f64::INFINITY, ..of(*x).clone() };
                Facts {
                    spread: f64::INFINITY,
                    ..rows.with_norm(x.norm.min(self.of_heads(id, *heads))).with_mass(x.mass)
                }
            }
            Op::MergeHeads(x) => {
                let heads = self.shape(*x)[0] as f64;
                rows.with_norm(of(*x).norm * heads.sqrt()).with_mass(of(*x).mass * heads)
            }
            Op::Slice { x, axis, .. } | Op::Gather { x, axis, .. } => {
                let (x, last) = (of(*x), self.is_last(*x, *axis));
                // A gather may repeat an entry, not more often than it has entries.
                let most = if last && matches!(node.op, Op::Gather { .. }) { f64::INFINITY } else { 1.0 };
                let spread = if last { f64::INFINITY } else { x.spread };
                Facts { spread, ..rows.with_norm(x.norm * most).with_mass(x.mass * most) }
            }
            Op::Concat { parts, axis } => {
                let parts: Vec<&Facts> = parts.iter().map(|p| of(*p)).collect();
                if axis + 1 == node.ty.shape.len() {
                    let squares: f64 = parts.iter().map(|p| p.norm * p.norm).sum();
                    rows.with_norm(squares.sqrt()).with_mass(parts.iter().map(|p| p.mass).sum())
                } else {
                    Facts { rows: rows.rows, ..Facts::either(&parts) }
                }
            }
            Op::Reshape(x) if self.width(*x) == width => Facts { rows: rows.rows, ..of(*x).clone() },
            Op::Relu(x) => rows.with_norm(of(*x).norm).with_mass(of(*x).mass),
            Op::Smooth(Smooth::Gelu | Smooth::Silu | Smooth::Tanh, x) => {
                rows.with_norm(of(*x).norm).with_mass(of(*x).mass)
            }
            Op::Centre(x) => {
                let spread = centre_factor(width) * of(*x).spread;
                Facts { spread, ..rows.with_norm(spread) }
            }
            Op::OneHot { .. } => rows.with_mass(1.0),
            _ => rows,
        }
    }

    /// The facts of an operand that is repeated to rows of `width`.
    fn stretched(&self, x: NodeId, width: usize) -> Facts {
        let facts = &self.facts[x.0 as usize];
        if self.width(x) == width {
            return facts.clone();
        }
        let (size, n) = (facts.largest(), width as f64);
        Facts { rows: None, norm: size * n.sqrt(), mass: size * n, spread: 0.0 }
    }

    /// A product entry by entry.
    fn entries(&self, a: NodeId, b: NodeId, rows: Facts) -> Facts {
        let of = |x: NodeId| &self.facts[x.0 as usize];
        let whole = rows.rows.as_ref().map_or(0, Rows::width).max(self.width(a)).max(self.width(b));
        let mut out = rows;
        for (x, factor) in [(a, b), (b, a)] {
            if self.width(x) == whole {
                let size = of(factor).largest();
                out = out.with_norm(of(x).norm * size).with_mass(of(x).mass * size);
                if self.width(factor) == 1 {
                    out.spread = least(out.spread, of(x).spread * size);
                }
            }
        }
        if self.width(a) == self.width(b) {
            // Cauchy-Schwarz.
            out = out.with_mass(of(a).norm * of(b).norm);
        }
        out
    }

    fn layer(&self, x: NodeId, id: NodeId, weight: &Tensor, bias: f64, rows: Facts) -> Facts {
        let x = &self.facts[x.0 as usize];
        let width = weight.shape.first().copied().unwrap_or(1);
        let length = if matches!(self.op(id), Op::CentreWeight(_)) { x.spread } else { x.norm };
        rows.with_norm(self.spectral_norm(id, weight, width) * length + bias)
    }

    /// The spectral norm of a weight, computed once.
    pub(super) fn spectral_norm(&self, id: NodeId, weight: &Tensor, rows: usize) -> f64 {
        *self.spectral.borrow_mut().entry(id).or_insert_with(|| spectral::norm(&weight.data, rows))
    }

    /// A bound of the norm of every head of a layer that is split into heads: each head has a block of the weight's rows.
    fn of_heads(&self, id: NodeId, heads: usize) -> f64 {
        let Op::SplitHeads { mut x, .. } = *self.op(id) else { return f64::INFINITY };
        let mut span = (0, self.width(x));
        let mut scale = 1.0;
        loop {
            match *self.op(x) {
                Op::Slice { x: from, axis, start, end } if self.is_last(from, axis) => {
                    span = (start + span.0, start + span.1);
                    debug_assert!(span.1 <= end);
                    x = from;
                }
                Op::Slice { x: from, axis, .. } if !self.is_last(from, axis) => x = from,
                Op::Scale(from, factor) => {
                    scale *= factor.abs();
                    x = from;
                }
                _ => break,
            }
        }
        // Behind a norm, the layer on the centred row is divided by the row's deviation.
        let (layer, length) = match *self.op(x) {
            Op::Linear { x: from, .. } => (x, self.input_length(x, from)),
            Op::Mul(a, b) => match [(a, b), (b, a)].into_iter().find_map(|(v, d)| self.normalised_length(v, d)) {
                Some(found) => found,
                None => return f64::INFINITY,
            },
            Op::Add(a, b) => {
                // The bias of a layer behind a norm is added last.
                let (layer, bias) = if self.known(b).is_some() { (a, b) } else { (b, a) };
                let (Some(bias), Op::Mul(p, q)) = (self.known(bias), self.op(layer)) else { return f64::INFINITY };
                let found = [(*p, *q), (*q, *p)].into_iter().find_map(|(v, d)| self.normalised_length(v, d));
                let Some((layer, length)) = found else { return f64::INFINITY };
                if bias.data.len() != self.width(layer) {
                    return f64::INFINITY;
                }
                return scale * self.longest_head(layer, length, heads, span, &bias.data);
            }
            _ => return f64::INFINITY,
        };
        scale * self.longest_head(layer, length, heads, span, &[])
    }

    /// Whether a layer is only used head by head, whose norms are bounded one by one.
    pub(super) fn is_only_split(&self, id: NodeId) -> bool {
        let users = &self.users[id.0 as usize];
        !users.is_empty()
            && users.iter().all(|&user| match *self.op(user) {
                Op::SplitHeads { .. } => true,
                Op::Slice { .. } | Op::Scale(..) => self.is_only_split(user),
                Op::Mul(a, b) if [a, b].iter().any(|x| *x != id && self.width(*x) == 1) => self.is_only_split(user),
                Op::Add(a, b) if [a, b].iter().any(|x| *x != id && self.known(*x).is_some()) => {
                    self.is_only_split(user)
                }
                _ => false,
            })
    }

    /// The norm of what a layer multiplies.
    fn input_length(&self, layer: NodeId, x: NodeId) -> f64 {
        let x = &self.facts[x.0 as usize];
        match *self.op(layer) {
            Op::Linear { weight, .. } if matches!(self.op(weight), Op::CentreWeight(_)) => x.spread,
            _ => x.norm,
        }
    }

    fn longest_head(&self, layer: NodeId, length: f64, heads: usize, span: (usize, usize), last: &[f64]) -> f64 {
        let Op::Linear { weight, bias, .. } = *self.op(layer) else { return f64::INFINITY };
        let Some(value) = self.known(weight) else { return f64::INFINITY };
        let own = match bias.map(|b| self.known(b)) {
            None => &[],
            Some(Some(bias)) => &bias.data[..],
            Some(None) => return f64::INFINITY,
        };
        let columns = value.data.len() / value.shape[0].max(1);
        let size = (span.1 - span.0) / heads;
        let part = |of: &[f64], from: usize| of.get(from..from + size).map_or(0.0, |b| b.iter().map(|v| v * v).sum());
        let norms = (0..heads).map(|head| {
            let from = span.0 + head * size;
            let block = spectral::norm(&value.data[from * columns..(from + size) * columns], size);
            block * length + part(own, from).sqrt() + part(last, from).sqrt()
        });
        norms.fold(0.0, f64::max)
    }

    fn product(&self, a: NodeId, b: NodeId, rows: Facts) -> Facts {
        let of = |x: NodeId| &self.facts[x.0 as usize];
        let (left, right) = (of(a), of(b));
        let inner = self.width(a) as f64;
        let mut out = rows.with_norm(left.mass * right.norm).with_norm(left.norm * right.norm * inner.sqrt());
        if let (Some(size), Some(rows)) = (right.hull(), &out.rows) {
            // Σ a·b is at most Σ a times the largest b.
            let by_mass = if left.is_not_negative() {
                Interval::new(0.0, left.mass).times(size)
            } else {
                Interval::within(left.mass * size.size())
            };
            if by_mass.low.is_finite() && by_mass.high.is_finite() {
                out.rows = Some(rows.map(|i| i.both(by_mass)));
            }
        }
        if let Op::Transpose(other) = self.op(b) {
            // Cauchy-Schwarz, row by row.
            let bound = Interval::within(left.norm * of(*other).norm);
            if bound.high.is_finite() {
                let width = self.width(b);
                out.rows = Some(match &out.rows {
                    Some(rows) => rows.map(|i| i.both(bound)),
                    None => Rows::uniform(bound, width),
                });
            }
        }
        out
    }

    /// Interval arithmetic.
    fn intervals(&self, id: NodeId) -> Option<Rows> {
        let node = self.graph.node(id);
        let width = self.width(id);
        let each = |x: NodeId, f: fn(Interval) -> Interval| Some(self.rows(x)?.map(f));
        let pair = |a: NodeId, b: NodeId, f: fn(Interval, Interval) -> Interval| {
            Some(self.rows(a)?.zip(self.rows(b)?, width, f))
        };
        match &node.op {
            Op::Input(_) => match node.ty.element {
                Element::U8 => Some(Rows::uniform(Interval::new(0.0, 255.0), width)),
                Element::Bit => Some(Rows::uniform(Interval::new(0.0, 1.0), width)),
                Element::Real | Element::I32 => None,
            },
            Op::Param(_) | Op::Const(_) | Op::CentreWeight(_) => None,
            Op::Add(a, b) => pair(*a, *b, Interval::plus),
            Op::Sub(a, b) => {
                let plain = pair(*a, *b, Interval::minus)?;
                // What is below its own maximum.
                let below = *self.op(*b) == Op::MaxRow(*a);
                Some(if below { plain.map(|i| Interval::new(i.low.min(0.0), 0.0)) } else { plain })
            }
            Op::Mul(a, b) if a == b => each(*a, Interval::square),
            Op::Mul(a, b) => pair(*a, *b, Interval::times),
            Op::Scale(x, factor) => Some(self.rows(*x)?.map(|i| i.times(Interval::point(*factor)))),
            Op::Offset(x, term) => Some(self.rows(*x)?.map(|i| i.plus(Interval::point(*term)))),
            Op::MatMul(a, b) => self.summed_products(*a, *b),
            Op::Linear { x, weight, bias } => self.linear(*x, *weight, *bias),
            Op::Transpose(x) => Some(Rows::uniform(self.rows(*x)?.hull(), width)),
            Op::SplitHeads { x, heads } => Some(self.rows(*x)?.folded(*heads)),
            Op::MergeHeads(x) => Some(self.rows(*x)?.repeated(self.shape(*x)[0])),
            Op::Slice { x, axis, start, end } => {
                let rows = self.rows(*x)?;
                Some(if self.is_last(*x, *axis) { rows.picked(*start..*end) } else { rows.clone() })
            }
            Op::Gather { x, axis, index } => {
                let rows = self.rows(*x)?;
                Some(if self.is_last(*x, *axis) { rows.picked(index.iter().copied()) } else { rows.clone() })
            }
            Op::Concat { parts, axis } => {
                let parts: Option<Vec<&Rows>> = parts.iter().map(|p| self.rows(*p)).collect();
                Some(if axis + 1 == node.ty.shape.len() { Rows::joined(&parts?) } else { Rows::hull_of(&parts?) })
            }
            Op::Reshape(x) => {
                let rows = self.rows(*x)?;
                Some(if self.width(*x) == width { rows.clone() } else { Rows::uniform(rows.hull(), width) })
            }
            Op::SumRow(x) => Some(Rows::uniform(self.sum(*x)?, 1)),
            Op::MeanRow(x) => Some(Rows::uniform(self.mean(*x)?, 1)),
            Op::Relu(x) => each(*x, Interval::relu),
            Op::Smooth(function, x) => Some(self.rows(*x)?.map(|i| i.smooth(*function))),
            Op::Sqrt(x) => {
                let rows = self.rows(*x)?;
                (rows.hull().low >= 0.0).then(|| rows.map(Interval::sqrt))
            }
            Op::Rsqrt(x) => {
                let rows = self.rows(*x)?;
                (rows.hull().low > 0.0).then(|| rows.map(|i| i.sqrt().recip()))
            }
            Op::Step(_) => Some(Rows::uniform(Interval::new(0.0, 1.0), width)),
            Op::MaxRow(x) => Some(Rows::uniform(self.rows(*x)?.most(), 1)),
            Op::OneHot { .. } => Some(Rows::uniform(Interval::new(0.0, 1.0), width)),
            Op::Recip(x) => {
                let rows = self.rows(*x)?;
                (rows.hull().low > 0.0).then(|| rows.map(Interval::recip))
            }
            Op::Centre(x) => {
                let (mean, kappa) = (self.mean(*x)?, Interval::point(centre_factor(width)));
                Some(self.rows(*x)?.map(|i| i.minus(mean).times(kappa)))
            }
            Op::LayerNorm { x, gain, bias, .. } => {
                let normed = Rows::uniform(Interval::within(row_deviation(self.width(*x))), width);
                let gained = normed.zip(self.rows(*gain)?, width, Interval::times);
                Some(gained.zip(self.rows(*bias)?, width, Interval::plus))
            }
            Op::InvStd { x, eps } => {
                let low = 1.0 / (self.variance(*x) + eps).sqrt();
                Some(Rows::uniform(Interval::new(low, 1.0 / eps.sqrt()), 1))
            }
            Op::Patches { x, .. } => Some(Rows::uniform(self.rows(*x)?.hull(), width)),
            Op::Normalize { x, mean, std } => {
                let hull = self.rows(*x)?.hull();
                let channels = mean
                    .iter()
                    .zip(std)
                    .map(|(mean, std)| hull.minus(Interval::point(*mean)).times(Interval::point(1.0 / std)));
                Some(Rows::uniform(channels.reduce(Interval::hull)?, width))
            }
            Op::Argmax(x) => Some(Rows::uniform(Interval::new(0.0, self.width(*x) as f64 - 1.0), width)),
        }
    }

    /// A bound of a row's variance.
    pub(super) fn variance(&self, x: NodeId) -> f64 {
        let (facts, d) = (&self.facts[x.0 as usize], self.width(x) as f64);
        // A row within an interval of length l has variance at most l²/4.
        let length = facts.hull().map_or(f64::INFINITY, |hull| hull.high - hull.low);
        (facts.spread * facts.spread / d).min(length * length / 4.0)
    }

    fn sum(&self, x: NodeId) -> Option<Interval> {
        let facts = &self.facts[x.0 as usize];
        let sum = facts.rows.as_ref()?.sum();
        let mut most = Interval::within(facts.mass.min(facts.norm * (self.width(x) as f64).sqrt()));
        // The exponential of a row's maximum above itself is 1, so a row of them sums to at least that.
        if let Op::Smooth(Smooth::Exp, t) = *self.op(x)
            && let Op::Sub(s, max) = *self.op(t)
            && *self.op(max) == Op::MaxRow(s)
        {
            most.low = 1.0;
        }
        Some(sum.both(most))
    }

    /// An interval of the mean of every row.
    pub(super) fn mean(&self, x: NodeId) -> Option<Interval> {
        let count = self.width(x) as f64;
        Some(self.sum(x)?.times(Interval::point(1.0 / count)))
    }

    /// A row of the layer is at most as long as what it multiplies and its own weights together.
    fn linear(&self, x: NodeId, weight: NodeId, bias: Option<NodeId>) -> Option<Rows> {
        let centred = matches!(self.op(weight), Op::CentreWeight(_));
        let (facts, weight) = (&self.facts[x.0 as usize], self.known(weight)?);
        let length = if centred { facts.spread } else { facts.norm };
        let within = |w: &[f64]| {
            let norm = w.iter().map(|v| v * v).sum::<f64>().sqrt();
            let largest = w.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            Interval::within(least(norm * length, facts.mass * largest))
        };
        let products = weight.data.chunks(self.width(x)).map(|w| match &facts.rows {
            Some(rows) => rows.dot(w).both(within(w)),
            None => within(w),
        });
        let out = Rows::from_iter(products);
        match bias {
            Some(bias) => Some(out.zip(self.rows(bias)?, out.width(), Interval::plus)),
            None => Some(out),
        }
    }

    /// A sum of products; the columns of a transposed right operand keep their ranges.
    fn summed_products(&self, a: NodeId, b: NodeId) -> Option<Rows> {
        let (left, width) = (self.rows(a)?, self.width(b));
        if let Op::Transpose(rows) = self.op(b) {
            let sum = left.zip(self.rows(*rows)?, left.width(), Interval::times).sum();
            return Some(Rows::uniform(sum, width));
        }
        let right = self.rows(b)?;
        Some(right.map(|column| left.map(|entry| entry.times(column)).sum()))
    }
}

/// Largest distance from the mean of an entry of a row of `d`, in standard deviations: `√(d - 1)`.
pub(super) fn row_deviation(d: usize) -> f64 {
    ((d - 1) as f64).sqrt()
}

fn scaled(x: &Facts, factor: f64, rows: Facts) -> Facts {
    let spread = if factor == 0.0 { 0.0 } else { x.spread * factor };
    Facts { spread, ..rows.with_norm(x.norm * factor).with_mass(x.mass * factor) }
}

/// The facts of values that are there.
fn of_values(data: &[f64], width: usize) -> Facts {
    let rows = || data.chunks(width.max(1));
    let most = |of: &dyn Fn(&[f64]) -> f64| rows().map(of).fold(0.0, f64::max);
    Facts {
        rows: Some(Rows::of_values(data, width)),
        norm: most(&|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()),
        mass: most(&|row| row.iter().map(|v| v.abs()).sum()),
        spread: most(&|row| {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>().sqrt()
        }),
    }
}
