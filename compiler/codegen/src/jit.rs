//! Compiled maps, and the only place that calls them.
//!
//! Compiled code checks nothing: it is sound because every map passed [`mpcc_program::interpret::check_map`]
//! for the buffer lengths and lanes of its launch, and [`Jit`] compares these with the actual ones on each run.
#![allow(unsafe_code, reason = "compiled functions are called through pointers")]

use std::mem;
use std::sync::{Mutex, PoisonError};

use cranelift_codegen::Context;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, ModuleError, default_libcall_names};
use mpcc_program::code::{Lane, Map, MapExecutor, RoleCode};
use mpcc_program::words::Words;

use crate::kernel::{Bound, Launch, plan};
use crate::{CodegenError, Extensions, emit, host};

/// What a kernel sees of a buffer.
#[repr(C)]
struct Slot {
    base: *mut u64,
    /// Index of the last entry; `u64::MAX` for an empty buffer, which no kernel reads.
    last: u64,
}

const _: () = assert!(size_of::<Slot>() == emit::SLOT && size_of::<usize>() == 8);

/// A compiled kernel: slots, rows, columns.
type Entry = unsafe extern "C" fn(*const Slot, usize, usize);

/// The compiled maps of one role's code. Its memory is freed on drop.
pub struct Jit {
    entries: Vec<Entry>,
    launches: Vec<Launch>,
    /// Owns the code behind `entries`; `None` only while dropping.
    module: Option<Mutex<JITModule>>,
}

