//! Why a message of the peer, or a list of requests, is refused.

/// Why a message was refused, or nothing more can be done in a session.
///
/// After an error of a setup or of a [`Sender`](crate::Sender) the session is over: begin another one, with fresh randomness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A message is not as long as it must be.
    #[error(
        "the peer's {what} has {found} bytes and not {expected}; check that both sides run the same version and requests"
    )]
    Length {
        /// The message.
        what: &'static str,
        /// Bytes that are due.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Bytes that are no point of the group, or the point that hides nothing.
    #[error("point {index} of the peer's {what} is not a valid point; end the session and check the peer's version")]
    Point {
        /// The message.
        what: &'static str,
        /// Which of its points.
        index: usize,
    },
    /// A message of another session, side, field, place in the session or list of requests.
    #[error(
        "the peer's {what} belongs to another session, batch or list of requests; begin a new session with the same \
         parameters on both sides"
    )]
    Foreign {
        /// The message.
        what: &'static str,
    },
    /// A session has no transfers left.
    #[error("{asked} transfers were asked for and the session has {left} left; begin a new session")]
    Exhausted {
        /// Transfers of the plan.
        asked: u64,
        /// Transfers that a session still has.
        left: u64,
    },
    /// An earlier message was refused.
    #[error("this session ended when a message was refused; begin a new one")]
    Ended,
}

/// Which message of a setup.
#[derive(Clone, Copy)]
pub(crate) enum SetupMessage {
    Greeting,
    Replies,
    Sums,
}

impl SetupMessage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SetupMessage::Greeting => "greeting",
            SetupMessage::Replies => "message of replies",
            SetupMessage::Sums => "message of sums",
        }
    }
}

/// Why a list of requests is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A width of a string.
    #[error("request {request} has strings of {width} bits; give every string 1 to 128 bits")]
    Width {
        /// Place in the list.
        request: usize,
        /// The width.
        width: u32,
    },
    /// A number of choice bits.
    #[error("request {request} has items of {bits} choice bits; give each 1 to {most}")]
    Bits {
        /// Place in the list.
        request: usize,
        /// The number.
        bits: u32,
        /// The most that its kind may have.
        most: u32,
    },
    /// A number of strings.
    #[error("request {request} has {strings} strings under a choice; give it 1 to {most}")]
    Strings {
        /// Place in the list.
        request: usize,
        /// The number.
        strings: usize,
        /// The most that a request may have.
        most: usize,
    },
    /// More than one plan may hold.
    #[error(
        "the requests up to number {request} take more than {most} transfers or words; split them into several plans"
    )]
    Large {
        /// The first request that does not fit.
        request: usize,
        /// The most that a plan may take.
        most: u64,
    },
}
