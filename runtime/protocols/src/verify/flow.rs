//! Rules 2, 4, 5 and 6: what every role may do where, and the single assignment of buffers.

use std::collections::HashSet;

use mpcc_program::code::{Buf, Exchange, Instr, Owner, Role, RoleCode, Source, Stage};

use super::{Place, SectionName, Violation, shapes};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    No,
    InParts,
    Whole,
}

#[derive(Clone, Copy)]
struct State {
    filled: Filled,
    read: bool,
    in_setup: bool,
}

struct Walk<'a> {
    code: &'a RoleCode,
    buffers: Vec<State>,
    streams: HashSet<(bool, bool, u64)>,
    violations: Vec<Violation>,
    place: Place,
}

/// Everything wrong with the code.
pub(super) fn violations(code: &RoleCode) -> Vec<Violation> {
    let fresh = State { filled: Filled::No, read: false, in_setup: false };
    let mut walk = Walk {
        code,
        buffers: vec![fresh; code.lengths.len()],
        streams: HashSet::new(),
        violations: Vec::new(),
        place: Place { section: SectionName::Setup, position: None },
    };
    walk.list(SectionName::Setup, &code.setup.local);
    walk.exchange(&code.setup.exchange);
    walk.list(SectionName::SetupAfter, &code.setup_after);
    walk.list(SectionName::Offline, &code.offline);
    for (s, step) in code.steps.iter().enumerate() {
        walk.list(SectionName::Step(s), &step.local);
        walk.exchange(&step.exchange);
    }
    if code.steps.last().is_some_and(|s| s.exchange != Exchange::default()) {
        walk.report("the last step exchanges something".to_owned());
    }
    walk.outputs();
    walk.violations
}

