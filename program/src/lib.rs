//! The narrow waist between compiler and runtime: what a share program is, and what each protocol costs.
//!
//! A [`program::Program`] is a list of gates on shares and masked wires with their rings; lowering a role
//! turns it into [`code::RoleCode`]. Neither holds a weight or an input, so both are public.

pub mod code;
pub mod correlation;
pub mod cost;
pub mod defer;
pub mod exponential;
pub mod forms;
pub mod fuse;
pub mod gates;
pub mod interpret;
pub mod machine;
pub mod making;
pub mod memory;
pub mod program;
pub mod reveals;
pub mod schedule;
pub mod series;
pub mod shown;
pub mod text;
pub mod timing;
pub mod turn;
pub mod urgent;
pub mod verify;
pub mod words;
pub mod work;

#[cfg(test)]
mod sample;
