//! Mutations of share programs by their types, most of them repaired where facts have to agree, so that they come
//! further than the first rule.

use mpcc_fuzz::Choices;
use mpcc_program::code::{RowFunction, RowOffer};
use mpcc_program::program::{Gate, Kind, Program, Supplier, ValueId, View, WeightRounding};
use mpcc_program::series::result_fraction;

/// Widths at which something changes.
const WIDTHS: [u8; 16] = [1, 2, 3, 5, 8, 31, 32, 33, 61, 62, 63, 64, 65, 66, 127, 128];

fn bits(choices: &mut Choices<'_>, value: &mut u8) {
    *value = match choices.below(6) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        2..5 => *choices.of(&WIDTHS),
        _ => choices.byte(),
    };
}

fn integer(choices: &mut Choices<'_>, value: &mut i64) {
    *value = match choices.below(6) {
        0 => i64::MAX,
        1 => i64::MIN,
        2 => 0,
        3 => value.wrapping_neg(),
        4 => 1 << choices.below(62),
        _ => choices.below(2000) as i64 - 1000,
    };
}

fn extent(choices: &mut Choices<'_>, value: &mut usize) {
    *value = match choices.below(5) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        2 => choices.odd_number() as usize,
        3 => choices.below(1 << 16),
        _ => choices.below(40),
    };
}

fn short(choices: &mut Choices<'_>) -> i16 {
    choices.word() as i16
}

/// One of a list, to be changed.
fn one<'l, T>(choices: &mut Choices<'_>, list: &'l mut [T]) -> Option<&'l mut T> {
    if list.is_empty() {
        return None;
    }
    let at = choices.below(list.len());
    list.get_mut(at)
}

/// Changes a few places of a program.
pub(crate) fn spoil(choices: &mut Choices<'_>, program: &mut Program) {
    for _ in 0..1 + choices.below(3) {
        if program.values.is_empty() {
            return;
        }
        place(choices, program);
    }
    if !choices.once_in(3) {
        repair(program);
    }
}

fn place(choices: &mut Choices<'_>, program: &mut Program) {
    let at = choices.below(program.values.len());
    let value = &mut program.values[at];
    match choices.below(16) {
        0..3 => gate(choices, &mut value.gate, at),
        3 => bits(choices, &mut value.ring),
        4 => bits(choices, &mut value.bound),
        5 if value.shape.is_empty() || choices.once_in(5) => value.shape.push(1),
        5 => {
            if let Some(n) = one(choices, &mut value.shape) {
                extent(choices, n);
            }
        }
        6 => value.fraction = short(choices),
        7 => value.kind = *choices.of(&[Kind::Share, Kind::Wire, Kind::Bits]),
        8 => weight(choices, program),
        9 => interface(choices, program),
        10 => opening(choices, program, at),
        11 => {
            let most = 1 + choices.below(20) as u8;
            program.values.iter_mut().for_each(|value| value.bound = value.bound.min(most));
            program.weights.iter_mut().for_each(|weight| weight.bound = weight.bound.min(3));
            program.inputs.iter_mut().for_each(|input| input.bound = input.bound.min(3));
        }
        12 => {
            let mut value = value.clone();
            gate(choices, &mut value.gate, program.values.len());
            bits(choices, &mut value.ring);
            program.values.push(value);
        }
        13 => alone(choices, program),
        14 => {
            let gone = program.values.remove(at);
            drop(gone);
        }
        _ => {
            let (old, new) = (value.ring, *choices.of(&WIDTHS));
            for value in program.values.iter_mut().filter(|value| value.ring == old) {
                value.ring = new;
                value.bound = value.bound.min(new - 1);
            }
        }
    }
}

/// The program for two parties alone, with offers in place of keys.
fn alone(choices: &mut Choices<'_>, program: &mut Program) {
    program.supplier = Supplier::Pair;
    let choice_bits = 4 + choices.below(6) as u8;
    for value in &mut program.values {
        if let Gate::RowFunction { source, table } = value.gate {
            value.gate = Gate::RowOffer { source, offer: RowOffer { table, choice_bits } };
        }
    }
}

