//! Both ends of a session in one process: results, bytes, views and refusals.

mod ends;
mod products;
mod refusals;
mod strings;
mod views;
