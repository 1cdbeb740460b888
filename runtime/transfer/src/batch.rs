//! The names of batches, which both messages of a plan begin with.

use crate::TransferError;
use crate::plan::{Plan, TAG};
use crate::session::{CHOICES_TAG, Purpose, STRINGS_TAG, derived};

/// Which message of a plan.
#[derive(Clone, Copy)]
pub(crate) enum Message {
    Choices,
    Strings,
}

impl Message {
    fn name(self) -> &'static str {
        match self {
            Message::Choices => "message of choices",
            Message::Strings => "message of strings",
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Message::Choices => CHOICES_TAG,
            Message::Strings => STRINGS_TAG,
        }
    }
}

/// Names a batch: the direction's transcript, the first transfer, the requests.
pub(crate) fn tag(message: Message, direction: &[u8; 32], first: u64, plan: &Plan) -> [u8; TAG] {
    derived(message.purpose(), &[direction, &first.to_le_bytes(), plan.digest()])
}

/// What follows the tag of a message that must have `expected` bytes.
pub(crate) fn opened<'b>(
    message: Message,
    bytes: &'b [u8],
    expected: usize,
    tag: &[u8; TAG],
) -> Result<&'b [u8], TransferError> {
    if bytes.len() != expected {
        return Err(TransferError::Length { what: message.name(), expected, found: bytes.len() });
    }
    if expected == 0 {
        return Ok(bytes);
    }
    let (front, rest) = bytes.split_at(TAG);
    if front == tag { Ok(rest) } else { Err(TransferError::Foreign { what: message.name() }) }
}
