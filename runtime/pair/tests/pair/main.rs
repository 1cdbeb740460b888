//! Rounds between two ends of a session.

mod encrypted;
mod harness;
mod rounds;
mod schemes;
mod views;
