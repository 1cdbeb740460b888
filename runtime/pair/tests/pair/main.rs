//! Rounds between two ends of a session.

mod encrypted;
mod harness;
mod joined;
mod rounds;
mod schemes;
mod views;
