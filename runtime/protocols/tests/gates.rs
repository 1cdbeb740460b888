//! Every gate at share level against its plain meaning: exhaustive in small rings, random at production widths.

mod harness;

#[path = "gates/buckets.rs"]
mod buckets;
#[path = "gates/coarse.rs"]
mod coarse;
#[path = "gates/comparison.rs"]
mod comparison;
#[path = "gates/extension.rs"]
mod extension;
#[path = "gates/offers.rs"]
mod offers;
#[path = "gates/opening.rs"]
mod opening;
#[path = "gates/paired.rs"]
mod paired;
#[path = "gates/products.rs"]
mod products;
#[path = "gates/rows.rs"]
mod rows;
#[path = "gates/series.rs"]
mod series;
#[path = "gates/sharing.rs"]
mod sharing;
#[path = "gates/turns.rs"]
mod turns;
