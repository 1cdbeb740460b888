//! Choices out of bytes: the same bytes make the same case, and bytes that ran out are zeros.

/// Bytes that are hard on parsers.
const ODD_BYTES: [u8; 12] = [0, 1, 2, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x3f, 62, 64, 128];
/// Numbers that are hard on arithmetic.
const ODD_NUMBERS: [u64; 10] =
    [0, 1, u64::MAX, 1 << 63, 1 << 32, (1 << 32) - 1, (1 << 31) - 1, 1 << 40, (1 << 28) + 1, 4000];

/// Bytes that are read as choices.
pub struct Choices<'b> {
    bytes: &'b [u8],
}

impl<'b> Choices<'b> {
    /// All of these.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// The bytes that no choice was made of yet.
    pub fn rest(&self) -> &'b [u8] {
        self.bytes
    }

    /// Eight bytes as a number.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number below `n`, which is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        let wide = if n <= 256 { u64::from(self.byte()) } else { self.word() };
        usize::try_from(wide % n.max(1) as u64).unwrap_or(0)
    }

    /// Whether a coin shows heads.
    pub fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of a list that is not empty.
    pub fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        let at = self.below(list.len());
        &list[at]
    }

    /// A number that is hard on arithmetic.
    pub fn odd_number(&mut self) -> u64 {
        *self.of(&ODD_NUMBERS)
    }

    /// Changes a few bytes: flipped bits, odd values, parts moved, left out or put in.
    pub fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            if bytes.is_empty() {
                bytes.push(0);
            }
            let at = self.below(bytes.len());
            match self.below(9) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.byte(),
                2 => bytes[at] = *self.of(&ODD_BYTES),
                3 => _ = bytes.remove(at),
                4 => bytes.insert(at, self.byte()),
                5 => bytes[at] = bytes[at].wrapping_add(1),
                6 => bytes[at] = bytes[at].wrapping_sub(1),
                7 => {
                    let length = 1 + self.below(16.min(bytes.len() - at));
                    let piece = bytes[at..at + length].to_vec();
                    let to = self.below(bytes.len());
                    bytes[to..].iter_mut().zip(piece).for_each(|(byte, new)| *byte = new);
                }
                _ if self.once_in(8) => bytes.truncate(at),
                _ => {
                    let number = self.odd_number().to_le_bytes();
                    bytes[at..].iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_spoil_alike_and_change_something() {
        let seed: Vec<u8> = (0..200).collect();
        let spoiled = |choices: &[u8]| {
            let mut bytes = seed.clone();
            Choices::new(choices).spoil(&mut bytes);
            bytes
        };
        assert_eq!(spoiled(&[3, 1, 4, 1, 5, 9, 2, 6]), spoiled(&[3, 1, 4, 1, 5, 9, 2, 6]));
        let changed = (0..=255u8).filter(|n| spoiled(&[*n, 7, *n, 9, *n, 31, *n, 77]) != seed).count();
        assert!(changed > 200, "{changed} of 256");
    }

    #[test]
    fn choices_after_the_last_byte_are_zeros() {
        let mut choices = Choices::new(&[5]);
        assert_eq!((choices.byte(), choices.byte(), choices.below(7), choices.word()), (5, 0, 0, 0));
    }
}
