//! An image while it is changed.

/// Planes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// How many planes; 3 are red, green and blue.
    pub channels: usize,
    /// Rows of a plane.
    pub height: usize,
    /// Bytes of a row.
    pub width: usize,
    bytes: Vec<u8>,
}

impl Picture {
    /// A copy of `bytes`, of shape (channels, height, width).
    ///
    /// # Panics
    /// If `bytes` are not of the shape.
    pub fn new([channels, height, width]: [usize; 3], bytes: &[u8]) -> Self {
        assert_eq!(bytes.len(), channels * height * width, "an image of its shape");
        Self { channels, height, width, bytes: bytes.to_vec() }
    }

    /// A picture with one value per channel.
    pub(super) fn filled(channels: usize, height: usize, width: usize, fill: impl Fn(usize) -> u8) -> Self {
        let bytes = (0..channels).flat_map(|channel| std::iter::repeat_n(fill(channel), height * width)).collect();
        Self { channels, height, width, bytes }
    }

    /// All bytes, plane by plane and row by row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn planes(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.height * self.width)
    }

    pub(super) fn planes_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_exact_mut(self.height * self.width)
    }
}
