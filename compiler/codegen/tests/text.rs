//! The printed Cranelift functions, compared with files; set `UPDATE_GOLDEN` to rewrite them.

mod common;

use std::path::PathBuf;

use common::role_code;
use mpcc_codegen::{assembly, clif};
use mpcc_program::code::{Access, Buf, Map, MapOp, RoleCode, V};

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
    let copied = Map { rows: 3, cols: 4, ops: vec![MapOp::Load(Buf(0), Access::Full)], stores: vec![(Buf(4), V(0))] };
    role_code(vec![12, 3, 4, 12, 12, 12], vec![scaled(3), copied, scaled(5)])
}

/// A table looked up in every row of a single column, and the parity of what is found.
fn lookup() -> RoleCode {
    let map = Map {
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

#[test]
fn affine_is_a_nest_of_vectors() {
    golden("affine.clif", &affine());
}

#[test]
fn lookup_is_one_scalar_loop() {
    golden("lookup.clif", &lookup());
}

#[test]
fn assembly_names_each_kernel_and_its_maps() {
    let text = assembly(&affine()).unwrap();
    assert!(text.contains("; kernel 0: maps 0, 2\n"), "{text}");
    assert!(text.contains("; kernel 1: map 1\n"), "{text}");
    assert_eq!(text.matches("ret").count(), 2, "{text}");
}
