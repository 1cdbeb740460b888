//! Inputs that nobody sends: flat, repeated, single entries, extremes, and between them and the usual ones.

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Graph, Input, NodeId, Op};
use serde::Serialize;

use super::super::normal::Normal;

/// How an input is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// As it is usual.
    Usual,
    /// One value everywhere, or one for each row of the first axis; one word everywhere.
    Flat,
    /// A short piece again and again.
    Repeated,
    /// One entry at an end of its range, or few, and the rest at the other; a text of one word.
    Single,
    /// Every entry at one end of its range or the other; a text as long as the model reads.
    Extreme,
    /// Any values.
    Noise,
    /// A usual input, stretched.
    Stretched,
    /// A usual input of which a part is of another kind.
    Patched,
    /// Towards the ends of the range of a value within, along its gradient.
    Climbed,
    /// As far from a usual input towards one that gets no answer as still gets one.
    Edge,
}

impl Kind {
    /// All, in the order of the report.
    pub(super) const ALL: [Kind; 10] = [
        Kind::Usual,
        Kind::Flat,
        Kind::Repeated,
        Kind::Single,
        Kind::Extreme,
        Kind::Noise,
        Kind::Stretched,
        Kind::Patched,
        Kind::Climbed,
        Kind::Edge,
    ];
    /// Those that are drawn at once, without evaluating anything.
    pub(super) const DRAWN: [Kind; 7] =
        [Kind::Flat, Kind::Repeated, Kind::Single, Kind::Extreme, Kind::Noise, Kind::Stretched, Kind::Patched];

    /// As the report names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Usual => "usual",
            Kind::Flat => "flat",
            Kind::Repeated => "repeated",
            Kind::Single => "single entries",
            Kind::Extreme => "extremes",
            Kind::Noise => "noise",
            Kind::Stretched => "stretched",
            Kind::Patched => "patched",
            Kind::Climbed => "by gradient",
            Kind::Edge => "at the edge",
        }
    }
}

/// What the inputs of a model may be, and some usual ones.
pub(super) struct Domain {
    inputs: Vec<Input>,
    /// Least and greatest entry, by input.
    pub(super) ends: Vec<(f64, f64)>,
    /// Usual inputs.
    pub(super) usual: Vec<Vec<Tensor>>,
}

impl Domain {
    /// Of a graph. Numbers of a table are of its rows; real numbers go about as far as they are encoded, twice as far as usual.
    pub(super) fn new(graph: &Graph, usual: Vec<Vec<Tensor>>) -> Self {
        let ends = |(index, input): (usize, &Input)| match input.ty.element {
            Element::U8 => (0.0, 255.0),
            Element::Bit => (0.0, 1.0),
            Element::I32 => (0.0, extent(graph, &input.name) as f64 - 1.0),
            Element::Real => {
                let entries = usual.iter().flat_map(|given| &given[index].data);
                let most = 1.98 * entries.fold(0.0, |most: f64, v| most.max(v.abs()));
                (-most, most)
            }
        };
        Self { ends: graph.inputs.iter().enumerate().map(ends).collect(), inputs: graph.inputs.clone(), usual }
    }

    /// Whether an input's entries are numbers that change by degrees.
    pub(super) fn is_continuous(&self, index: usize) -> bool {
        matches!(self.inputs[index].ty.element, Element::U8 | Element::Real)
    }

    /// The values of an input, made to fit: within their range, and whole where they must be.
    pub(super) fn fitted(&self, index: usize, mut data: Vec<f64>) -> Tensor {
        let (low, high) = self.ends[index];
        let whole = self.inputs[index].ty.element != Element::Real;
        data.iter_mut().for_each(|v| {
            *v = v.clamp(low, high);
            if whole {
                *v = v.round();
            }
        });
        Tensor::new(&self.inputs[index].ty.shape, data)
    }

    /// A usual input.
    pub(super) fn any(&self, draws: &mut Normal) -> Vec<Tensor> {
        self.usual[draws.index(self.usual.len())].clone()
    }

    /// An input of a kind that is drawn.
    pub(super) fn draw(&self, kind: Kind, draws: &mut Normal) -> Vec<Tensor> {
        let usual = self.any(draws);
        if kind == Kind::Usual {
            return usual;
        }
        let length = self.length(kind, draws);
        let one = |index: usize| {
            let data = match self.inputs[index].ty.element {
                Element::Bit => (0..usual[index].data.len()).map(|at| f64::from(u8::from(at < length))).collect(),
                Element::I32 => self.words(index, kind, length, &usual[index], draws),
                _ => self.numbers(index, kind, &usual[index], draws),
            };
            self.fitted(index, data)
        };
        (0..self.inputs.len()).map(one).collect()
    }

    /// Positions of a text, of a model that has a mask; all of one without.
    fn length(&self, kind: Kind, draws: &mut Normal) -> usize {
        let positions = self.inputs.iter().find(|input| input.ty.element == Element::Bit);
        let most = positions.map_or(usize::MAX, |input| input.ty.shape.iter().product());
        match kind {
            Kind::Single if positions.is_some() => 1,
            Kind::Extreme => most,
            _ if positions.is_some() => draws.of(&[1, 2, most, most, 1 + most / 2]).min(most),
            _ => most,
        }
    }