impl std::fmt::Debug for Jit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jit")
            .field("maps", &self.launches.len())
            .field("kernels", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Jit {
    /// Compiles every distinct map of `code` for this processor.
    ///
    /// # Errors
    /// A map that does not fit its buffers, a host without a code generator, or a refusal of Cranelift.
    pub fn compile(code: &RoleCode) -> Result<Self, CodegenError> {
        Self::compile_with(Extensions::All, code)
    }

    /// As [`Jit::compile`], with a part of this processor's extensions.
    ///
    /// # Errors
    /// As [`Jit::compile`].
    pub fn compile_with(extensions: Extensions, code: &RoleCode) -> Result<Self, CodegenError> {
        let isa = host(extensions)?;
        let plan = plan(code)?;
        let config = isa.frontend_config();
        let module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
        // From here on, every way out frees the module's memory.
        let mut jit = Self { entries: Vec::new(), launches: plan.launches, module: Some(Mutex::new(module)) };
        let module = jit.module.as_mut().expect("the module was just put there");
        let module = module.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut ids = Vec::with_capacity(plan.kernels.len());
        for (index, kernel) in (0..).zip(&plan.kernels) {
            let function = emit::function(kernel, index, config.default_call_conv, config);
            let refused = |e: ModuleError| CodegenError::Kernel { kernel: index as usize, reason: e.to_string() };
            let name = format!("kernel{index}");
            let id = module.declare_function(&name, Linkage::Local, &function.signature).map_err(refused)?;
            module.define_function(id, &mut Context::for_function(function)).map_err(refused)?;
            ids.push(id);
        }
        module.finalize_definitions().map_err(|e| CodegenError::Executable { reason: e.to_string() })?;
        for id in ids {
            let code = module.get_finalized_function(id);
            // SAFETY: `code` is the start of a finalized function that `emit::function` gave the parameters
            // of `Entry` (three 64-bit words, no result) and the host's default C calling convention. It
            // stays executable as long as `module`, which `Jit` frees only when `entries` is gone.
            jit.entries.push(unsafe { mem::transmute::<*const u8, Entry>(code) });
        }
        Ok(jit)
    }

    /// Number of distinct maps, each compiled once.
    pub fn kernels(&self) -> usize {
        self.entries.len()
    }

    /// Which of the distinct maps the map of this position is. Panics if the code has fewer maps.
    pub fn kernel(&self, id: usize) -> usize {
        self.launches[id].kernel
    }
}

impl MapExecutor for Jit {
    /// Panics if `id` is not the position of `map` in the compiled code, or a buffer has another length or lane
    /// than the code declares.
    fn run(&self, id: usize, map: &Map, lanes: &[Lane], buffers: &mut [Words]) {
        let launch = &self.launches[id];
        assert_eq!(
            launch.rows * launch.cols,
            map.rows * map.cols,
            "map {id} is not the one compiled under this position"
        );
        let mut slots = Vec::with_capacity(launch.slots.len());
        for &Bound { buf, length, first, lane, stored } in &launch.slots {
            let buffer = &mut buffers[buf.0 as usize];
            assert_eq!(lanes[buf.0 as usize], lane, "buffer {} has not the lane it was compiled for", buf.0);
            let words = length.checked_mul(lane.words());
            assert_eq!(Some(buffer.len()), words, "buffer {} has not the length it was compiled for", buf.0);
            let base = if stored { buffer.own().as_mut_ptr() } else { buffer.as_ptr().cast_mut() };
            let base = base.wrapping_add(first * lane.words());
            slots.push(Slot { base, last: ((length - first) as u64).wrapping_sub(1) });
        }
        let entry = self.entries[launch.kernel];
        // SAFETY: `entry` is this launch's kernel and its code is alive, because `self` is. The slots are
        // those the kernel was built for: distinct vectors, borrowed mutably for the whole call or, where
        // the kernel stores nothing to them, perhaps shared and then read only, of exactly the words that the
        // lengths and lanes have for which `check_map` passed this map, a product that does
        // not overflow. Under that check a kernel reads entries `row * cols + col`, `row` or `col` below those
        // lengths, or entries clamped to the last of a non-empty buffer, and writes entries `row * cols + col`.
        // A slot that begins at a later entry is read at rows only, for which `simplified` found room behind it.
        // Of a slot of words it touches word `i` for entry `i`, of a slot of doubles words `2i` and `2i + 1`,
        // whatever it computes in. It keeps no pointer and calls nothing.
        unsafe { entry(slots.as_ptr(), launch.rows, launch.cols) };
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        self.entries.clear();
        if let Some(module) = self.module.take() {
            let module = module.into_inner().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: `&mut self` excludes a running call, `run` is the only caller, and no pointer into the
            // code ever leaves `entries`, which is now empty.
            unsafe { module.free_memory() };
        }
    }
}

#[cfg(test)]
mod tests {
    use mpcc_program::code::{Access, Buf, Instr, Lane, MapOp, Role, Step, V};
    use mpcc_program::interpret::Interpreter;
    use mpcc_program::words::with_own;

    use super::*;

    /// Processors with fewer extensions get other instructions for the same vectors.
    #[test]
    fn fewer_extensions_give_the_same_words() {
        let (a, b) = (V(0), V(1));
        let ops = vec![
            MapOp::Load(Buf(0), Access::Full),
            MapOp::Load(Buf(1), Access::Col),
            MapOp::Mul(a, b),
            MapOp::Sar(a, 13),
            MapOp::Sar(a, 63),
            MapOp::Shr(a, 13),
            MapOp::Shl(b, 13),
            MapOp::Sub(a, b),
            MapOp::Parity(a),
        ];
        let out = |v: u32| (Buf(v), V(v));
        let map = |lane, ops: &[MapOp], stores| Map { lane, rows: 3, cols: 5, ops: ops.to_vec(), stores };
        let vectors = map(Lane::Word, &ops[..8], (2..8).map(out).collect());
        let scalars = map(Lane::Word, &ops, vec![out(8)]);
        let doubles = map(Lane::Double, &ops, (2..9).map(|v| (Buf(v + 7), V(v))).collect());
        let maps = [vectors, scalars, doubles];
        let code = RoleCode {
            role: Role::Dealer,
            lengths: [&[15, 5][..], &[15; 14]].concat(),
            lanes: [[Lane::Word; 9].as_slice(), &[Lane::Double; 7]].concat(),
            setup: Step::default(),
            setup_after: vec![],
            offline: maps.iter().cloned().map(Instr::Map).collect(),
            steps: vec![],
            outputs: vec![],
        };
        let word = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let buffer = |j: u32| (0..code.words(Buf(j))).map(|i| word(i + 20 * j as usize)).collect();
        let buffers: Vec<Vec<u64>> = (0..16).map(buffer).collect();
        let mut interpreted = buffers.clone();
        for (id, map) in maps.iter().enumerate() {
            with_own(&mut interpreted, |words| Interpreter.run(id, map, &code.lanes, words));
        }
        for extensions in [Extensions::None, Extensions::Avx2, Extensions::All] {
            let jit = Jit::compile_with(extensions, &code).unwrap();
            let mut compiled = buffers.clone();
            for (id, map) in maps.iter().enumerate() {
                with_own(&mut compiled, |words| jit.run(id, map, &code.lanes, words));
            }
            assert_eq!(compiled, interpreted, "{extensions:?}");
        }
    }
}
