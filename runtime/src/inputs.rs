//! The data owner's inputs, which are encoded when their inference begins.

use mpcc_protocols::{CheckedCode, party};

use crate::error::SessionError;

/// Encodes the inputs of one inference, counted from 0, in the program's order, or says what is wrong with them.
pub type Encode<'a> = Box<dyn FnMut(u64) -> Result<Vec<Vec<u64>>, String> + 'a>;

/// The inputs of a session. An encoded input can be much larger than what it is made from, so only those of the
/// inferences at work are in memory.
pub struct Inputs<'a> {
    inferences: u64,
    encode: Encode<'a>,
}

impl<'a> Inputs<'a> {
    /// Encodes every input once, and keeps none of them: what does not fit is refused before a session begins.
    ///
    /// # Errors
    /// [`SessionError::OwnData`] for the first input that cannot be encoded or that the program does not take, and where
    /// there is none.
    pub fn checked(code: &CheckedCode, inferences: u64, encode: Encode<'a>) -> Result<Self, SessionError> {
        if inferences == 0 {
            return Err(SessionError::OwnData("there is no input; give at least one".to_owned()));
        }
        let mut inputs = Inputs { inferences, encode };
        for inference in 0..inferences {
            let encoded = inputs.encode(inference)?;
            party::check_inputs(code, &encoded).map_err(|e| SessionError::OwnData(e.to_string()))?;
        }
        Ok(inputs)
    }

    /// How many inferences there are inputs for.
    pub fn inferences(&self) -> u64 {
        self.inferences
    }

    /// The inputs of an inference, encoded.
    pub(crate) fn encode(&mut self, inference: u64) -> Result<Vec<Vec<u64>>, SessionError> {
        (self.encode)(inference).map_err(SessionError::OwnData)
    }
}
