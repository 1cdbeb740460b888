//! The words of one buffer, owned by one frame or shared by several.

use std::ops::Deref;
use std::sync::Arc;

/// Words of a buffer. What the setup leaves for all inferences is shared between their frames and is only read; everything
/// else belongs to one frame. They may be secret, so they cannot be printed.
#[derive(Clone, Default)]
pub struct Words(Held);

#[derive(Clone)]
enum Held {
    Own(Vec<u64>),
    Shared(Arc<Vec<u64>>),
}

impl Words {
    /// The words, to be written.
    ///
    /// # Panics
    /// If they are shared. Verified code never writes what the setup left.
    pub fn own(&mut self) -> &mut Vec<u64> {
        match &mut self.0 {
            Held::Own(words) => words,
            Held::Shared(_) => panic!("words of the setup, which inferences share, were to be written"),
        }
    }

    /// Takes own words out and leaves none; of shared words only the reference goes.
    pub fn take(&mut self) -> Vec<u64> {
        match std::mem::take(&mut self.0) {
            Held::Own(words) => words,
            Held::Shared(_) => Vec::new(),
        }
    }

    /// Shares the words from now on, and gives them to one more frame.
    pub fn share(&mut self) -> Words {
        let held = match std::mem::take(&mut self.0) {
            Held::Own(words) => Arc::new(words),
            Held::Shared(words) => words,
        };
        self.0 = Held::Shared(Arc::clone(&held));
        Words(Held::Shared(held))
    }
}

impl Default for Held {
    fn default() -> Self {
        Held::Own(Vec::new())
    }
}

impl From<Vec<u64>> for Words {
    fn from(words: Vec<u64>) -> Self {
        Words(Held::Own(words))
    }
}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match &self.0 {
            Held::Own(words) => words,
            Held::Shared(words) => words,
        }
    }
}

/// Runs `work` on owned buffers.
pub fn with_own<R>(buffers: &mut [Vec<u64>], work: impl FnOnce(&mut [Words]) -> R) -> R {
    let mut words: Vec<Words> = buffers.iter_mut().map(|words| std::mem::take(words).into()).collect();
    let done = work(&mut words);
    buffers.iter_mut().zip(&mut words).for_each(|(buffer, words)| *buffer = words.take());
    done
}
