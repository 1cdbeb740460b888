//! The printed Cranelift functions, compared with files; set `UPDATE_GOLDEN` to rewrite them.

mod common;

use std::path::PathBuf;

use common::{mixed_code, role_code};
use mpcc_codegen::{Extensions, assembly, clif};
use mpcc_program::code::{Access, Buf, Lane, Map, MapOp, RoleCode, V};

fn golden(name: &str, code: &RoleCode) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = clif(code).expect("the maps fit their buffers");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the golden can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the golden exists");
    assert_eq!(text, expected, "run with UPDATE_GOLDEN=1 and review {}", path.display());
}

/// Two products by a row's word, and one bias per column in between.
fn affine() -> RoleCode {
    let scaled = |out: u32| Map {
        lane: Lane::Word,
        rows: 3,
        cols: 4,
        ops: vec![
            MapOp::Load(Buf(0), Access::Full),
            MapOp::Load(Buf(1), Access::Row),
            MapOp::Load(Buf(2), Access::Col),
            MapOp::Mul(V(0), V(1)),
            MapOp::Add(V(3), V(2)),
            MapOp::Sar(V(4), 12),
        ],
        stores: vec![(Buf(out), V(5))],
    };
    let ops = vec![MapOp::Load(Buf(0), Access::Full)];
    let copied = Map { lane: Lane::Word, rows: 3, cols: 4, ops, stores: vec![(Buf(4), V(0))] };
    role_code(vec![12, 3, 4, 12, 12, 12], vec![scaled(3), copied, scaled(5)])
}

/// A table looked up in every row of a single column, and the parity of what is found.
fn lookup() -> RoleCode {
    let map = Map {
        lane: Lane::Word,
        rows: 5,
        cols: 1,
        ops: vec![
            MapOp::RowIndex,
            MapOp::Load(Buf(0), Access::Row),
            MapOp::Add(V(0), V(1)),
            MapOp::LoadAt(Buf(1), V(2)),
            MapOp::Parity(V(3)),
        ],
        stores: vec![(Buf(2), V(4))],
    };
    role_code(vec![5, 9, 5], vec![map])
}

/// Doubles times a row's word, of which a table of doubles is read at the low word; then the low words of the result.
fn doubles() -> RoleCode {
    let ops = vec![
        MapOp::Load(Buf(0), Access::Full),
        MapOp::Load(Buf(1), Access::Row),
        MapOp::Mul(V(0), V(1)),
        MapOp::LoadAt(Buf(2), V(2)),
        MapOp::Const(5),
        MapOp::Sub(V(3), V(4)),
        MapOp::Sar(V(5), 70),
        MapOp::ShlBy(V(6), V(1)),
        MapOp::Parity(V(7)),
    ];
    let stores = vec![(Buf(3), V(7)), (Buf(4), V(8))];
    let wide = Map { lane: Lane::Double, rows: 3, cols: 4, ops, stores };
    let ops = vec![MapOp::Load(Buf(3), Access::Full)];
    let reduced = Map { lane: Lane::Word, rows: 3, cols: 4, ops, stores: vec![(Buf(5), V(0))] };
    let (word, double) = (Lane::Word, Lane::Double);
    mixed_code(vec![12, 3, 9, 12, 12, 12], vec![double, word, double, double, word, word], vec![wide, reduced])
}

#[test]
fn affine_is_a_nest_of_vectors() {
    golden("affine.clif", &affine());
}

#[test]
fn lookup_is_one_scalar_loop() {
    golden("lookup.clif", &lookup());
}

#[test]
fn doubles_are_computed_one_by_one_and_reduced_in_pairs() {
    golden("doubles.clif", &doubles());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn no_operation_on_doubles_branches() {
    let branches_of = |ops: &[MapOp]| {
        let loads = [MapOp::Load(Buf(0), Access::Full), MapOp::Load(Buf(1), Access::Full)];
        let last = V(u32::try_from(loads.len() + ops.len() - 1).unwrap());
        let ops = [&loads, ops].concat();
        let map = Map { lane: Lane::Double, rows: 1, cols: 7, ops, stores: vec![(Buf(2), last)] };
        let text = assembly(Extensions::All, &mixed_code(vec![7; 3], vec![Lane::Double; 3], vec![map])).unwrap();
        let branches = |line: &&str| ["j", "call"].iter().any(|start| line.trim_start().starts_with(start));
        text.lines().filter(branches).count()
    };
    let (a, b) = (V(0), V(1));
    let all = [
        MapOp::Add(a, b),
        MapOp::Sub(V(2), b),
        MapOp::Mul(V(3), b),
        MapOp::And(V(4), b),
        MapOp::Or(V(5), a),
        MapOp::Xor(V(6), b),
        MapOp::Shl(V(7), 65),
        MapOp::Shr(V(8), 1),
        MapOp::Sar(V(9), 1),
        MapOp::ShlBy(V(10), b),
        MapOp::ShrBy(V(11), a),
        MapOp::LoadAt(Buf(1), V(12)),
        MapOp::Parity(V(13)),
    ];
    let of_the_loop = branches_of(&[]);
    assert!(of_the_loop > 0);
    assert_eq!(branches_of(&all), of_the_loop);
}

#[test]
fn assembly_names_each_kernel_and_its_maps() {
    let text = assembly(Extensions::All, &affine()).unwrap();
    assert!(text.contains("; kernel 0: maps 0, 2\n"), "{text}");
    assert!(text.contains("; kernel 1: map 1\n"), "{text}");
    assert_eq!(text.matches("ret").count(), 2, "{text}");
}
