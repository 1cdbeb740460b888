//! A party's file in the place of its link to the dealer: requests pick sections, and corrections come from them in the
//! frames in which a dealer would send them.

use std::collections::VecDeque;

use mpcc_channel::{Counters, Duplex, LinkError, Phase, SessionTag};

use super::{MaterialFile, Section};
use crate::session::NO_FURTHER;
use crate::transfer::kind;

/// The end of a link whose other end is a file.
pub(crate) struct MaterialLink {
    file: MaterialFile,
    name: String,
    /// The section being read, and where.
    reading: Option<(Section, u64)>,
    asked: VecDeque<u64>,
    phase: Phase,
    counters: Counters,
    spare: Vec<u8>,
}

impl MaterialLink {
    pub(crate) fn new(file: MaterialFile) -> Self {
        let name = file.name();
        MaterialLink {
            file,
            name,
            reading: Some((Section::Setup, 0)),
            asked: VecDeque::new(),
            phase: Phase::Handshake,
            counters: Counters::default(),
            spare: Vec::new(),
        }
    }

    fn misuse(&self, detail: &str) -> LinkError {
        LinkError::Misuse { peer: self.name.clone(), detail: detail.to_owned() }
    }

    /// The section that corrections of a kind are read from next.
    fn section(&mut self, kind: u8) -> Option<(Section, u64)> {
        let unread = |file: &MaterialFile, (section, at): (Section, u64)| at < file.layout().place(section).1;
        let left = self.reading.filter(|reading| unread(&self.file, *reading));
        match (kind, left) {
            (kind::SETUP_CORRECTIONS, Some((Section::Setup, _))) => left,
            (kind::CORRECTIONS, Some((Section::Inference(_), _))) => left,
            (kind::CORRECTIONS, None) => self.asked.pop_front().map(|index| (Section::Inference(index), 0)),
            _ => None,
        }
    }
}

impl Duplex for MaterialLink {
    fn peer(&self) -> &str {
        &self.name
    }

    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        match (kind, payload.as_slice().try_into().map(u64::from_le_bytes)) {
            (kind::REQUEST, Ok(NO_FURTHER)) => Ok(()),
            (kind::REQUEST, Ok(index)) if index < self.file.contents().inferences => {
                self.asked.push_back(index);
                Ok(())
            }
            _ => Err(self.misuse("it takes requests for what it holds and nothing else")),
        }
    }

    fn send_secret(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.send(kind, payload)
    }

    fn recv(&mut self, kind: u8, _most: usize) -> Result<Vec<u8>, LinkError> {
        let Some((section, at)) = self.section(kind) else {
            return Err(self.misuse("more is read than was asked for"));
        };
        let mut piece = std::mem::take(&mut self.spare);
        let read = self.file.read_piece(section, at, &mut piece);
        let read = read.map_err(|e| LinkError::Lost { peer: self.name.clone(), detail: e.to_string() })?;
        self.reading = Some((section, at + read));
        self.counters.count_received(self.phase, read, read);
        Ok(piece)
    }

    fn recycle(&mut self, payload: Vec<u8>) {
        self.spare = payload;
    }

    fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    fn set_session(&mut self, _tag: SessionTag) {}

    fn counters(&self) -> Counters {
        self.counters
    }
}
