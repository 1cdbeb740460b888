//! From gates to instructions: what each role does for each gate.
//!
//! A gate is written once, for all three roles. It takes its correlated randomness by number from [`crate::correlation`], so that
//! what the dealer sends and what the parties expect cannot drift apart; the dealer's formulas stand in `dealt.rs`. The formulas are those of G1–G20; the same program gives the same code everywhere.
//! An instruction is placed at the earliest point its operands are known: what depends on no opened value and no
//! input becomes offline work, everything else belongs to the step of the latest hop it needs.

mod asked;
mod bits;
mod buckets;
mod coarse;
mod comparison;
mod counts;
mod dealt;
mod emit;
mod expr;
mod extension;
mod linear;
mod offers;
mod opening;
mod paired;
mod products;
mod rows;
mod series;
mod sharing;
mod sums;
mod turns;

use emit::Emit;

use crate::code::{Owner, Role, RoleCode};
use crate::fuse::fuse;
use crate::making::Making;
use crate::program::{Gate, Program, Supplier, ValueId};

pub use comparison::digits;

/// Widths in which the weights are masked at set-up: the widest ring of a product that a weight enters, 0 if it is only
/// added.
pub fn mask_widths(program: &Program) -> Vec<u8> {
    let mut widths = vec![0; program.weights.len()];
    for value in &program.values {
        if let Gate::MatMulServer { weight, .. } | Gate::MulServer { weight, .. } = value.gate {
            let width: &mut u8 = &mut widths[weight.0 as usize];
            *width = value.ring.max(*width);
        }
    }
    widths
}

/// The code of one role. The program must have passed [`crate::verify::verify`].
pub fn lower(program: &Program, role: Role) -> RoleCode {
    let mut code = lower_unfused(program, role);
    fuse(&mut code);
    code
}

/// The code by which a party makes its correlated randomness with the other one, if both supply it. The program must have
/// passed [`crate::verify::verify`].
pub fn lower_making(program: &Program, party: Owner) -> Making {
    let mut e = Emit::maker(program, if party == Owner::ModelOwner { 0 } else { 1 });
    walk(&mut e);
    let mut making = e.finish_making();
    fuse(&mut making.code);
    making
}

/// BLAKE3 hash of the code of all roles: two builds that make other code of the same program differ in it.
pub fn digest(program: &Program) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("mpcc 2026-11 code of all roles");
    let mut add = |code: &RoleCode| {
        let code = postcard::to_stdvec(code).expect("plain data always encodes");
        hasher.update(&(code.len() as u64).to_le_bytes()).update(&code);
    };
    [Role::ModelOwner, Role::DataOwner].iter().for_each(|role| add(&lower(program, *role)));
    match program.supplier {
        Supplier::Dealer => add(&lower(program, Role::Dealer)),
        Supplier::Pair => {
            [Owner::ModelOwner, Owner::DataOwner].iter().for_each(|owner| add(&lower_making(program, *owner).code));
        }
    }
    *hasher.finalize().as_bytes()
}

/// As [`lower`], with one map or more for each gate.
pub fn lower_unfused(program: &Program, role: Role) -> RoleCode {
    all_gates(Emit::new(program, role, false))
}

/// Set in the number of an output that is a coin: what follows is the value that it rounded.
pub const COIN: u32 = 1 << 31;

/// The data owner's code of [`lower`], which also hands out its coins: for every opening and reveal that drops bits, as many low
/// bits of its own share. With them the ideal evaluation gives what this run gave.
pub fn lower_recording(program: &Program) -> RoleCode {
    let mut code = all_gates(Emit::new(program, Role::DataOwner, true));
    fuse(&mut code);
    code
}

fn all_gates(mut e: Emit<'_>) -> RoleCode {
    walk(&mut e);
    e.finish()
}

fn walk(e: &mut Emit<'_>) {
    let program = e.program;
    for index in 0..program.values.len() {
        let id = e.begin();
        let lowered = gate(e, id, &program.values[index].gate);
        let lowered = e.settle(id, lowered);
        e.values.push(lowered);
    }
}

