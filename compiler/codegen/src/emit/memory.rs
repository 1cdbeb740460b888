//! Loads and stores of entries, whose lane may be another than the kernel's.
//!
//! A double is two words in memory, the low one first. What a kernel computes in words takes the low one of a double;
//! what it computes in doubles zero-extends a word on loading and drops the high word on storing to words.

use cranelift_codegen::ir::types::{I64, I64X2, I128};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use mpcc_program::code::{Buf, Lane};

use super::{Emitter, WORD, arithmetic};

impl Emitter<'_> {
    /// The address in a slot's buffer of the entry that is `offset` bytes from the start of a buffer of words.
    pub(super) fn address(&mut self, slot: Buf, offset: Value) -> Value {
        let slot = slot.0 as usize;
        let offset = match self.kernel.slots[slot] {
            Lane::Word => offset,
            Lane::Double => self.builder.ins().ishl_imm_u(offset, 1),
        };
        self.builder.ins().iadd(self.bases[slot], offset)
    }

    /// The entry at an address, in the kernel's lane.
    pub(super) fn load(&mut self, slot: Buf, address: Value) -> Value {
        match (self.kernel.lane, self.kernel.slots[slot.0 as usize]) {
            (Lane::Double, Lane::Double) => self.builder.ins().load(I128, load_flags(), address, 0),
            _ => {
                let word = self.builder.ins().load(I64, load_flags(), address, 0);
                self.extended(word)
            }
        }
    }

    /// The words of two consecutive entries, as a vector.
    pub(super) fn load_pair(&mut self, slot: Buf, address: Value) -> Value {
        match self.kernel.slots[slot.0 as usize] {
            Lane::Word => self.builder.ins().load(I64X2, load_flags(), address, 0),
            Lane::Double => {
                let [first, second] = [0, 16].map(|at| self.builder.ins().load(I64, load_flags(), address, at));
                self.pair(first, second)
            }
        }
    }

    /// The entry at a computed index of the kernel's lane, whose low word counts, or the last one.
    pub(super) fn load_at(&mut self, slot: Buf, index: Value) -> Value {
        let last = self.lasts[slot.0 as usize].expect("the last index of every table is loaded at entry");
        let index = arithmetic::low(&mut self.builder, self.kernel.lane, index);
        let index = self.builder.ins().umin(index, last);
        let offset = self.builder.ins().imul_imm_u(index, WORD);
        let address = self.address(slot, offset);
        self.load(slot, address)
    }

    /// Stores a value of the kernel's lane, or a vector of words, whose slot holds words.
    pub(super) fn store(&mut self, slot: Buf, value: Value, address: Value) {
        let value = match (self.kernel.lane, self.kernel.slots[slot.0 as usize]) {
            (Lane::Double, Lane::Word) => arithmetic::low(&mut self.builder, Lane::Double, value),
            (Lane::Word, Lane::Word) | (Lane::Double, Lane::Double) => value,
            (Lane::Word, Lane::Double) => unreachable!("`check_map` refuses stores of words as doubles"),
        };
        self.builder.ins().store(store_flags(), value, address, 0);
    }

    /// A word in the kernel's lane.
    pub(super) fn extended(&mut self, word: Value) -> Value {
        arithmetic::extended(&mut self.builder, self.kernel.lane, word)
    }
}

/// Words do not change while they are read: what a map stores it does not load.
pub(super) fn load_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_readonly()
}

/// Vectors and doubles are aligned to words only, so no alignment is claimed.
fn store_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// The scratch is read where it was written, by one call.
pub(super) fn scratch_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