fn weight(choices: &mut Choices<'_>, program: &mut Program) {
    let Some(weight) = one(choices, &mut program.weights) else { return };
    match choices.below(7) {
        0 => weight.node = choices.below(60) as u32,
        1 => bits(choices, &mut weight.bound),
        2 => weight.fraction = short(choices),
        3 => weight.transposed = !weight.transposed,
        4 => weight.rounding = WeightRounding::ZeroColumnSums,
        5 => weight.shape.push(1),
        _ => {
            if let Some(n) = one(choices, &mut weight.shape) {
                extent(choices, n);
            }
        }
    }
}

fn interface(choices: &mut Choices<'_>, program: &mut Program) {
    match choices.below(6) {
        0 => {
            if let Some(output) = one(choices, &mut program.outputs) {
                output.fraction = short(choices);
            }
        }
        1 => {
            if let Some(output) = one(choices, &mut program.outputs) {
                output.shape.push(1);
            }
        }
        kind => {
            let Some(input) = one(choices, &mut program.inputs) else { return };
            match kind {
                2 => input.node = choices.below(60) as u32,
                3 => bits(choices, &mut input.bound),
                4 => input.fraction = short(choices),
                _ => {
                    if let Some(n) = one(choices, &mut input.shape) {
                        extent(choices, n);
                    }
                }
            }
        }
    }
}

/// Other bits are dropped of the same opened ring.
fn opening(choices: &mut Choices<'_>, program: &mut Program, at: usize) {
    let value = &mut program.values[at];
    let (Gate::Open { truncate, .. } | Gate::Reveal { truncate, .. }) = &mut value.gate else { return };
    let width = value.ring.saturating_add(*truncate).max(1);
    let dropped = choices.below(usize::from(width)) as u8;
    value.fraction = value.fraction.wrapping_sub(i16::from(dropped) - i16::from(*truncate));
    value.ring = width - dropped;
    *truncate = dropped;
}

