//! Oblivious transfer between two ends, and what follows from it: correlated, chosen and random transfers, random transfers of
//! one pad of 2^w, products of numbers that the ends know, and of bits that they share.
//!
//! Everything is a state machine over bytes. It sees no channel, reads no clock, draws no randomness but what is handed in, and
//! starts no thread. A session begins with a setup of three hops ([`begin`]), in which base transfers for each direction, 256 over GF(2^8) and 128 over smaller fields, give
//! an end a [`Sender`] of one direction and a [`Receiver`] of the other. After that a batch of transfers of a direction is two
//! messages: choices to the sender, strings to the receiver.
//!
//! A batch is a [`Plan`]: any number of [`Request`]s of mixed kinds and widths, which both ends know. One call handles all of
//! them on slices of words, and both directions share hops, so all that a network needs of one depth is one message an end and
//! hop. Memory beyond inputs, results and messages is that of one chunk of 8192 transfers. What the messages weigh is
//! [`Plan::price`], to the byte.
//!
//! ```
//! use mpcc_transfer::{Entropy, Field, Plan, Request, SessionId, Side, and, begin};
//!
//! // The setup, hop by hop. Name and field are agreed on; each end draws its own entropy from the operating system.
//! let (id, field) = (SessionId::from_bytes([7; 32]), Field::new(8).unwrap());
//! let (a, a_sends) = begin(id, Side::First, field, Entropy::from_bytes([1; 32]));
//! let (b, b_sends) = begin(id, Side::Second, field, Entropy::from_bytes([2; 32]));
//! let ((a, a_sends), (b, b_sends)) = (a.reply(&b_sends)?, b.reply(&a_sends)?);
//! let ((a, a_sends), (b, b_sends)) = (a.correct(&b_sends)?, b.correct(&a_sends)?);
//! let ((mut a_sender, mut a_receiver), (mut b_sender, mut b_receiver)) = (a.finish(&b_sends)?, b.finish(&a_sends)?);
//!
//! // All that b chooses at this depth: two strings under each of three bits, digits of four bits, a product, and ANDs.
//! let to_b = Plan::new(vec![
//!     Request::Product { count: 3, bits: 1, widths: vec![36, 20] },
//!     Request::Random { count: 2, bits: 4, widths: vec![2] },
//!     Request::Product { count: 1, bits: 17, widths: vec![47] },
//!     and::request(4),
//! ])?;
//! // And all that a chooses.
//! let to_a = Plan::new(vec![and::request(4)])?;
//! let (a_x, a_y) = ([0, 1, 1, 0], [1, 1, 0, 0]);
//! let (b_x, b_y) = ([1, 1, 0, 0], [0, 1, 1, 1]);
//!
//! // First hop: choices in both directions, one message each.
//! let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
//! let b_waits = b_receiver.choose(&to_b, &[&[1, 0, 1], &[9, 4], &[99_999], &b_x], &mut from_b)?;
//! let a_waits = a_receiver.choose(&to_a, &[&a_x], &mut from_a)?;
//! assert_eq!(from_b.len(), to_b.price(field).choices);
//!
//! // Second hop: strings in both directions.
//! let (mut back_a, mut back_b) = (Vec::new(), Vec::new());
//! let factors: [&[&[u64]]; 4] = [&[&[5, 6, 7], &[1, 2, 3]], &[], &[&[1 << 40]], &[&a_y]];
//! let a_sent = a_sender.answer(&to_b, &from_b, &factors, &mut back_a)?;
//! let b_sent = b_sender.answer(&to_a, &from_a, &[&[&b_y]], &mut back_b)?;
//! assert_eq!(back_a.len(), to_b.price(field).strings);
//! let (b_got, a_got) = (b_waits.finish(&back_a)?, a_waits.finish(&back_b)?);
//!
//! // Shares of products add up modulo the string's ring; the pad of a digit is the sender's pad of that number.
//! let sum = |request, string, i: usize, bits: u32| {
//!     let [a, b] = [a_sent.words(request, string)[i], b_got.words(request, string)[i]];
//!     a.wrapping_add(b) & (u64::MAX >> (64 - bits))
//! };
//! assert_eq!([0, 1, 2].map(|i| sum(0, 0, i, 36)), [5, 0, 7]);
//! assert_eq!([0, 1, 2].map(|i| sum(0, 1, i, 20)), [1, 0, 3]);
//! assert_eq!(b_got.words(1, 0), [a_sent.words(1, 0)[9], a_sent.words(1, 0)[16 + 4]]);
//! assert_eq!(sum(2, 0, 0, 47), (99_999 << 40) % (1 << 47));
//!
//! // ANDs of shared bits.
//! let (mut a_z, mut b_z) = ([0; 4], [0; 4]);
//! and::combine(&a_x, &a_y, a_sent.words(3, 0), a_got.words(0, 0), &mut a_z);
//! and::combine(&b_x, &b_y, b_sent.words(0, 0), b_got.words(3, 0), &mut b_z);
//! assert_eq!([0, 1, 2, 3].map(|i| a_z[i] ^ b_z[i]), [0, 1, 2, 3].map(|i| (a_x[i] ^ b_x[i]) & (a_y[i] ^ b_y[i])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod and;
mod base;
mod batch;
mod code;
mod delta;
mod error;
mod field;
mod hash;
mod plan;
mod price;
mod receiver;
mod scratch;
mod sender;
mod session;
mod setup;
mod shares;
mod spans;
mod tree;
mod vole;
mod word;

pub use error::{PlanError, TransferError};
pub use field::Field;
pub use plan::{Function, Plan, Request};
pub use price::{Price, setup_price};
pub use receiver::{Receiver, Waiting};
pub use sender::Sender;
pub use session::{Entropy, SessionId, Side};
pub use setup::{Corrected, Greeted, Replied, begin};
pub use shares::Shares;
