//! What fusing maps saves: maps, and the bytes that they load and store.

use std::fmt::Write;
use std::path::Path;

use mpcc::program::code::{Instr, Role, RoleCode};
use mpcc::program::gates::{lower, lower_unfused};
use mpcc::program::work;

use super::pipeline::{compare, compile};

/// Maps of a role's code and the bytes that they touch, offline and online; the dealer's work is all offline.
fn counted(code: &RoleCode) -> [(usize, u64); 2] {
    let lists = code.lists();
    let (offline, online) = lists[2..].split_at(1);
    [offline, online].map(|lists| {
        let maps = lists.iter().flat_map(|(instrs, _)| *instrs).filter(|instr| matches!(instr, Instr::Map(_)));
        let bytes = maps.map(|instr| work::instruction(code, instr).map_bytes());
        bytes.fold((0, 0), |(maps, sum), bytes| (maps + 1, sum + bytes))
    })
}

#[test]
fn fused_maps_touch_fewer_bytes_as_recorded() {
    let mut recorded = String::from("model, role: maps and bytes they touch offline, online; each before and after\n");
    for file in super::goldens() {
        let program = compile(&file, 7).program;
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        for role in [Role::ModelOwner, Role::DataOwner, Role::Dealer] {
            let before = counted(&lower_unfused(&program, role));
            let after = counted(&lower(&program, role));
            let shown = before.iter().zip(&after).map(|((maps, bytes), (fewer, less))| {
                assert!(fewer <= maps && less <= bytes, "{name}, {role:?}");
                format!("{maps} > {fewer} maps, {bytes} > {less}")
            });
            let _ = writeln!(recorded, "{name}, {role:?}: {}", shown.collect::<Vec<_>>().join("; "));
        }
    }
    compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/map_bytes"), &recorded);
}
