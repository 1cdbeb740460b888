//! What a session tells its caller while it runs.

/// Something that happened. Counts start at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressEvent {
    /// All links stand; the roles compare what they run.
    Connected,
    /// Material of so many inferences was made by the two parties.
    Made {
        /// How many are done.
        inferences: u64,
    },
    /// The setup begins.
    Setup,
    /// Offline work for an inference begins.
    Offline {
        /// Which inference.
        inference: u64,
        /// Of how many; none where the dealer cannot know.
        of: Option<u64>,
    },
    /// A hop of an inference is done.
    Hop {
        /// Which hop.
        hop: usize,
        /// Of how many.
        of: usize,
        /// Which inference.
        inference: u64,
        /// Of how many.
        inferences: u64,
    },
    /// All inferences are done.
    Finished,
}

/// Listens to a session. Called from the session's thread, so it must not block.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: ProgressEvent);

    /// Something that the user should know although the session goes on.
    fn remark(&self, _text: &str) {}
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn event(&self, _event: ProgressEvent) {}
}
