//! Executes a list of instructions over buffers, as its schedule says.
//!
//! Whatever a list needs from outside (own data, seeds, the dealer's stream) stands in an [`Environment`], so that the
//! same loop serves parties and dealer. A party's message leaves while it grows, and the peer's is taken part by part
//! where it is read.

use std::io::{Read, Write};
use std::sync::Arc;

use mpcc_kernels::counts::{self, Counts};
use mpcc_kernels::rows::offer;
use mpcc_kernels::{dcf, matmul, pack, rows, trig};
use mpcc_program::code::{
    Buf, ComparisonTree, Copy, Instr, Lane, MapExecutor, Owner, Packed, Role, RoleCode, RowFunction, RowOffer,
    RowTable, Source, Stage,
};
use mpcc_program::schedule::{Moment as Scheduled, Origin, Schedule};

use crate::error::{Moment, ProtocolError};
use crate::frame::{Arrived, Frame};
use crate::message::{check_padding, pack_entries, unpack_canonical};
use crate::seeds::StageSeed;
use crate::stream::PeerStream;

/// Entries that are packed or unpacked at a time: a multiple of 8, so that pieces end on bytes.
const CHUNK_ENTRIES: usize = 1 << 15;

/// Positions of a role's lists, as [`mpcc_program::code::RoleCode::lists`] has them.
pub(crate) const SETUP: usize = 0;
pub(crate) const SETUP_AFTER: usize = 1;
pub(crate) const OFFLINE: usize = 2;
pub(crate) const FIRST_STEP: usize = 3;

/// The dealer's stream as the role sees it.
pub(crate) enum Corrections<'a> {
    /// The role neither sends nor receives any here.
    None,
    /// A party's end.
    Receive(&'a mut dyn Read),
    /// The dealer's ends.
    Deal {
        /// What both parties get.
        model_owner: &'a mut dyn Write,
        /// All corrections.
        data_owner: &'a mut dyn Write,
    },
}

const NO_STREAM: ProtocolError =
    ProtocolError::OutOfOrder { called: "a correction", expected: "a stream to read it from" };

/// One party's seeds of the two stages.
#[derive(Clone, Copy)]
pub(crate) struct StageSeeds<'a> {
    /// For the setup's streams, which may be drawn again later.
    pub(crate) setup: &'a StageSeed,
    /// For the inference's streams, in an inference.
    pub(crate) inference: Option<&'a StageSeed>,
}

/// The model owner's encoded weights.
pub(crate) enum Weights<'a> {
    /// A weight that is loaded is never loaded again, so it is taken out.
    Taken(&'a mut [Vec<u64>]),
    /// Weights are copied.
    Kept(&'a [Vec<u64>]),
}

impl Default for Weights<'_> {
    fn default() -> Self {
        Weights::Kept(&[])
    }
}

/// What instructions may take from outside the buffers, besides the dealer's stream.
#[derive(Default)]
pub(crate) struct Environment<'a> {
    /// Encoded weights.
    pub(crate) weights: Weights<'a>,
    /// Encoded inputs.
    pub(crate) inputs: &'a [Vec<u64>],
    /// The model owner's seeds, if the role has them.
    pub(crate) model_owner: Option<StageSeeds<'a>>,
    /// The data owner's seeds, if the role has them.
    pub(crate) data_owner: Option<StageSeeds<'a>>,
}

/// Code with what is needed to run it.
#[derive(Clone, Copy)]
pub(crate) struct Executable<'a> {
    /// Verified code.
    pub(crate) code: &'a RoleCode,
    /// Its schedule.
    pub(crate) schedule: &'a Schedule,
    /// Runs its maps.
    pub(crate) executor: &'a dyn MapExecutor,
}