impl Walk<'_> {
    fn report(&mut self, what: String) {
        self.violations.push(Violation { role: self.code.role, place: self.place, what });
    }

    fn list(&mut self, section: SectionName, instrs: &[Instr]) {
        for (position, instr) in instrs.iter().enumerate() {
            self.place = Place { section, position: Some(position) };
            let before = self.violations.len();
            let (violations, role, place) = (&mut self.violations, self.code.role, self.place);
            shapes::check(self.code, instr, &mut |what| violations.push(Violation { role, place, what }));
            self.rights(instr);
            if self.violations.len() == before {
                self.flow(instr);
            }
        }
        self.place = Place { section, position: None };
    }

    fn in_setup(&self) -> bool {
        matches!(self.place.section, SectionName::Setup | SectionName::SetupAfter)
    }

    fn online(&self) -> bool {
        matches!(self.place.section, SectionName::Step(_))
    }

    fn rights(&mut self, instr: &Instr) {
        let role = self.code.role;
        let problem = match instr {
            Instr::Load { source: Source::Weight(_), .. } if role != Role::ModelOwner => {
                Some("only the model owner has weights")
            }
            Instr::Load { source: Source::Input(_), .. } if role != Role::DataOwner => {
                Some("only the data owner has inputs")
            }
            Instr::Load { source: Source::Input(_), .. } if !self.online() => {
                Some("an input is loaded before it is known")
            }
            Instr::Draw { seed: Owner::ModelOwner, .. } if role == Role::DataOwner => {
                Some("the data owner draws from the model owner's seed")
            }
            Instr::Draw { seed: Owner::DataOwner, .. } if role == Role::ModelOwner => {
                Some("the model owner draws from the data owner's seed")
            }
            Instr::Draw { stage, .. } if (*stage == Stage::Setup) != self.in_setup() => {
                Some("a draw from the seed of another stage")
            }
            Instr::Receive { .. } if role == Role::Dealer => Some("the dealer receives a correction"),
            Instr::Receive { .. } if role == Role::ModelOwner && self.in_setup() => {
                Some("the model owner receives a correction in the setup")
            }
            Instr::Receive { .. } if self.online() => Some("a correction is received online"),
            Instr::Deal { .. } | Instr::Broadcast { .. } | Instr::RowKeys { .. } | Instr::ComparisonKeys { .. }
                if role != Role::Dealer =>
            {
                Some("only the dealer deals and makes keys")
            }
            Instr::ComparisonShares { .. } | Instr::RowShares { .. } if role == Role::Dealer => {
                Some("the dealer evaluates a key")
            }
            Instr::OfferRows { .. } if role != Role::DataOwner => Some("only the data owner offers a row function"),
            Instr::TakeRows { .. } if role != Role::ModelOwner => Some("only the model owner takes an offer"),
            Instr::BucketCounts { .. } if role == Role::Dealer => Some("the dealer counts what is opened"),
            Instr::Broadcast { .. } if self.in_setup() => Some("both parties are dealt to in the setup"),
            Instr::Deal { .. } | Instr::Broadcast { .. } if self.online() => Some("a correction is dealt online"),
            _ => None,
        };
        if let Some(problem) = problem {
            self.report(problem.to_owned());
        }
        if let Instr::Draw { seed, stage, stream, .. } = instr {
            let key = (*seed == Owner::ModelOwner, *stage == Stage::Setup, *stream);
            if !self.streams.insert(key) {
                self.report(format!("stream {stream:#x} of {seed:?} is drawn twice"));
            }
        }
    }

    fn flow(&mut self, instr: &Instr) {
        let reads = instr.reads();
        let writes = instr.writes();
        for buf in &reads {
            self.read(*buf);
        }
        for buf in writes {
            if reads.contains(&buf) {
                self.report(format!("buffer {} is written and read at once", buf.0));
            }
            match instr {
                Instr::Copy(_) => self.write_part(buf),
                Instr::Zero { .. } => self.write(buf, Filled::InParts),
                _ => self.write(buf, Filled::Whole),
            }
        }
    }

    fn read(&mut self, buf: Buf) {
        let state = &mut self.buffers[buf.0 as usize];
        state.read = true;
        if state.filled == Filled::No {
            self.report(format!("buffer {} is read before it is written", buf.0));
        }
    }

    fn write(&mut self, buf: Buf, filled: Filled) {
        let in_setup = self.in_setup();
        let state = &mut self.buffers[buf.0 as usize];
        let again = state.filled != Filled::No;
        *state = State { filled, read: false, in_setup };
        if again {
            self.report(format!("buffer {} is written twice", buf.0));
        }
    }

    fn write_part(&mut self, buf: Buf) {
        let in_setup = self.in_setup();
        let state = &mut self.buffers[buf.0 as usize];
        let problem = match state.filled {
            Filled::No => None,
            Filled::Whole => Some("is written twice"),
            Filled::InParts if state.read => Some("is copied into after it was read"),
            Filled::InParts if state.in_setup != in_setup => Some("of the setup is written in an inference"),
            Filled::InParts => None,
        };
        if state.filled == Filled::No {
            *state = State { filled: Filled::InParts, read: false, in_setup };
        }
        if let Some(problem) = problem {
            self.report(format!("buffer {} {problem}", buf.0));
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        if self.code.role == Role::Dealer && *exchange != Exchange::default() {
            self.report("the dealer exchanges something".to_owned());
        }
        for part in exchange.send.iter().chain(&exchange.receive) {
            let (violations, role, place) = (&mut self.violations, self.code.role, self.place);
            shapes::width(part.bits, &mut |what| violations.push(Violation { role, place, what }));
            if !shapes::exists(self.code, part.buf) {
                self.report(format!("buffer {} does not exist", part.buf.0));
                return;
            }
            let violations = &mut self.violations;
            shapes::lane(self.code, part.buf, part.bits, &mut |what| violations.push(Violation { role, place, what }));
        }
        for part in &exchange.send {
            self.read(part.buf);
        }
        for part in &exchange.receive {
            self.write(part.buf, Filled::Whole);
        }
    }

    fn outputs(&mut self) {
        self.place = Place { section: SectionName::Outputs, position: None };
        if self.code.role != Role::DataOwner && !self.code.outputs.is_empty() {
            self.report("only the data owner learns outputs".to_owned());
        }
        for output in &self.code.outputs {
            let (violations, role, place) = (&mut self.violations, self.code.role, self.place);
            let mut report = |what| violations.push(Violation { role, place, what });
            shapes::width(output.bits, &mut report);
            if output.bits > 64 {
                report(format!("an output of {} bits; words are handed out", output.bits));
            }
            if !shapes::exists(self.code, output.buf) {
                self.report(format!("buffer {} does not exist", output.buf.0));
            } else {
                self.read(output.buf);
            }
        }
    }
}
