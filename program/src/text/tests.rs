use smallvec::smallvec;

use crate::code::*;
use crate::program::{ValueId, stream};
use crate::sample;

#[test]
fn a_share_program_reads_by_level() {
    insta::assert_snapshot!(super::program(&sample::program()));
}

#[test]
fn positions_shorten_runs() {
    assert_eq!(super::positions(&[]), "");
    assert_eq!(super::positions(&[3]), "3");
    assert_eq!(super::positions(&[3, 4, 9, 0, 1, 2, 2]), "3,4,9,0..3,2");
}

#[test]
fn role_code_names_every_instruction() {
    let (b, v) = (Buf, V);
    let table = RowTable {
        ring_bits: 30,
        levels: 20,
        position_bits: 14,
        fraction: 14,
        function: RowFunction::Recip { scale: 0.5, eps: 1e-6 },
    };
    let ops = vec![
        MapOp::Load(b(0), Access::Full),
        MapOp::Load(b(1), Access::Row),
        MapOp::Load(b(2), Access::Col),
        MapOp::Const(255),
        MapOp::RowIndex,
        MapOp::LoadAt(b(0), v(4)),
        MapOp::Add(v(0), v(1)),
        MapOp::Sub(v(0), v(1)),
        MapOp::Mul(v(0), v(1)),
        MapOp::And(v(0), v(3)),
        MapOp::Or(v(0), v(3)),
        MapOp::Xor(v(0), v(2)),
        MapOp::Shl(v(0), 3),
        MapOp::Shr(v(0), 3),
        MapOp::Sar(v(0), 3),
        MapOp::ShlBy(v(0), v(1)),
        MapOp::ShrBy(v(0), v(1)),
        MapOp::Parity(v(0)),
    ];
    let code = RoleCode {
        role: Role::DataOwner,
        lengths: (1..=9).map(|n| n * 4).collect(),
        lanes: (0..9).map(|n| if n == 8 { Lane::Double } else { Lane::Word }).collect(),
        setup: Step {
            local: vec![Instr::Load { dst: b(0), source: Source::Weight(3) }],
            exchange: Exchange {
                send: vec![Packed { buf: b(0), bits: 64 }],
                receive: vec![Packed { buf: b(1), bits: 9 }],
            },
        },
        setup_after: vec![Instr::Zero { dst: b(2) }],
        offline: vec![
            Instr::Draw {
                dst: b(3),
                seed: Owner::DataOwner,
                stage: Stage::Inference,
                stream: stream(ValueId(7), 2),
                bits: 37,
            },
            Instr::Receive { dst: b(4), bits: 12 },
            Instr::Deal { src: b(4), bits: 12, to: Owner::ModelOwner },
            Instr::RowKeys { seeds: b(3), controls: b(4), values: b(8), masks: b(0), roots: [b(6), b(7)], table },
            Instr::RowShares { dst: b(8), points: b(2), root: b(6), seeds: b(3), controls: b(4), values: b(8), table },
            Instr::ComparisonKeys {
                seeds: b(3),
                controls: b(4),
                values: b(5),
                threshold: b(0),
                payload: smallvec![b(1), b(2)],
                roots: [b(6), b(7)],
                tree: ComparisonTree { bits: 18, leaf_bits: 2 },
            },
            Instr::Broadcast { src: b(3), bits: 64 },
            Instr::ComparisonShares {
                dst: smallvec![b(0), b(1)],
                points: b(2),
                root: b(6),
                seeds: b(3),
                controls: b(4),
                values: b(5),
                tree: ComparisonTree { bits: 18, leaf_bits: 2 },
            },
        ],
        steps: vec![
            Step {
                local: vec![
                    Instr::Load { dst: b(5), source: Source::Input(0) },
                    Instr::Map(Map {
                        lane: Lane::Double,
                        rows: 2,
                        cols: 3,
                        ops,
                        stores: vec![(b(6), v(8)), (b(7), v(17))],
                    }),
                ],
                exchange: Exchange {
                    send: vec![Packed { buf: b(6), bits: 37 }, Packed { buf: b(7), bits: 1 }],
                    receive: vec![],
                },
            },
            Step {
                local: vec![
                    Instr::Copy(Copy {
                        dst: b(8),
                        src: b(6),
                        dims: [1, 1, 2, 3],
                        dst_strides: [0, 0, 1, 2],
                        src_strides: [0, 0, 3, 1],
                        dst_offset: 4,
                        src_offset: 0,
                    }),
                    Instr::SumRows { dst: b(8), src: b(7), cols: 4 },
                    Instr::MatMul {
                        dst: b(8),
                        left: b(6),
                        right: b(7),
                        batch: 2,
                        m: 3,
                        k: 4,
                        n: 5,
                        shared_right: true,
                        bits: 86,
                    },
                    Instr::Harmonic { cos: b(7), sin: b(8), src: b(6), period_bits: 16, fraction: 14, multiple: 5 },
                ],
                exchange: Exchange::default(),
            },
        ],
        outputs: vec![OutputBuffer { output: 0, buf: b(8), bits: 22 }],
    };
    insta::assert_snapshot!(super::role_code(&code));
}