/// Runs list number `list` of the code over `frame`. It takes the peer's message of the exchange before the list from
/// `peer`, and gives it the message that ends the list.
pub(crate) fn run(
    executable: Executable<'_>,
    list: usize,
    frame: &mut Frame,
    environment: &mut Environment<'_>,
    corrections: &mut Corrections<'_>,
    peer: &mut dyn PeerStream,
) -> Result<(), ProtocolError> {
    let Executable { code, schedule, .. } = executable;
    let (Some((instrs, exchange)), Some(section)) = (code.list(list), schedule.sections.get(list)) else {
        return Ok(());
    };
    let before = list.checked_sub(1).filter(|before| *before >= FIRST_STEP).and_then(|before| code.list(before));
    let mut incoming = Incoming {
        parts: before.map_or(&[], |(_, exchange)| &exchange.receive),
        at: Moment::Hop(list.saturating_sub(FIRST_STEP + 1)),
    };
    let mut outgoing = Outgoing { parts: &exchange.send };
    prepare(executable, list, frame, environment)?;
    let mut map_id = section.first_map;
    for (instr, moment) in instrs.iter().zip(&section.moments) {
        incoming.take(moment.take, code, frame, peer)?;
        execute(executable, (instr, moment), &mut map_id, frame, environment, corrections)?;
        outgoing.pack(moment.pack, frame, peer)?;
        release(moment, frame);
    }
    incoming.take(section.exchange.take, code, frame, peer)?;
    make(executable, &section.exchange.make, frame, environment)?;
    outgoing.pack(section.exchange.pack, frame, peer)?;
    if list != SETUP {
        release(&section.exchange, frame);
    }
    Ok(())
}

/// Runs the setup of a party whose message the peer holds from an earlier session: only what later lists need is made, and
/// nothing is packed.
pub(crate) fn run_without_message(
    executable: Executable<'_>,
    frame: &mut Frame,
    environment: &mut Environment<'_>,
) -> Result<(), ProtocolError> {
    let Executable { code, schedule, .. } = executable;
    let (Some((instrs, _)), Some(section)) = (code.list(SETUP), schedule.sections.get(SETUP)) else {
        return Ok(());
    };
    let mut needed = vec![false; code.lengths.len()];
    let later = code.setup_after.iter().flat_map(Instr::reads).chain(schedule.persistent.iter().copied());
    later.for_each(|buf| needed[buf.0 as usize] = true);
    let mut runs: Vec<bool> = instrs
        .iter()
        .rev()
        .map(|instr| {
            let runs = instr.writes().iter().any(|buf| needed[buf.0 as usize]);
            if runs {
                instr.reads().iter().for_each(|buf| needed[buf.0 as usize] = true);
            }
            runs
        })
        .collect();
    runs.reverse();
    let wanted = |buffers: &[Buf]| -> Vec<Buf> {
        buffers.iter().copied().filter(|buf| needed[buf.0 as usize] && code.words(*buf) > 0).collect()
    };
    make(executable, &wanted(&section.prepare), frame, environment)?;
    let mut map_id = section.first_map;
    for ((instr, moment), runs) in instrs.iter().zip(&section.moments).zip(runs) {
        if runs {
            execute(executable, (instr, moment), &mut map_id, frame, environment, &mut Corrections::None)?;
        } else {
            make(executable, &wanted(&moment.make), frame, environment)?;
            map_id += usize::from(matches!(instr, Instr::Map(_)));
        }
        release(moment, frame);
    }
    make(executable, &wanted(&section.exchange.make), frame, environment)
}

/// Makes what list number `list` needs before its first instruction, unless it was made already.
pub(crate) fn prepare(
    executable: Executable<'_>,
    list: usize,
    frame: &mut Frame,
    environment: &Environment<'_>,
) -> Result<(), ProtocolError> {
    let Some(section) = executable.schedule.sections.get(list) else { return Ok(()) };
    section.prepare.iter().filter(|buf| executable.code.words(**buf) > 0).try_for_each(|buf| {
        if frame[buf.0 as usize].is_empty() { make(executable, &[*buf], frame, environment) } else { Ok(()) }
    })
}

