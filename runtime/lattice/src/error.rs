//! Why something was refused. Every error is about shapes, lengths, ranges or order, never about a secret.

/// What the caller or the other side must mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatticeError {
    /// A byte string has another length than its kind takes.
    #[error("{what} takes {expected} bytes, got {found}; both sides must use the same parameters and shapes")]
    Length {
        /// Kind of message.
        what: &'static str,
        /// Bytes that it takes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// A residue is not below its prime.
    #[error(
        "{what} holds a number that is no residue of its prime; it was damaged, or the sender has other parameters"
    )]
    Residue {
        /// Kind of message.
        what: &'static str,
    },
    /// A slice of numbers has the wrong length.
    #[error("{what} has {expected} numbers, got {found}")]
    Count {
        /// What the numbers are.
        what: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A batch number that is not above all earlier ones.
    #[error("batch {number} of uploads is not above batch {last}; an index is used once, so begin a higher batch")]
    Batch {
        /// Number asked for.
        number: u64,
        /// Highest number that was begun.
        last: u64,
    },
    /// A parameter, shape or width outside of what is supported.
    #[error("{what} must be {allowed}, not {found}")]
    Range {
        /// What is out of range.
        what: &'static str,
        /// What is allowed, in words.
        allowed: &'static str,
        /// What was asked for.
        found: u64,
    },
    /// The noise could reach the message.
    #[error("the noise takes {needed} bits of modulus and the parameters have {available}; take larger parameters")]
    Budget {
        /// Bits of modulus that an exact result needs.
        needed: u32,
        /// Bits that there are.
        available: u32,
    },
    /// More products were added up than were declared.
    #[error("a sum was declared to have {declared} products at most, and one more was added")]
    Terms {
        /// Products declared.
        declared: u64,
    },
    /// Keys do not serve this use.
    #[error("the keys were made for {made} merging steps and {needed} are needed")]
    Keys {
        /// Steps that the keys serve.
        made: u32,
        /// Steps needed.
        needed: u32,
    },
    /// Debug builds only: an answer's noise is larger than any that follows the protocol.
    #[error("an answer's noise is above its bound; it was made with other keys or parameters, or damaged")]
    Noise,
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, LatticeError>;

/// Refuses a slice of another length than `expected`.
pub(crate) fn count(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(LatticeError::Count { what, expected, found }) }
}
