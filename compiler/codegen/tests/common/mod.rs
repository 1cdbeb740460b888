//! Role code around maps alone.

use mpcc_program::code::{Instr, Lane, Map, Role, RoleCode, Step};

/// Code that runs `maps` in order, on buffers of words of the given lengths.
pub(crate) fn role_code(lengths: Vec<usize>, maps: Vec<Map>) -> RoleCode {
    let lanes = vec![Lane::Word; lengths.len()];
    mixed_code(lengths, lanes, maps)
}

/// Code that runs `maps` in order, on buffers of the given lengths and lanes.
pub(crate) fn mixed_code(lengths: Vec<usize>, lanes: Vec<Lane>, maps: Vec<Map>) -> RoleCode {
    RoleCode {
        role: Role::DataOwner,
        lengths,
        lanes,
        setup: Step::default(),
        setup_after: vec![],
        offline: maps.into_iter().map(Instr::Map).collect(),
        steps: vec![],
        outputs: vec![],
    }
}