/// One instruction, with what the schedule makes before it.
fn execute(
    executable: Executable<'_>,
    (instr, moment): (&Instr, &Scheduled),
    map_id: &mut usize,
    frame: &mut Frame,
    environment: &mut Environment<'_>,
    corrections: &mut Corrections<'_>,
) -> Result<(), ProtocolError> {
    let Executable { code, executor, .. } = executable;
    if !matches!(instr, Instr::Receive { .. }) {
        make(executable, &moment.make, frame, environment)?;
    }
    match instr {
        Instr::Map(map) => {
            for (buf, _) in &map.stores {
                allocate(code, frame, *buf);
            }
            executor.run(*map_id, map, &code.lanes, frame);
            *map_id += 1;
            Ok(())
        }
        Instr::Receive { dst, bits } if moment.make.is_empty() => keep(code, *dst, *bits, frame, corrections),
        _ => step(code, instr, frame, environment, corrections),
    }
}

/// What is still to come of the peer's message.
struct Incoming<'a> {
    parts: &'a [Packed],
    at: Moment,
}

impl Incoming<'_> {
    /// Takes the next parts, while those behind them may still be on their way.
    fn take(
        &mut self,
        count: usize,
        code: &RoleCode,
        frame: &mut Frame,
        peer: &mut dyn PeerStream,
    ) -> Result<(), ProtocolError> {
        let (now, later) = self.parts.split_at(count.min(self.parts.len()));
        self.parts = later;
        for Packed { buf, bits } in now {
            let mut words = frame.fresh(code.words(*buf));
            let lane = Lane::of(*bits).words();
            let mut scratch = frame.scratch();
            for piece in words.chunks_mut(CHUNK_ENTRIES * lane) {
                scratch.resize(pack::packed_len(piece.len() / lane, u32::from(*bits)), 0);
                peer.take(&mut scratch).map_err(ProtocolError::Peer)?;
                unpack_canonical(&scratch, *bits, piece, self.at)?;
            }
            frame.keep_scratch(scratch);
            frame[buf.0 as usize] = words.into();
        }
        Ok(())
    }
}

/// What is still to be packed of this party's message.
struct Outgoing<'a> {
    parts: &'a [Packed],
}

impl Outgoing<'_> {
    /// Packs the next parts, which are complete.
    fn pack(&mut self, count: usize, frame: &Frame, peer: &mut dyn PeerStream) -> Result<(), ProtocolError> {
        let (now, later) = self.parts.split_at(count.min(self.parts.len()));
        self.parts = later;
        for Packed { buf, bits } in now {
            for piece in frame[buf.0 as usize].chunks(CHUNK_ENTRIES * Lane::of(*bits).words()) {
                pack_entries(piece, *bits, peer.growing());
                peer.grown().map_err(ProtocolError::Peer)?;
            }
        }
        Ok(())
    }
}

/// What the schedule releases after an instruction or exchange.
/// The setup's exchange waits for the peer's message first.
pub(crate) fn release(moment: &Scheduled, frame: &mut Frame) {
    frame.release(&moment.free);
    frame.forget(&moment.forget);
}

/// Makes words from their origin.
fn make(
    executable: Executable<'_>,
    buffers: &[Buf],
    frame: &mut Frame,
    environment: &Environment<'_>,
) -> Result<(), ProtocolError> {
    for buf in buffers {
        let mut words = frame.fresh(executable.code.words(*buf));
        match executable.schedule.origins[buf.0 as usize] {
            Some(Origin::Drawn { seed, stage, stream, bits }) => {
                environment.seed(seed, stage)?.fill(stream, bits, &mut words);
            }
            Some(Origin::Arrived { bits }) => {
                let missing = ProtocolError::OutOfOrder { called: "a correction", expected: "its arrival" };
                match frame.arrived(*buf).ok_or(missing)? {
                    Arrived::Here { bytes, range } => {
                        unpack_canonical(&bytes[range], bits, &mut words, Moment::Correction)?;
                    }
                    Arrived::Stored(at) => unpack_stored(frame, at, bits, &mut words)?,
                }
            }
            None => return Err(ProtocolError::OutOfOrder { called: "a buffer", expected: "what it is made from" }),
        }
        frame[buf.0 as usize] = words.into();
    }
    Ok(())
}

