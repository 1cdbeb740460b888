//! How matrices lie in polynomials: rows in blocks, the inner extent in tiles of kw = 2^i, nw columns beside each other; results of
//! several groups of columns are merged into one answer. Everything a planner needs follows from these numbers.

use crate::budget::answer_bits;
use crate::error::{LatticeError, Result};
use crate::params::Parameters;

/// Rows times inner of the owner's matrix, inner times columns of the evaluator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileShape {
    /// Rows of the owner's matrix and of the result.
    pub rows: usize,
    /// Columns of the owner's matrix, rows of the evaluator's.
    pub inner: usize,
    /// Columns of the evaluator's matrix and of the result.
    pub columns: usize,
}

/// A choice of blocks and tiles for a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileLayout {
    pub(crate) degree: usize,
    pub(crate) shape: TileShape,
    pub(crate) blocks: usize,
    /// Rows of a block, columns beside each other.
    pub(crate) high: usize,
    pub(crate) wide: usize,
    pub(crate) log_inner: u32,
    pub(crate) log_merged: u32,
}

/// What a product takes: bytes each way and how often each primitive is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes from the owner to the evaluator.
    pub upload_bytes: u64,
    /// Bytes back.
    pub answer_bytes: u64,
    /// The owner's work.
    pub owner: Work,
    /// The evaluator's work.
    pub evaluator: Work,
}

/// Executions of each primitive, by prime of the modulus where that is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Layers of transforms of one prime, in either direction.
    pub layers: u64,
    /// Sums with products of polynomials modulo one prime.
    pub products: u64,
    /// Steps of merging.
    pub merges: u64,
    /// Uploads made or read.
    pub uploads: u64,
    /// Answers made or opened.
    pub answers: u64,
}

impl Work {
    /// Both one after the other.
    pub fn plus(self, other: Work) -> Work {
        Work {
            layers: self.layers + other.layers,
            products: self.products + other.products,
            merges: self.merges + other.merges,
            uploads: self.uploads + other.uploads,
            answers: self.answers + other.answers,
        }
    }

    /// Picoseconds of one core at these rates.
    pub fn picoseconds(self, rates: &Rates) -> u64 {
        self.layers * rates.layer
            + self.products * rates.product
            + self.merges * rates.merge
            + self.uploads * rates.upload
            + self.answers * rates.answer
    }
}

/// Picoseconds of each primitive of [`Work`] on a machine, for one parameter set. Merges, uploads and answers count what they do
/// beside transforms and products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// A layer of a transform.
    pub layer: u64,
    /// A sum with a product.
    pub product: u64,
    /// The rest of a step of merging.
    pub merge: u64,
    /// The rest of an upload.
    pub upload: u64,
    /// The rest of an answer.
    pub answer: u64,
}

impl TileLayout {
    /// Rows in `blocks` blocks, tiles of 2^`log_inner` inner entries, 2^`log_merged` groups of columns in an answer.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if an extent is zero, a block and a tile do not fit into N, or more is merged than a tile has.
    pub fn new(
        parameters: Parameters,
        shape: TileShape,
        blocks: usize,
        log_inner: u32,
        log_merged: u32,
    ) -> Result<TileLayout> {
        let refused = |what, allowed, found: usize| Err(LatticeError::Range { what, allowed, found: found as u64 });
        let TileShape { rows, inner, columns } = shape;
        if rows.min(inner).min(columns) == 0 {
            return refused("an extent of a product", "at least 1", 0);
        }
        if blocks == 0 || blocks > rows {
            return refused("the number of blocks", "1 to the number of rows", blocks);
        }
        if log_merged > log_inner || log_merged > crate::keys::MOST_STEPS {
            return refused(
                "lg of the merged groups",
                "at most lg of a tile's inner entries, and 8",
                log_merged as usize,
            );
        }
        let high = rows.div_ceil(blocks);
        // Blocks of this height may be fewer than asked for.
        let blocks = rows.div_ceil(high);
        let degree = parameters.degree();
        let wide = match degree.checked_shr(log_inner).unwrap_or(0) / high {
            0 => return refused("a tile", "at most N entries with its block's rows", log_inner as usize),
            most => most.min(columns),
        };
        Ok(TileLayout { degree, shape, blocks, high, wide, log_inner, log_merged })
    }

    /// The layout that costs least by `price`, among all blocks and tiles.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if none fits.
    pub fn cheapest(
        parameters: Parameters,
        shape: TileShape,
        bits: u32,
        price: impl Fn(&Cost) -> u64,
    ) -> Result<TileLayout> {
        let mut best: Result<(u64, TileLayout)> =
            TileLayout::new(parameters, shape, 1, 0, 0).map(|layout| (price(&layout.cost(parameters, bits)), layout));
        let most = if parameters.special_bits() == 0 { 0 } else { crate::keys::MOST_STEPS };
        for blocks in 1..=shape.rows {
            for log_inner in 0..=crate::keys::MOST_STEPS {
                for log_merged in [0, log_inner.min(most)] {
                    let Ok(layout) = TileLayout::new(parameters, shape, blocks, log_inner, log_merged) else {
                        continue;
                    };
                    let price = price(&layout.cost(parameters, bits));
                    let better = match &best {
                        Ok((least, _)) => price < *least,
                        Err(_) => true,
                    };
                    if better {
                        best = Ok((price, layout));
                    }
                }
            }
        }
        best.map(|(_, layout)| layout)
    }

