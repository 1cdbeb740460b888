//! What the commands do with an artefact: read, show, price, lower, check, compile, evaluate, encode and run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mpcc_codegen::Jit;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::encode;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::{Graph, NodeId, Visibility};
use mpcc_program::code::{MapExecutor, Owner, Role, RoleCode};
use mpcc_program::interpret::Interpreter;
use mpcc_program::machine::{Link, Machine};
use mpcc_program::program::{Program, Supplier};
use mpcc_program::timing::Workload;
use mpcc_program::{cost, gates, text};
use mpcc_protocols::CheckedCode;
use mpcc_protocols::local_run::{InsecureInputs, RoleInProcess, Trio, run_insecurely_in_one_process};
use mpcc_runtime::material::{Making, pool_price};

use crate::models;

/// Entries of all values, and products, up to which a program is run: what is allowed may take longer than a case.
const MOST_RUN: u64 = 1 << 20;
/// Values of a program that is lowered.
const MOST_LOWERED: usize = 4000;

/// Compiled programs that are kept: more than there are seeds.
const MOST_KNOWN: usize = 100;

/// How far a case came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Came {
    /// The file is refused.
    Refused,
    /// It is read, and is not run with these weights.
    Read,
    /// The weights or inputs do not suit it.
    Unsuited,
    /// It ran to the end, or what two parties alone make for it has a price.
    Ran,
}

/// Does with the bytes of an artefact what the commands do.
pub(crate) fn exercise(bytes: &[u8], params: &[Tensor]) -> Came {
    match Artefact::from_bytes(bytes) {
        Ok(artefact) => exercise_parts(&artefact.graph, &artefact.program, params),
        Err(error) => {
            let _ = error.to_string();
            Came::Refused
        }
    }
}

/// The same with a graph and a program that need not stand in one artefact: each verifier speaks for its own.
pub(crate) fn exercise_parts(graph: &Graph, program: &Program, params: &[Tensor]) -> Came {
    if mpcc_compiler::verify::verify(graph).is_err() || mpcc_program::verify::verify(program).is_err() {
        return Came::Refused;
    }
    let _ = mpcc_compiler::text::graph(graph);
    let _ = text::program(program);
    let price = cost::program(program);
    if program.values.len() > MOST_LOWERED {
        return Came::Read;
    }
    let workload = Workload::new(program);
    let _ = workload.estimate(&Machine::built_in(), Link::LOOPBACK);
    let _ = workload.peak_bytes(2);
    let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| {
        let code = gates::lower(program, role);
        Arc::new(CheckedCode::new(code).expect("lowered code of a verified program is valid"))
    });
    if program.supplier == Supplier::Pair {
        let [first, second] = [Owner::ModelOwner, Owner::DataOwner].map(|owner| {
            let made = gates::lower_making(program, owner);
            let code = CheckedCode::new(made.code).expect("lowered making of a verified program is valid");
            Making::new(Arc::new(code), Arc::new(Interpreter), made.rounds)
        });
        return match pool_price([&first, &second], 1) {
            Ok(_) => Came::Ran,
            // More transfers than a session gives.
            Err(error) => {
                let _ = error.to_string();
                Came::Read
            }
        };
    }
    if !suits(graph, program) {
        return Came::Read;
    }
    let entries = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let clear: u64 = graph.nodes.iter().map(|node| entries(&node.ty.shape)).sum();
    let work = price.words + price.macs[0] + price.macs[1] + clear + price.offline_bytes.data_owner / 8;
    if work > MOST_RUN {
        return Came::Read;
    }
    let (Some(inputs), Some(weights)) = (encoded_inputs(graph, program), encoded_weights(graph, program, params))
    else {
        return Came::Unsuited;
    };
    run(&codes, weights, inputs)
}

/// Whether what the program takes from the graph is there, and its owner's.
fn suits(graph: &Graph, program: &Program) -> bool {
    let owned = |node: u32, by: Visibility| {
        graph.nodes.get(node as usize).is_some_and(|node| [Visibility::Public, by].contains(&node.ty.visibility))
    };
    program.weights.iter().all(|weight| owned(weight.node, Visibility::SecretServer))
        && program.inputs.iter().all(|input| owned(input.node, Visibility::SecretClient))
}

fn words(integers: Vec<i64>) -> Vec<u64> {
    integers.into_iter().map(|v| v as u64).collect()
}

/// Inputs of a graph's types, encoded.
pub(crate) fn encoded_inputs(graph: &Graph, program: &Program) -> Option<Vec<Vec<u64>>> {
    let wanted: Vec<NodeId> = program.inputs.iter().map(|input| NodeId(input.node)).collect();
    let given = models::inputs(graph, 3);
    let values = Evaluator::without_params(graph).run(&given, Wanted::Only(&wanted)).ok()?;
    Some(encode::inputs(program, &values).ok()?.into_iter().map(words).collect())
}

/// Weights, encoded.
pub(crate) fn encoded_weights(graph: &Graph, program: &Program, params: &[Tensor]) -> Option<Vec<Vec<u64>>> {
    let evaluator = Evaluator::new(graph, params).ok()?;
    Some(encode::weights(program, evaluator.server_values()).ok()?.into_iter().map(words).collect())
}

/// Machine code of a role. What was compiled before, which is what every changed graph keeps, is not compiled again.
fn compiled(code: &RoleCode) -> Arc<Jit> {
    static KNOWN: Mutex<BTreeMap<[u8; 32], Arc<Jit>>> = Mutex::new(BTreeMap::new());
    let hash = *blake3::hash(&postcard::to_stdvec(code).expect("plain data")).as_bytes();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(jit) = known.get(&hash) {
        return Arc::clone(jit);
    }
    let jit = Arc::new(Jit::compile(code).expect("checked code compiles"));
    if known.len() < MOST_KNOWN {
        known.insert(hash, Arc::clone(&jit));
    }
    jit
}

fn run(codes: &[Arc<CheckedCode>; 3], weights: Vec<Vec<u64>>, inputs: Vec<Vec<u64>>) -> Came {
    let role = |at: usize, executor: Arc<dyn MapExecutor>| RoleInProcess { code: Arc::clone(&codes[at]), executor };
    let jit = compiled(codes[1].code());
    let trio = Trio {
        model_owner: role(0, Arc::new(Interpreter)),
        data_owner: role(1, jit),
        dealer: role(2, Arc::new(Interpreter)),
    };
    let inputs = InsecureInputs {
        weights,
        inputs: &[inputs],
        model_owner_seed: [1; 16],
        data_owner_seed: [2; 16],
        record: false,
    };
    let run = run_insecurely_in_one_process(&trio, inputs).expect("checked code runs");
    for output in &run.inferences[0].outputs {
        let _ = output.signed();
    }
    Came::Ran
}