impl Environment<'_> {
    fn seed(&self, owner: Owner, stage: Stage) -> Result<&StageSeed, ProtocolError> {
        let seeds = match owner {
            Owner::ModelOwner => self.model_owner,
            Owner::DataOwner => self.data_owner,
        };
        let seed = seeds.and_then(|seeds| match stage {
            Stage::Setup => Some(seeds.setup),
            Stage::Inference => seeds.inference,
        });
        seed.ok_or(ProtocolError::OutOfOrder { called: "a draw", expected: "a role that holds the seed" })
    }
}
fn allocate(code: &RoleCode, frame: &mut Frame, buf: Buf) {
    let b = buf.0 as usize;
    if frame[b].len() != code.words(buf) {
        let words = frame.fresh(code.words(buf));
        frame[b] = words.into();
    }
}

fn step(
    code: &RoleCode,
    instr: &Instr,
    frame: &mut Frame,
    environment: &mut Environment<'_>,
    corrections: &mut Corrections<'_>,
) -> Result<(), ProtocolError> {
    let fresh = |frame: &mut Frame, buf: Buf| frame.fresh(code.words(buf));
    let at = |buf: Buf| buf.0 as usize;
    match instr {
        Instr::Map(_) => Ok(()),
        Instr::Load { dst, source } => {
            let words = match *source {
                Source::Weight(index) => weight(environment, index, code.words(*dst))?,
                Source::Input(index) => {
                    let data = own_data("input", index, environment.inputs, code.words(*dst))?;
                    let mut words = fresh(frame, *dst);
                    words.copy_from_slice(data);
                    words
                }
            };
            frame[at(*dst)] = words.into();
            Ok(())
        }
        // Its words are made when the schedule says so.
        Instr::Draw { .. } => Ok(()),
        Instr::Receive { dst, bits } => {
            let mut words = fresh(frame, *dst);
            receive(corrections, *bits, &mut words)?;
            frame[at(*dst)] = words.into();
            Ok(())
        }
        Instr::Deal { src, bits, to } => deal(corrections, *bits, &frame[at(*src)], Some(*to)),
        Instr::Broadcast { src, bits } => deal(corrections, *bits, &frame[at(*src)], None),
        Instr::Zero { dst } => {
            let mut words = fresh(frame, *dst);
            words.fill(0);
            frame[at(*dst)] = words.into();
            Ok(())
        }
        Instr::Copy(copy) => {
            allocate(code, frame, copy.dst);
            let mut dst = frame[at(copy.dst)].take();
            match code.lanes[at(copy.dst)] {
                Lane::Word => strided(copy, &mut dst, &frame[at(copy.src)]),
                Lane::Double => strided(copy, pairs_mut(&mut dst), pairs(&frame[at(copy.src)])),
            }
            frame[at(copy.dst)] = dst.into();
            Ok(())
        }
        Instr::SumRows { dst, src, cols } => {
            let mut words = fresh(frame, *dst);
            let cols = (*cols).max(1);
            match code.lanes[at(*dst)] {
                Lane::Word => {
                    for (sum, row) in words.iter_mut().zip(frame[at(*src)].chunks_exact(cols)) {
                        *sum = row.iter().fold(0u64, |a, w| a.wrapping_add(*w));
                    }
                }
                Lane::Double => {
                    for (sum, row) in pairs_mut(&mut words).iter_mut().zip(pairs(&frame[at(*src)]).chunks_exact(cols)) {
                        *sum = split(row.iter().fold(0u128, |a, pair| a.wrapping_add(joined(*pair))));
                    }
                }
            }
            frame[at(*dst)] = words.into();
            Ok(())
        }
        Instr::MatMul { dst, left, right, batch, m, k, n, shared_right, bits } => {
            let mut words = fresh(frame, *dst);
            let (batch, m) = if *shared_right { (1, batch * m) } else { (*batch, *m) };
            let (a, b) = (&frame[at(*left)], &frame[at(*right)]);
            match Lane::of(*bits) {
                Lane::Word => matmul::matmul_bits(u32::from(*bits), batch, m, *k, *n, a, b, &mut words),
                Lane::Double => matmul::matmul_double_bits(batch, m, *k, *n, a, b, &mut words, u32::from(*bits)),
            }
            frame[at(*dst)] = words.into();
            Ok(())
        }
        Instr::Harmonic { cos, sin, src, period_bits, fraction, multiple } => {
            let (mut c, mut s) = (fresh(frame, *cos), fresh(frame, *sin));
            let (period_bits, fraction) = (u32::from(*period_bits), u32::from(*fraction));
            trig::harmonic(&frame[at(*src)], period_bits, fraction, *multiple, &mut c, &mut s);
            frame[at(*cos)] = c.into();
            frame[at(*sin)] = s.into();
            Ok(())
        }
        Instr::BucketCounts { dst, points, shares, cols, bits, buckets, step } => {
            let mut words = fresh(frame, *dst);
            let [ring, buckets, step] = [*bits, *buckets, *step].map(u32::from);
            let of = Counts { ring, buckets, step, cols: *cols, whole: code.role == Role::ModelOwner };
            counts::counts(&of, &frame[at(*points)], &frame[at(*shares)], &mut words);
            frame[at(*dst)] = words.into();
            Ok(())
        }
        Instr::RowKeys { seeds, controls, values, masks, roots, table } => {
            let [mut s, mut c, mut v] = [*seeds, *controls, *values].map(|buf| fresh(frame, buf));
            let read = |buf: Buf| &*frame[at(buf)];
            let out = rows::Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
            rows::generate(&row_table(table), width(code, *values), read(*masks), roots.map(read), out);
            frame[at(*seeds)] = s.into();
            frame[at(*controls)] = c.into();
            frame[at(*values)] = v.into();
            Ok(())
        }
        Instr::RowShares { dst, points, root, seeds, controls, values, table } => {
            let mut shares = fresh(frame, *dst);
            let read = |buf: Buf| &*frame[at(buf)];
            let words = rows::Words { seeds: read(*seeds), controls: read(*controls), values: read(*values) };
            let party = u8::from(code.role == Role::DataOwner);
            let (table, width) = (row_table(table), width(code, *dst));
            rows::evaluate(&table, width, party, read(*points), read(*root), words, &mut shares);
            frame[at(*dst)] = shares.into();
            Ok(())
        }
        Instr::OfferRows { entries, next, points, mask, pads, coefficients, labels, offer } => {
            let mut out = fresh(frame, *entries);
            let mut follow = next.map_or(Vec::new(), |next| fresh(frame, next));
            let read = |buf: Buf| &*frame[at(buf)];
            let own = offer::Secrets {
                masks: read(*mask),
                pads: read(*pads),
                coefficients: coefficients.map(read),
                labels: labels.map_or(&[], read),
            };
            offer::write(&row_offer(offer), width(code, *entries), read(*points), own, &mut out, &mut follow);
            frame[at(*entries)] = out.into();
            if let Some(next) = next {
                frame[at(*next)] = follow.into();
            }
            Ok(())
        }
        Instr::TakeRows { dst, mask, pads, entries, next, offer } => {
            let mut sums = fresh(frame, *dst);
            let read = |buf: Buf| &*frame[at(buf)];
            let offered = (read(*entries), next.map_or(&[][..], read));
            offer::read(&row_offer(offer), width(code, *dst), (read(*mask), read(*pads)), offered, &mut sums);
            frame[at(*dst)] = sums.into();
            Ok(())
        }
        Instr::ComparisonKeys { seeds, controls, values, threshold, payload, roots, tree } => {
            let [mut s, mut c, mut v] = [*seeds, *controls, *values].map(|buf| fresh(frame, buf));
            let read = |buf: Buf| &*frame[at(buf)];
            let out = dcf::Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
            let payload: Vec<&[u64]> = payload.iter().map(|word| read(*word)).collect();
            dcf::generate(dcf_tree(tree), read(*threshold), &payload, roots.map(read), out);
            frame[at(*seeds)] = s.into();
            frame[at(*controls)] = c.into();
            frame[at(*values)] = v.into();
            Ok(())
        }
        Instr::ComparisonShares { dst, points, root, seeds, controls, values, tree } => {
            let mut shares: Vec<Vec<u64>> = dst.iter().map(|buf| fresh(frame, *buf)).collect();
            let read = |buf: Buf| &*frame[at(buf)];
            let words = dcf::Words { seeds: read(*seeds), controls: read(*controls), values: read(*values) };
            let party = u8::from(code.role == Role::DataOwner);
            let mut out: Vec<&mut [u64]> = shares.iter_mut().map(Vec::as_mut_slice).collect();
            dcf::evaluate(dcf_tree(tree), party, read(*points), read(*root), words, &mut out);
            for (buf, share) in dst.iter().zip(shares) {
                frame[at(*buf)] = share.into();
            }
            Ok(())
        }
    }
}

