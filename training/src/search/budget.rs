//! The most costly entries that a number of seconds allows.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Entry, Found, Kept, Plans, ranking};

/// What a plan may cost, and what of it is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Predicted seconds at most.
    pub seconds: f64,
    /// Plans that keep so many entries whatever is left; the others grow together.
    pub given: Kept,
}

/// Plans within a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The plans.
    pub plans: Plans,
    /// How many entries keep their first candidate, by plan.
    pub kept: Kept,
    /// Predicted seconds of the plans.
    pub seconds: f64,
    /// Predicted seconds with one entry more, which is too much; none if all entries fit.
    pub next: Option<f64>,
}

/// Why no plan fits.
#[derive(Clone, Debug, PartialEq)]
pub enum BudgetError<E> {
    /// A plan has no price.
    Price(E),
    /// Even the cheapest plan costs more.
    TooLittle(TooLittle),
}

/// A budget that even the cheapest plan exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "{seconds:.3} s are not enough: with the last candidate everywhere an inference takes {cheapest:.3} s by prediction, what precedes \
     its input counted as much as --alpha says"
)]
pub struct TooLittle {
    /// The budget.
    pub seconds: f64,
    /// What the cheapest plan takes.
    pub cheapest: f64,
}

/// The plans with the most entries that keep their first candidate within a budget of predicted seconds.
///
/// Entries are added in the order of their ranks; of several plans, all grow in proportion to their numbers of entries. The
/// number is found by bisection: seconds are taken to grow with it, and the result is one that fits and whose next does not.
///
/// # Errors
/// The first error of `price`, or if nothing fits.
pub fn fit<E>(
    found: &[Found],
    budget: &Budget,
    price: &mut dyn FnMut(&Plans) -> Result<f64, E>,
) -> Result<Fitted, BudgetError<E>> {
    let rankings: Vec<Vec<Entry>> = found.iter().map(ranking).collect();
    let order = order(found, &rankings, &budget.given);
    let mut at = |count: usize| {
        let mut kept: Kept = found.iter().map(|found| (found.plan.clone(), 0)).collect();
        for (found, ranking) in found.iter().zip(&rankings) {
            if let Some(count) = budget.given.get(&found.plan) {
                kept.insert(found.plan.clone(), (*count).min(ranking.len()));
            }
        }
        for plan in &order[..count] {
            *kept.entry(found[*plan].plan.clone()).or_default() += 1;
        }
        let plans: Plans = found
            .iter()
            .zip(&rankings)
            .map(|(found, ranking)| {
                let count = kept.get(&found.plan).copied().unwrap_or(0);
                (found.plan.clone(), found.decided(&ranking[..count]))
            })
            .collect();
        let seconds = price(&plans).map_err(BudgetError::Price)?;
        Ok((seconds, kept, plans))
    };
    let mut fits = (0, at(0)?);
    if fits.1.0 > budget.seconds {
        let (seconds, cheapest) = (budget.seconds, fits.1.0);
        return Err(BudgetError::TooLittle(TooLittle { seconds, cheapest }));
    }
    let mut exceeds = (order.len() + 1, None);
    while exceeds.0 - fits.0 > 1 {
        // The whole first: a budget for everything needs no more.
        let count = if exceeds.1.is_none() { order.len() } else { fits.0.midpoint(exceeds.0) };
        let priced = at(count)?;
        if priced.0 > budget.seconds {
            exceeds = (count, Some(priced.0));
        } else {
            fits = (count, priced);
        }
    }
    let (seconds, kept, plans) = fits.1;
    Ok(Fitted { plans, kept, seconds, next: exceeds.1 })
}

/// The plan that each further entry is of: by the share of its plan that is kept with it.
fn order(found: &[Found], rankings: &[Vec<Entry>], given: &BTreeMap<String, usize>) -> Vec<usize> {
    let mut steps: Vec<(f64, usize)> = Vec::new();
    for (plan, ranking) in rankings.iter().enumerate() {
        if !given.contains_key(&found[plan].plan) {
            steps.extend((1..=ranking.len()).map(|rank| (rank as f64 / ranking.len() as f64, plan)));
        }
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    steps.into_iter().map(|(_, plan)| plan).collect()
}