    /// What it is a layout of.
    pub fn shape(&self) -> TileShape {
        self.shape
    }

    /// Steps that the keys must serve.
    pub fn steps(&self) -> u32 {
        if self.log_merged == 0 { 0 } else { self.log_inner }
    }

    pub(crate) fn inner_blocks(&self) -> usize {
        self.shape.inner.div_ceil(1 << self.log_inner)
    }

    /// Groups of columns.
    pub(crate) fn groups(&self) -> usize {
        self.shape.columns.div_ceil(self.wide)
    }

    /// Answers for each block of rows.
    pub(crate) fn sets(&self) -> usize {
        self.groups().div_ceil(1 << self.log_merged)
    }

    /// Groups in the answers of set `set`, and lg of how many are merged.
    pub(crate) fn groups_of(&self, set: usize) -> (usize, u32) {
        let count = (self.groups() - (set << self.log_merged)).min(1 << self.log_merged);
        (count, count.next_power_of_two().trailing_zeros())
    }

    /// Low coefficients of the evaluator's polynomials.
    pub(crate) fn low(&self) -> usize {
        self.wide << self.log_inner
    }

    /// Coefficients of an answer that travel.
    pub(crate) fn used(&self) -> usize {
        self.high * self.low()
    }

    /// Uploads of a product.
    pub fn uploads(&self) -> usize {
        self.blocks * self.inner_blocks()
    }

    /// Answers of a product.
    pub fn answers(&self) -> usize {
        self.blocks * self.sets()
    }

    /// Bytes of an upload.
    pub fn upload_bytes(&self, parameters: Parameters) -> usize {
        parameters.limb_bits().iter().map(|&b| mpcc_kernels::pack::packed_len(self.degree, b)).sum()
    }

    /// Bytes of an answer for results of `bits` bits.
    pub fn answer_bytes(&self, parameters: Parameters, bits: u32) -> usize {
        let [a, b] = answer_bits(parameters, bits);
        answer_bytes(self.degree, self.used(), a, b)
    }

    /// What the product takes, to the byte.
    pub fn cost(&self, parameters: Parameters, bits: u32) -> Cost {
        let limbs = parameters.limb_bits().len() as u64;
        let log = u64::from(parameters.log_degree());
        let (uploads, answers) = (self.uploads() as u64, self.answers() as u64);
        let tiles = (self.inner_blocks() * self.groups()) as u64;
        let low = u64::from(self.low().next_power_of_two().trailing_zeros().max(6));
        // All sets but the last are whole.
        let last = self.sets() - 1;
        let merges =
            (last as u64 * ((1 << self.log_merged) - 1) + (1 << self.groups_of(last).1) - 1) * self.blocks as u64;
        let owner = Work {
            layers: log * limbs * uploads + 4 * log * answers,
            products: limbs * uploads + 2 * answers,
            uploads,
            answers,
            merges: 0,
        };
        let per_merge = limbs * limbs + limbs + 2 + 2 * limbs;
        let evaluator = Work {
            layers: tiles * limbs * low + merges * per_merge * log + answers * 3 * limbs * log,
            products: tiles * self.blocks as u64 * 2 * limbs + merges * 2 * limbs * (limbs + 1) + answers * 2 * limbs,
            merges,
            uploads,
            answers,
        };
        Cost {
            upload_bytes: uploads * self.upload_bytes(parameters) as u64,
            answer_bytes: answers * self.answer_bytes(parameters, bits) as u64,
            owner,
            evaluator,
        }
    }
}

/// Bytes of an answer of `degree` coefficients of `a` bits and `used` of `b` bits, in planes of whole words.
pub(crate) fn answer_bytes(degree: usize, used: usize, a: u32, b: u32) -> usize {
    let part = |count: usize, bits: u32| planes(bits).map(|p| mpcc_kernels::pack::packed_len(count, p)).sum::<usize>();
    part(degree, a) + part(used, b)
}

/// Bits of the words that a number of `bits` bits travels in.
pub(crate) fn planes(bits: u32) -> impl Iterator<Item = u32> {
    (0..bits.div_ceil(64)).map(move |i| (bits - 64 * i).min(64))
}

/// What `uploads` slot uploads, `products` products with them and `answers` answers of `bits` bits take, to the byte.
pub fn slot_cost(parameters: Parameters, bits: u32, uploads: u64, products: u64, answers: u64) -> Cost {
    let limbs = parameters.limb_bits().len() as u64;
    let (log, degree) = (u64::from(parameters.log_degree()), parameters.degree());
    let primes = u64::from(bits.div_ceil(50));
    let upload: usize = parameters.limb_bits().iter().map(|&b| mpcc_kernels::pack::packed_len(degree, b)).sum();
    let [a, b] = answer_bits(parameters, bits);
    Cost {
        upload_bytes: uploads * upload as u64,
        answer_bytes: answers * answer_bytes(degree, degree, a, b) as u64,
        owner: Work {
            layers: log * ((primes + limbs) * uploads + (6 + primes) * answers),
            products: limbs * uploads + 3 * answers,
            merges: 0,
            uploads,
            answers,
        },
        evaluator: Work {
            layers: log * ((primes + limbs) * products + (3 * limbs + primes) * answers),
            products: 2 * limbs * (products + answers),
            merges: 0,
            uploads,
            answers,
        },
    }
}
