//! Whether the code of the three roles fits together: hops, messages and corrections pair up.

use mpcc_program::code::{Exchange, Instr, Owner, Packed, Role, RoleCode};

use super::{CodeError, Place, SectionName, Violation};

/// Checks that what one role sends is what another receives, in order, width and length.
///
/// Each role's own code must have passed the verifier before.
///
/// # Errors
/// All mismatches; each is a bug in the compiler.
pub fn verify_trio(model_owner: &RoleCode, data_owner: &RoleCode, dealer: &RoleCode) -> Result<(), CodeError> {
    let mut violations = Vec::new();
    for (code, role) in [(model_owner, Role::ModelOwner), (data_owner, Role::DataOwner), (dealer, Role::Dealer)] {
        if code.role != role {
            let place = Place { section: SectionName::Setup, position: None };
            violations.push(Violation { role, place, what: format!("this is code of {:?}", code.role) });
        }
    }
    let mut exchange = |section, left: &Exchange, right: &Exchange| {
        for (role, sent, received) in [
            (Role::ModelOwner, sizes(model_owner, &left.send), sizes(data_owner, &right.receive)),
            (Role::DataOwner, sizes(data_owner, &right.send), sizes(model_owner, &left.receive)),
        ] {
            if sent != received {
                let what = format!("sends {sent:?} (words, bits) where the peer receives {received:?}");
                violations.push(Violation { role, place: Place { section, position: None }, what });
            }
        }
    };
    exchange(SectionName::Setup, &model_owner.setup.exchange, &data_owner.setup.exchange);
    let none = Exchange::default();
    for s in 0..model_owner.steps.len().max(data_owner.steps.len()) {
        let left = model_owner.steps.get(s).map_or(&none, |step| &step.exchange);
        let right = data_owner.steps.get(s).map_or(&none, |step| &step.exchange);
        exchange(SectionName::Step(s), left, right);
    }
    if model_owner.steps.len() != data_owner.steps.len() {
        violations.push(Violation {
            role: Role::DataOwner,
            place: Place { section: SectionName::Outputs, position: None },
            what: format!("has {} steps, the model owner {}", data_owner.steps.len(), model_owner.steps.len()),
        });
    }
    let lists = |code: &RoleCode, owner: Owner| {
        let corrections = |list: &mut dyn Iterator<Item = &Instr>| -> Vec<_> {
            let own = list.filter(|i| !matches!(i, Instr::Deal { to, .. } if *to != owner));
            own.filter_map(|i| correction(code, i)).collect()
        };
        let setup = corrections(&mut code.setup.local.iter().chain(&code.setup_after));
        [setup, corrections(&mut code.offline.iter())]
    };
    for (receiver, name, owner) in
        [(data_owner, "data owner", Owner::DataOwner), (model_owner, "model owner", Owner::ModelOwner)]
    {
        for ((dealt, taken), section) in
            lists(dealer, owner).into_iter().zip(lists(receiver, owner)).zip([SectionName::Setup, SectionName::Offline])
        {
            if dealt != taken {
                let first = dealt.iter().zip(&taken).position(|(a, b)| a != b).unwrap_or(dealt.len().min(taken.len()));
                let what = format!(
                    "correction {first} is {:?} (words, bits) where the {name} takes {:?}; {} against {} in all",
                    dealt.get(first),
                    taken.get(first),
                    dealt.len(),
                    taken.len()
                );
                violations.push(Violation { role: Role::Dealer, place: Place { section, position: None }, what });
            }
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(CodeError { violations }) }
}

fn sizes(code: &RoleCode, parts: &[Packed]) -> Vec<(usize, u8)> {
    parts.iter().map(|p| (code.lengths[p.buf.0 as usize], p.bits)).collect()
}

fn correction(code: &RoleCode, instr: &Instr) -> Option<(usize, u8)> {
    match instr {
        Instr::Deal { src: buf, bits, .. }
        | Instr::Broadcast { src: buf, bits }
        | Instr::Receive { dst: buf, bits } => Some((code.lengths[buf.0 as usize], *bits)),
        _ => None,
    }
}
