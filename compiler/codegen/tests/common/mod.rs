//! Role code around maps alone.

use mpcc_program::code::{Instr, Map, Role, RoleCode, Step};

/// Code that runs `maps` in order, on buffers of the given lengths.
pub(crate) fn role_code(lengths: Vec<usize>, maps: Vec<Map>) -> RoleCode {
    RoleCode {
        role: Role::DataOwner,
        lengths,
        setup: Step::default(),
        setup_after: vec![],
        offline: maps.into_iter().map(Instr::Map).collect(),
        steps: vec![],
        outputs: vec![],
    }
}