fn gate(e: &mut Emit<'_>, id: ValueId, gate: &Gate) -> emit::Lowered {
    match gate {
        Gate::Input { input } => opening::input(e, id, *input),
        Gate::Open { source, truncate } => opening::open(e, id, *source, *truncate),
        Gate::Reveal { source, truncate, output } => opening::reveal(e, id, *source, *truncate, *output),
        Gate::ServerShare { weight } => linear::server_share(e, id, *weight),
        Gate::ClientShare { input } => linear::client_share(e, id, *input),
        Gate::View { source, view } => linear::view(e, id, *source, view),
        Gate::Rescale { source, .. } => e.values[source.0 as usize].clone(),
        Gate::Centre { source, truncate } => linear::centre(e, *source, *truncate),
        Gate::Reduce { source, truncate } => linear::reduce(e, id, *source, *truncate),
        Gate::Add { terms } => linear::add(e, id, terms),
        Gate::Sub { left, right } => linear::sub(e, id, *left, *right),
        Gate::Concat { parts, axis } => linear::concat(e, id, parts, *axis),
        Gate::Residue { source } => linear::residue(e, id, *source),
        Gate::SumRow { source } => linear::sum_row(e, *source),
        Gate::MulPublic { source, factor } => linear::mul_public(e, id, *source, *factor),
        Gate::AddPublic { source, term } => linear::add_public(e, id, *source, *term),
        Gate::AddServer { source, weight } => linear::add_server(e, id, *source, *weight),
        Gate::MatMulServer { source, weight } => products::matmul_server(e, id, *source, *weight),
        Gate::MulServer { source, weight } => products::mul_server(e, id, *source, *weight),
        Gate::MatMul { left, right } => products::matmul(e, id, *left, *right),
        Gate::Hadamard { left, right } => products::hadamard(e, id, *left, *right),
        Gate::Extend { source } => extension::extend(e, id, *source),
        Gate::RowSquares { source } => extension::row_squares(e, id, *source),
        Gate::Square { source } => extension::square(e, id, *source),
        Gate::RowScale { source, row } => extension::row_scale(e, id, *source, *row),
        Gate::SignDigits { source, offset, digits } => comparison::sign_digits(e, id, *source, *offset, digits),
        Gate::OpenSign { signs, negate } => comparison::open_sign(e, id, signs, *negate),
        Gate::CoarseSign { source, offsets, buckets, negate } => {
            coarse::coarse_sign(e, id, *source, offsets, (*buckets, *negate))
        }
        Gate::Select { bit, source, nonnegative } => comparison::select(e, id, *bit, *source, *nonnegative),
        Gate::SignShare { bit } => comparison::sign_share(e, id, *bit),
        Gate::StepShared { source, offsets } => sharing::step(e, *source, offsets),
        Gate::ReluShared { source, offsets } => sharing::relu(e, *source, offsets),
        Gate::RowFunction { source, table } => rows::row_function(e, id, *source, *table),
        Gate::RowOffer { source, offer } => offers::row_offer(e, id, *source, *offer),
        Gate::BucketBits { source, offset, buckets } => buckets::bucket_bits(e, id, *source, *offset, *buckets),
        Gate::Exponential { bits, source, mask_fraction, public_fraction } => {
            buckets::exponential(e, id, (*bits, *source), (*mask_fraction, *public_fraction))
        }
        Gate::BucketCounts { source, offset, buckets, step } => {
            counts::bucket_counts(e, id, *source, *offset, (*buckets, *step))
        }
        Gate::ZeroDigits { source, offset, digits } => counts::zero_digits(e, id, *source, *offset, digits),
        Gate::ZeroShare { bits } => counts::zero_share(e, id, *bits),
        Gate::SubRow { source, row, shift, term } => linear::sub_row(e, id, (*source, *row), *shift, *term),
        Gate::TrigSeries { source, period_bits, table_fraction, cosines, sines } => {
            series::trig_series(e, id, *source, (*period_bits, *table_fraction), cosines, sines)
        }
    }
}