fn gate(choices: &mut Choices<'_>, gate: &mut Gate, values: usize) {
    let count = values.max(1);
    let id = |choices: &mut Choices<'_>| ValueId(choices.below(count) as u32);
    let kind = choices.below(8);
    match gate {
        Gate::Open { truncate, .. } | Gate::Reveal { truncate, .. } if kind < 3 => bits(choices, truncate),
        Gate::Centre { truncate, .. } if kind < 4 => bits(choices, truncate),
        Gate::View { view, .. } if kind < 6 => self::view(choices, view),
        Gate::Rescale { shift, .. } if kind < 4 => *shift = short(choices),
        Gate::Add { terms } | Gate::Concat { parts: terms, .. } if kind < 5 => match one(choices, terms) {
            Some(term) if kind < 3 => term.value = id(choices),
            Some(term) => bits(choices, &mut term.shift),
            None => {}
        },
        Gate::Concat { axis, .. } => extent(choices, axis),
        Gate::Add { terms } => terms.clear(),
        Gate::MulPublic { factor: number, .. } | Gate::AddPublic { term: number, .. } if kind < 6 => {
            integer(choices, number)
        }
        Gate::SignDigits { offset, .. } if kind < 3 => integer(choices, offset),
        Gate::SignDigits { digits, .. } if kind < 5 => digits.push(choices.below(8) as u8),
        Gate::SignDigits { digits, .. } if kind < 7 => _ = digits.pop(),
        Gate::OpenSign { negate, .. } if kind < 3 => *negate = !*negate,
        Gate::OpenSign { signs, .. } if kind < 5 => signs.push(id(choices)),
        Gate::OpenSign { signs, .. } => signs.clear(),
        Gate::CoarseSign { negate, .. } if kind < 2 => *negate = !*negate,
        Gate::CoarseSign { buckets, .. } if kind < 5 => bits(choices, buckets),
        Gate::CoarseSign { offsets, .. } if kind < 7 => offsets.push(choices.below(1 << 20) as i64 - (1 << 19)),
        Gate::CoarseSign { offsets, .. } => offsets.clear(),
        Gate::Select { nonnegative, .. } if kind < 3 => *nonnegative = !*nonnegative,
        Gate::Select { bit, .. } if kind < 5 => *bit = id(choices),
        Gate::ReluShared { offsets, .. } | Gate::StepShared { offsets, .. } if kind < 6 => {
            match one(choices, offsets) {
                Some(offset) if kind < 4 => integer(choices, offset),
                _ => offsets.extend((0..1 + choices.below(100)).map(|n| n as i64)),
            }
        }
        Gate::RowOffer { offer, .. } if kind == 6 => bits(choices, &mut offer.choice_bits),
        Gate::RowFunction { table, .. } | Gate::RowOffer { offer: RowOffer { table, .. }, .. } if kind < 6 => {
            match kind {
                0 => bits(choices, &mut table.levels),
                1 => table.levels = choices.byte() % 9,
                2 => bits(choices, &mut table.position_bits),
                3 => bits(choices, &mut table.fraction),
                4 => bits(choices, &mut table.ring_bits),
                _ => {
                    let (scale, eps) = (f64::from_bits(choices.word()), *choices.of(&[0.0, 1e-300, 1e300, -1.0]));
                    let scale = *choices.of(&[scale, 1e-300, 1e300, 1.0]);
                    table.function = match choices.below(3) {
                        0 => RowFunction::Rsqrt { scale, eps },
                        1 => RowFunction::Recip { scale, eps },
                        _ => RowFunction::Sqrt { scale, eps },
                    };
                }
            }
        }
        Gate::BucketBits { offset, .. } | Gate::BucketCounts { offset, .. } | Gate::ZeroDigits { offset, .. }
            if kind < 2 =>
        {
            integer(choices, offset);
        }
        Gate::BucketBits { buckets, .. } if kind < 6 => bits(choices, buckets),
        Gate::BucketCounts { buckets, .. } if kind < 4 => bits(choices, buckets),
        Gate::BucketCounts { step, .. } if kind < 7 => bits(choices, step),
        Gate::ZeroDigits { digits, .. } if kind < 5 => digits.push(choices.below(8) as u8),
        Gate::Exponential { mask_fraction, .. } if kind < 3 => bits(choices, mask_fraction),
        Gate::Exponential { public_fraction, .. } if kind < 6 => bits(choices, public_fraction),
        Gate::SubRow { shift, .. } if kind < 3 => bits(choices, shift),
        Gate::SubRow { term, .. } if kind < 5 => integer(choices, term),
        Gate::TrigSeries { period_bits, table_fraction, cosines, sines, .. } if kind < 7 => match kind {
            0 => bits(choices, period_bits),
            1 => bits(choices, table_fraction),
            2 => cosines.extend((0..choices.below(200)).map(|n| n as i64 - 100)),
            3 => cosines.clear(),
            4 => sines.push(choices.below(200) as i64 - 100),
            _ => {
                if let Some(number) = one(choices, cosines) {
                    integer(choices, number);
                }
            }
        },
        Gate::MatMulServer { weight, .. } | Gate::MulServer { weight, .. } | Gate::AddServer { weight, .. }
            if kind < 4 =>
        {
            weight.0 = choices.below(8) as u32;
        }
        Gate::ServerShare { weight } => weight.0 = choices.below(8) as u32,
        Gate::Input { input } | Gate::ClientShare { input } => *input = choices.below(3) as u32,
        other => *other = another(choices, id),
    }
}

fn view(choices: &mut Choices<'_>, view: &mut View) {
    match view {
        View::Permute(axes) => {
            if let Some(axis) = one(choices, axes) {
                extent(choices, axis);
            }
        }
        View::Slice { axis, .. } if choices.coin() => extent(choices, axis),
        View::Slice { start, .. } => extent(choices, start),
        View::Gather { axis, .. } if choices.coin() => extent(choices, axis),
        View::Gather { index, .. } => match one(choices, index) {
            Some(position) => extent(choices, position),
            None => index.push(0),
        },
        View::Reshape => {
            let index = (0..choices.below(6)).map(|_| choices.below(4)).collect();
            *view = View::Gather { axis: choices.below(4), index };
        }
    }
}