/// A weight: taken out if this is the only time that the code loads it.
fn weight(environment: &mut Environment<'_>, index: u32, expected: usize) -> Result<Vec<u64>, ProtocolError> {
    match &mut environment.weights {
        Weights::Kept(weights) => own_data("weight", index, weights, expected).map(<[u64]>::to_vec),
        Weights::Taken(weights) => {
            own_data("weight", index, weights, expected)?;
            Ok(weights.get_mut(index as usize).map(std::mem::take).unwrap_or_default())
        }
    }
}

fn own_data<'a>(
    what: &'static str,
    index: u32,
    data: &'a [Vec<u64>],
    expected: usize,
) -> Result<&'a [u64], ProtocolError> {
    let words = data.get(index as usize).map_or(&[][..], Vec::as_slice);
    if words.len() == expected {
        Ok(words)
    } else {
        Err(ProtocolError::OwnData { what, index, expected, got: words.len() })
    }
}

/// Takes a correction as the bits that arrive, into memory or into the frame's store.
fn keep(
    code: &RoleCode,
    dst: Buf,
    bits: u8,
    frame: &mut Frame,
    corrections: &mut Corrections<'_>,
) -> Result<(), ProtocolError> {
    let Corrections::Receive(stream) = corrections else {
        return Err(NO_STREAM);
    };
    let entries = code.lengths[dst.0 as usize];
    let size = |entries: usize| pack::packed_len(entries, u32::from(bits));
    if frame.keeps_in_memory(size(entries)) {
        let mut bytes = frame.fresh_bytes(size(entries));
        stream.read_exact(&mut bytes)?;
        check_padding(&bytes, bits, entries, Moment::Correction)?;
        let range = 0..bytes.len();
        frame.arrive(dst, Arrived::Here { bytes: Arc::new(bytes), range });
        return Ok(());
    }
    let mut scratch = frame.scratch();
    let mut first = None;
    for begin in (0..entries).step_by(CHUNK_ENTRIES) {
        let entries = CHUNK_ENTRIES.min(entries - begin);
        scratch.resize(size(entries), 0);
        stream.read_exact(&mut scratch)?;
        check_padding(&scratch, bits, entries, Moment::Correction)?;
        let at = frame.store().map(|store| store.append(&scratch)).transpose().map_err(ProtocolError::Store)?;
        first = first.or(at);
    }
    frame.keep_scratch(scratch);
    frame.arrive(dst, Arrived::Stored(first.unwrap_or(0)));
    Ok(())
}

