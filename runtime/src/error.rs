//! How a session can end other than well, sorted by who must act.

use std::io;

use mpcc_channel::{ExitClass, LinkError};
use mpcc_protocols::error::Moment;
use mpcc_protocols::{CodeError, ProtocolError};
use thiserror::Error;

use crate::counter_store::CounterError;
use crate::material::MaterialError;
use crate::weights::WeightsError;

/// Why a session ended.
#[derive(Debug, Error)]
pub enum SessionError {
    /// Own weights or inputs do not fit the program.
    #[error("{0}")]
    OwnData(String),
    /// The caller's settings contradict one another or the machine.
    #[error("{0}")]
    Misuse(String),
    /// The other side runs something else.
    #[error(
        "{peer} does not fit: {what}: ours is {ours}, theirs is {theirs}; start every role with the same artefact and the same version of mpcc"
    )]
    Incompatible {
        /// Whose word differs.
        peer: String,
        /// What was compared.
        what: &'static str,
        /// Our value.
        ours: String,
        /// Their value.
        theirs: String,
    },
    /// The data owner asks for more than the model owner serves.
    #[error(
        "{asked} {what} are asked for, and the model owner serves {most}: give fewer inputs, or agree on more, which the model owner allows by {option}"
    )]
    MoreThanServed {
        /// Inferences in all, or at a time.
        what: &'static str,
        /// The option that says how many.
        option: &'static str,
        /// By the data owner.
        asked: u64,
        /// By the model owner.
        most: u64,
    },
    /// The other side broke the protocol.
    #[error("{peer} misbehaved: {detail}")]
    Misbehaved {
        /// Who.
        peer: String,
        /// How.
        detail: String,
    },
    /// The link was lost, timed out, or could not be made.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Correlated randomness that was used before.
    #[error(
        "{0}; start a new session so that the dealer deals anew, or make files again with `mpcc deal` or `mpcc pair`"
    )]
    MaterialUsed(String),
    /// A file holds too little correlated randomness for what is asked.
    #[error("{0}; give fewer inputs, or make files again with `mpcc deal` or `mpcc pair`")]
    Exhausted(String),
    /// A file of correlated randomness cannot be made or used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The record of used correlations cannot be read or written.
    #[error(transparent)]
    Counters(CounterError),
    /// Masked weights can be neither granted nor kept.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Code that does not pass the verifier.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// A mistake of this program.
    #[error("{0}; this is a bug in mpcc, please report it")]
    Bug(String),
}

impl SessionError {
    /// The process exit status: 1 own data, 2 usage, 3 peer or dealer, 4 link, 5 correlations, 70 bug.
    ///
    /// ```
    /// use mpcc_runtime::SessionError;
    ///
    /// let error = SessionError::Misuse("the dealer has no input".to_owned());
    /// assert_eq!(error.exit_code(), 2);
    /// ```
    pub fn exit_code(&self) -> u8 {
        match self {
            SessionError::Material(
                MaterialError::Exposed { .. }
                | MaterialError::Exists(_)
                | MaterialError::Busy(_)
                | MaterialError::NoRoom { .. },
            ) => 2,
            SessionError::OwnData(_) | SessionError::Material(_) => 1,
            SessionError::Misuse(_) | SessionError::Counters(_) | SessionError::Weights(_) => 2,
            SessionError::Incompatible { .. }
            | SessionError::MoreThanServed { .. }
            | SessionError::Misbehaved { .. } => 3,
            SessionError::Link(link) => match link.exit_class() {
                ExitClass::Usage => 2,
                ExitClass::Peer => 3,
                ExitClass::Link => 4,
                ExitClass::Bug => 70,
            },
            SessionError::MaterialUsed(_) | SessionError::Exhausted(_) => 5,
            SessionError::Code(_) | SessionError::Bug(_) => 70,
        }
    }

    /// A party's or the dealer's protocol error, blamed on whom it came from.
    pub(crate) fn from_protocol(error: ProtocolError, peer: &str, dealer: &str) -> SessionError {
        let detail = error.to_string();
        let misbehaved = |who: &str| SessionError::Misbehaved { peer: who.to_owned(), detail: detail.clone() };
        match error {
            ProtocolError::OwnData { .. } => SessionError::OwnData(detail),
            ProtocolError::MessageLength { at: Moment::Correction, .. }
            | ProtocolError::Padding { at: Moment::Correction } => misbehaved(dealer),
            ProtocolError::MessageLength { .. } | ProtocolError::Padding { .. } => misbehaved(peer),
            ProtocolError::MaterialUsed { .. } => SessionError::MaterialUsed(detail),
            ProtocolError::Store(_) => SessionError::Misuse(detail),
            ProtocolError::Corrections(error) | ProtocolError::Peer(error) => link_error(error),
            ProtocolError::OutOfOrder { .. } | ProtocolError::WrongRole { .. } | ProtocolError::Kernel(_) => {
                SessionError::Bug(detail)
            }
        }
    }
}

impl From<CounterError> for SessionError {
    fn from(error: CounterError) -> SessionError {
        match error {
            CounterError::Used { .. } => SessionError::MaterialUsed(error.to_string()),
            other => SessionError::Counters(other),
        }
    }
}

/// The error that a reader or writer, or what runs beside them, wrapped.
fn link_error(error: io::Error) -> SessionError {
    let text = error.to_string();
    let inner = match error.into_inner().map(|inner| inner.downcast::<LinkError>()) {
        Some(Ok(link)) => return SessionError::Link(*link),
        Some(Err(other)) => other.downcast::<SessionError>().ok(),
        None => None,
    };
    match inner {
        Some(session) => *session,
        None => SessionError::Bug(format!("a stream between roles failed: {text}")),
    }
}