#[test]
fn paths_stay_on_their_line() {
    let mut program = sample::program();
    program.values[0].path = "a\nb".to_owned();
    program.values[0].shape = smallvec![];
    let text = super::program(&program);
    assert!(text.contains("%0 wire[] ring 50 frac 10 bound 12 level 1 = input 0  // a\\nb\n"), "{text}");
}

/// Every line of an offer, at both parties; and what they send is what is predicted.
#[test]
fn offers_have_their_lines_and_cost_what_is_predicted() {
    use crate::code::{RowOffer, RowTable};
    use crate::cost;
    use crate::gates::lower;
    use crate::program::{Gate, Input, Kind, Output, Program, Supplier};
    for (levels, ring) in [(5, 50), (9, 50), (9, 90)] {
        let function = RowFunction::Recip { scale: 0.5, eps: 1e-6 };
        let table = RowTable { ring_bits: 16, levels, position_bits: 13, fraction: 14, function };
        let offer = RowOffer { table, choice_bits: 5 };
        let mut program = Program { supplier: Supplier::Pair, ..Program::default() };
        program.inputs = vec![Input { node: 0, shape: smallvec![3, 1], fraction: 0, bound: 15, path: String::new() }];
        program.outputs = vec![Output { name: "y".to_owned(), shape: smallvec![3, 1], fraction: 14, labels: vec![] }];
        let x = sample::push(&mut program, "x", (Kind::Wire, &[3, 1]), (16, 0, 15), Gate::Input { input: 0 });
        let gate = Gate::RowOffer { source: x, offer };
        let y = sample::push(&mut program, "y", (Kind::Share, &[3, 1]), (ring, 27, 40), gate);
        let gate = Gate::Reveal { source: y, truncate: 13, output: 0 };
        sample::push(&mut program, "y", (Kind::Share, &[3, 1]), (37, 14, 28), gate);
        crate::verify::verify(&program).unwrap_or_else(|v| panic!("{v:?}"));
        let text = super::program(&program);
        assert!(text.contains(" = row-offer %0 ") && text.contains(" choice 5"), "{text}");
        let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(&program, role));
        let [taking, offering] = [0, 1].map(|party| super::role_code(&codes[party]));
        assert!(taking.contains(" = take-rows mask b"), "{taking}");
        assert!(offering.contains(" = offer-rows at b"), "{offering}");
        assert_eq!(offering.contains(" labels b"), levels > 5, "{offering}");
        let (predicted, counted) = (cost::program(&program), cost::counted(&codes[0], &codes[1], &codes[2]));
        assert_eq!((predicted.hops, predicted.online_bytes), (counted.hops, counted.online_bytes));
    }
}