/// Words from bits in the frame's store.
fn unpack_stored(frame: &mut Frame, at: u64, bits: u8, words: &mut [u64]) -> Result<(), ProtocolError> {
    let lane = Lane::of(bits).words();
    let mut scratch = frame.scratch();
    let mut at = at;
    for piece in words.chunks_mut(CHUNK_ENTRIES * lane) {
        scratch.resize(pack::packed_len(piece.len() / lane, u32::from(bits)), 0);
        let missing = ProtocolError::OutOfOrder { called: "a stored correction", expected: "a store" };
        frame.store().ok_or(missing)?.read(at, &mut scratch).map_err(ProtocolError::Store)?;
        unpack_canonical(&scratch, bits, piece, Moment::Correction)?;
        at += scratch.len() as u64;
    }
    frame.keep_scratch(scratch);
    Ok(())
}

fn receive(corrections: &mut Corrections<'_>, bits: u8, words: &mut [u64]) -> Result<(), ProtocolError> {
    let Corrections::Receive(stream) = corrections else {
        return Err(NO_STREAM);
    };
    let lane = Lane::of(bits).words();
    let size = |words: usize| pack::packed_len(words / lane, u32::from(bits));
    let mut bytes = vec![0; size(words.len().min(CHUNK_ENTRIES * lane))];
    for piece in words.chunks_mut(CHUNK_ENTRIES * lane) {
        let bytes = &mut bytes[..size(piece.len())];
        stream.read_exact(bytes)?;
        unpack_canonical(bytes, bits, piece, Moment::Correction)?;
    }
    Ok(())
}