    fn words(&self, index: usize, kind: Kind, length: usize, usual: &Tensor, draws: &mut Normal) -> Vec<f64> {
        let count = self.ends[index].1 as usize + 1;
        let period = match kind {
            Kind::Flat | Kind::Single => 1,
            Kind::Repeated => 2 + draws.index(3),
            _ => usize::MAX,
        };
        let mut piece: Vec<f64> = (0..period.min(usual.data.len())).map(|_| draws.index(count) as f64).collect();
        if matches!(kind, Kind::Stretched | Kind::Patched) {
            piece = usual.data.clone();
            for _ in 0..1 + draws.index(4) {
                let at = draws.index(piece.len());
                piece[at] = draws.index(count) as f64;
            }
        }
        (0..usual.data.len()).map(|at| if at < length { piece[at % piece.len()] } else { 0.0 }).collect()
    }

    /// On the way from one input to another: numbers by a share of their distance, words by a share of their places.
    pub(super) fn between(&self, from: &[Tensor], to: &[Tensor], share: f64) -> Vec<Tensor> {
        let one = |(index, (from, to)): (usize, (&Tensor, &Tensor))| {
            let count = from.data.len() as f64;
            let mixed = |(at, (a, b)): (usize, (&f64, &f64))| match self.inputs[index].ty.element {
                Element::U8 | Element::Real => a + share * (b - a),
                Element::I32 | Element::Bit => {
                    if (at as f64 + 0.5) / count < share {
                        *b
                    } else {
                        *a
                    }
                }
            };
            self.fitted(index, from.data.iter().zip(&to.data).enumerate().map(mixed).collect())
        };
        from.iter().zip(to).enumerate().map(one).collect()
    }

    /// A text with another word at a place where it has one.
    pub(super) fn with_another_word(&self, text: &[Tensor], draws: &mut Normal) -> Vec<Tensor> {
        let mut changed = text.to_vec();
        let mask = self.inputs.iter().position(|input| input.ty.element == Element::Bit);
        let length = mask.map_or(usize::MAX, |index| text[index].data.iter().filter(|v| **v > 0.0).count());
        let tables: Vec<usize> =
            (0..self.inputs.len()).filter(|index| self.inputs[*index].ty.element == Element::I32).collect();
        if !tables.is_empty() {
            let index = draws.of(&tables);
            let words = &mut changed[index].data;
            let at = draws.index(words.len().min(length.max(1)));
            words[at] = draws.index(self.ends[index].1 as usize + 1) as f64;
        }
        changed
    }

    fn numbers(&self, index: usize, kind: Kind, usual: &Tensor, draws: &mut Normal) -> Vec<f64> {
        let (low, high) = self.ends[index];
        let shape = &self.inputs[index].ty.shape;
        let count = usual.data.len();
        let any = |draws: &mut Normal| low + (high - low) * draws.unit();
        let end = |draws: &mut Normal| if draws.index(2) == 0 { low } else { high };
        match kind {
            Kind::Usual | Kind::Climbed | Kind::Edge => usual.data.clone(),
            Kind::Flat => {
                let parts = if draws.index(2) == 0 { 1 } else { shape[0] };
                let values: Vec<f64> =
                    (0..parts).map(|_| if draws.index(3) == 0 { end(draws) } else { any(draws) }).collect();
                (0..count).map(|at| values[at * parts / count]).collect()
            }
            Kind::Repeated => {
                // Stripes across, along, or squares, of values that are any or extreme.
                let period = [1, 2, 3, 4, 8, 16][draws.index(6)];
                let extreme = draws.index(2) == 0;
                let values: Vec<f64> =
                    (0..2 + draws.index(3)).map(|_| if extreme { end(draws) } else { any(draws) }).collect();
                let columns = shape.last().copied().unwrap_or(1);
                let across = draws.index(3);
                (0..count)
                    .map(|at| {
                        let (row, column) = (at / columns / period, at % columns / period);
                        values[[row, column, row + column][across] % values.len()]
                    })
                    .collect()
            }
            Kind::Single => {
                let (rest, peak) = if draws.index(2) == 0 { (low, high) } else { (high, low) };
                let rest = if draws.index(3) == 0 { 0.5 * (low + high) } else { rest };
                let mut data = vec![rest; count];
                for _ in 0..[1, 1, 2, 5][draws.index(4)] {
                    data[draws.index(count)] = peak;
                }
                data
            }
            Kind::Extreme => (0..count).map(|_| end(draws)).collect(),
            Kind::Noise => {
                let (middle, spread) = (any(draws), draws.unit());
                (0..count).map(|_| middle + spread * (any(draws) - middle)).collect()
            }
            Kind::Stretched => {
                let mean = usual.data.iter().sum::<f64>() / count as f64;
                let (factor, at) = ([0.0, 0.01, 0.1, 0.5, 2.0, 4.0, 16.0, -1.0][draws.index(8)], any(draws));
                let about = if draws.index(2) == 0 { mean } else { at };
                usual.data.iter().map(|v| about + factor * (v - mean)).collect()
            }
            Kind::Patched => {
                let other = Kind::DRAWN[draws.index(5)];
                let patch = self.numbers(index, other, usual, draws);
                let from = draws.index(count);
                let to = from + draws.index(count - from) + 1;
                let mut data = usual.data.clone();
                data[from..to].copy_from_slice(&patch[from..to]);
                data
            }
        }
    }
}

/// How many values an input of whole numbers may have: the rows of the table that it chooses from.
pub(super) fn extent(graph: &Graph, name: &str) -> usize {
    let is_input = |mut id: NodeId| loop {
        match graph.node(id).op {
            Op::Input(n) => break graph.inputs[n as usize].name == name,
            Op::Reshape(x) => id = x,
            _ => break false,
        }
    };
    let extents = graph.nodes.iter().filter_map(|node| match node.op {
        Op::OneHot { x, extent } if is_input(x) => Some(extent),
        _ => None,
    });
    extents.min().unwrap_or(1)
}