fn another(choices: &mut Choices<'_>, id: impl Fn(&mut Choices<'_>) -> ValueId) -> Gate {
    let source = id(choices);
    match choices.below(16) {
        0 => Gate::Extend { source },
        1 => Gate::RowSquares { source },
        2 => Gate::Square { source },
        3 => Gate::Residue { source },
        4 => Gate::SumRow { source },
        5 => Gate::ReluShared { source, offsets: [0].into_iter().collect() },
        6 => Gate::StepShared { source, offsets: [0, 5].into_iter().collect() },
        7 => Gate::SignShare { bit: source },
        8 => Gate::MatMul { left: source, right: id(choices) },
        9 => Gate::BucketBits { source, offset: 1, buckets: 1 + choices.below(6) as u8 },
        10 => Gate::Exponential { bits: id(choices), source, mask_fraction: 12, public_fraction: 30 },
        11 => Gate::BucketCounts { source, offset: 1, buckets: 1 + choices.below(6) as u8, step: 3 },
        12 => Gate::ZeroDigits { source, offset: 1, digits: [2, 2].into_iter().collect() },
        13 => Gate::ZeroShare { bits: source },
        14 => Gate::SubRow { source, row: id(choices), shift: 3, term: 1 },
        _ => Gate::RowScale { source, row: id(choices) },
    }
}

/// Makes levels, hops and most fractions follow again.
fn repair(program: &mut Program) {
    for at in 0..program.values.len() {
        let operands = program.values[at].gate.operands();
        if operands.iter().any(|operand| operand.0 as usize >= at) {
            continue;
        }
        let known = operands.iter().map(|operand| program.value(*operand).level).max().unwrap_or(0);
        let of = |id: &ValueId| program.value(*id).fraction;
        let fraction = match &program.values[at].gate {
            Gate::Open { source, truncate, .. } | Gate::Reveal { source, truncate, .. } => {
                Some(of(source).wrapping_sub(i16::from(*truncate)))
            }
            Gate::View { source, .. }
            | Gate::Centre { source, .. }
            | Gate::SumRow { source }
            | Gate::Extend { source }
            | Gate::Select { source, .. }
            | Gate::SubRow { source, .. }
            | Gate::ReluShared { source, .. } => Some(of(source)),
            Gate::Rescale { source, shift } => Some(of(source).wrapping_add(*shift)),
            Gate::RowSquares { source } | Gate::Square { source } => Some(of(source).wrapping_mul(2)),
            Gate::Residue { .. }
            | Gate::StepShared { .. }
            | Gate::SignShare { .. }
            | Gate::BucketCounts { .. }
            | Gate::ZeroShare { .. } => Some(0),
            Gate::Exponential { mask_fraction, public_fraction, .. } => {
                Some(i16::from(*mask_fraction) + i16::from(*public_fraction))
            }
            Gate::TrigSeries { table_fraction, .. } => Some(result_fraction(program.supplier, *table_fraction) as i16),
            Gate::RowFunction { table, .. } | Gate::RowOffer { offer: RowOffer { table, .. }, .. } => {
                Some(i16::from(table.fraction) + i16::from(table.position_bits))
            }
            Gate::MatMul { left, right } | Gate::Hadamard { left, right } => Some(of(left).wrapping_add(of(right))),
            Gate::RowScale { source, row } => Some(of(source).wrapping_add(of(row))),
            _ => None,
        };
        let value = &mut program.values[at];
        value.level = known.saturating_add(u16::from(value.gate.takes_a_hop()));
        value.fraction = fraction.unwrap_or(value.fraction);
        if let Gate::Reveal { output, .. } = value.gate
            && let Some(output) = program.outputs.get_mut(output as usize)
        {
            output.fraction = value.fraction;
        }
    }
    program.hops = program.values.iter().map(|value| value.level).max().unwrap_or(0);
}