fn deal(corrections: &mut Corrections<'_>, bits: u8, words: &[u64], to: Option<Owner>) -> Result<(), ProtocolError> {
    let Corrections::Deal { model_owner, data_owner } = corrections else {
        return Err(ProtocolError::OutOfOrder { called: "a correction", expected: "a stream to write it to" });
    };
    let lane = Lane::of(bits).words();
    let mut bytes = Vec::with_capacity(pack::packed_len((words.len() / lane).min(CHUNK_ENTRIES), u32::from(bits)));
    for piece in words.chunks(CHUNK_ENTRIES * lane) {
        bytes.clear();
        pack_entries(piece, bits, &mut bytes);
        if to != Some(Owner::ModelOwner) {
            data_owner.write_all(&bytes)?;
        }
        if to != Some(Owner::DataOwner) {
            model_owner.write_all(&bytes)?;
        }
    }
    Ok(())
}

/// The entries of a buffer of doubles.
fn pairs(words: &[u64]) -> &[[u64; 2]] {
    words.as_chunks().0
}

fn pairs_mut(words: &mut [u64]) -> &mut [[u64; 2]] {
    words.as_chunks_mut().0
}

fn joined([low, high]: [u64; 2]) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

fn split(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

fn strided<T: std::marker::Copy>(copy: &Copy, dst: &mut [T], src: &[T]) {
    if copy.dims.contains(&0) {
        return;
    }
    let [d0, d1, d2, d3] = copy.dims;
    let [t0, t1, t2, t3] = copy.dst_strides;
    let [s0, s1, s2, s3] = copy.src_strides;
    for i in 0..d0 {
        for j in 0..d1 {
            for k in 0..d2 {
                let to = copy.dst_offset + i * t0 + j * t1 + k * t2;
                let from = copy.src_offset + i * s0 + j * s1 + k * s2;
                if t3 == 1 && s3 == 1 {
                    dst[to..to + d3].copy_from_slice(&src[from..from + d3]);
                } else {
                    for l in 0..d3 {
                        dst[to + l * t3] = src[from + l * s3];
                    }
                }
            }
        }
    }
}

fn width(code: &RoleCode, buf: Buf) -> rows::Width {
    match code.lanes[buf.0 as usize] {
        Lane::Word => rows::Width::Word,
        Lane::Double => rows::Width::Double,
    }
}

/// The parameters as the kernel takes them.
pub(crate) fn dcf_tree(tree: &ComparisonTree) -> dcf::Tree {
    dcf::Tree { bits: tree.bits.into(), leaf_bits: tree.leaf_bits.into() }
}

pub(crate) fn row_offer(offer: &RowOffer) -> offer::Offer {
    offer::Offer { table: row_table(&offer.table), choice: offer.choice_bits.into() }
}

pub(crate) fn row_table(table: &RowTable) -> rows::RowTable {
    rows::RowTable {
        ring_bits: u32::from(table.ring_bits),
        levels: u32::from(table.levels),
        position_bits: u32::from(table.position_bits),
        fraction: u32::from(table.fraction),
        function: match table.function {
            RowFunction::Rsqrt { scale, eps } => rows::RowFunction::Rsqrt { scale, eps },
            RowFunction::Recip { scale, eps } => rows::RowFunction::Recip { scale, eps },
            RowFunction::Sqrt { scale, eps } => rows::RowFunction::Sqrt { scale, eps },
        },
    }
}
