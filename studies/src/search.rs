//! `mpcc search`: plans from a network that is trained with all candidates at once.

mod arguments;
mod price;
mod show;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use mpcc_cli::examples;
use mpcc_cli::failure::Usage;
use mpcc_cli::files;
use mpcc_cli::model::{self, Source};
use mpcc_cli::progress::Bar;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::graph::Graph;
use mpcc_program::shown::shown;
use mpcc_training::goal::{Goal, Penalty};
use mpcc_training::initialise::initialise;
use mpcc_training::search::{
    Budget, BudgetError, Decided, Found, PenaltyError, SCHEMA, SearchReport, TooLittle, Way, Weighing, decide, fit,
    kept, rankings, unweighted, weighted,
};

use crate::training::{self, Outcome};

pub(crate) use arguments::SearchArguments;
use price::Prices;

pub(crate) fn run(arguments: &SearchArguments, terminal: &Terminal) -> Result<()> {
    let source = read(arguments, terminal)?;
    let graph = &source.rewritten.lowered;
    let mut prices = Prices::new(arguments, &source.text)?;
    let wanted = arguments.wanted(graph)?;
    let (found, penalty) = match &arguments.found {
        Some(path) => earlier(path, graph)?,
        None => {
            let start = Found::read(graph, &initialise(graph, 0))?;
            affordable(&wanted, &start, arguments, &mut prices)?;
            search(arguments, &source, &start, &mut prices, terminal)?
        }
    };
    let folder = arguments.output();
    let mut decided = Vec::new();
    let bar = Bar::new(terminal, wanted.len() as u64, "pricing plans");
    for way in &wanted {
        decided.push(made(*way, &found, arguments, &mut prices)?);
        bar.advance();
    }
    bar.finish();
    let report = SearchReport {
        schema: SCHEMA.to_owned(),
        model: graph.name.clone(),
        network: prices.network().to_owned(),
        alpha: prices.alpha(),
        penalty,
        ranking: rankings(&found),
        found,
        decided,
    };
    write(&report, folder)?;
    Ok(terminal.result(&report, || show::text(&report, folder, &source.name))?)
}

/// Reads a model with its open entries mixed.
fn read(arguments: &SearchArguments, terminal: &Terminal) -> Result<Source> {
    let source = model::read_supernet(&arguments.model, &arguments.options, terminal)?;
    if source.rewritten.lowered.searched.is_empty() {
        bail!(
            "{} leaves nothing to a search: write entries such as `search[relu_softmax, scaling]` in a plan that the model \
             applies, the costliest function first, or choose such a plan with --plan",
            source.name
        );
    }
    Ok(source)
}

/// Refuses a budget that no plan can meet, before anything is trained.
fn affordable(wanted: &[Way], start: &[Found], arguments: &SearchArguments, prices: &mut Prices<'_>) -> Result<()> {
    let cheapest = decide(start, Way::Share { mu: 0.0 }, &arguments.shares());
    for (way, cheapest) in wanted.iter().zip(std::iter::repeat(cheapest.as_ref())) {
        if let (Way::Budget { limit: seconds }, Some(decided)) = (*way, cheapest) {
            let cheapest = prices.counted(&decided.plans)?;
            if cheapest > seconds {
                return Err(TooLittle { seconds, cheapest }.into());
            }
        }
    }
    Ok(())
}

/// Trains the mixture and reads its coefficients.
fn search(
    arguments: &SearchArguments,
    source: &Source,
    start: &[Found],
    prices: &mut Prices<'_>,
    terminal: &Terminal,
) -> Result<(Vec<Found>, Weighing)> {
    let Some(options) = arguments.training.options.as_ref() else {
        return Err(Usage("a search needs --data; --found FILE makes plans of an earlier one".to_owned()).into());
    };
    let graph = &source.rewritten.lowered;
    let weights = if arguments.unweighted {
        unweighted(graph)
    } else {
        terminal.remark(&format!("pricing the candidates of {} for {}", names(graph), prices.network()));
        weighted(graph, start, &mut |plans| prices.counted(plans)).map_err(|error| match error {
            PenaltyError::Price(error) => error,
            PenaltyError::NothingCosts(error) => error.into(),
        })?
    };
    let penalty = Penalty { lambda: arguments.lambda, weights };
    let rest = format!("search; penalty {penalty:?}");
    let is_coefficient = |name: &str| graph.searched.iter().any(|s| graph.params[s.param.0 as usize].name == name);
    let tokenizer = examples::tokenizer(source)?;
    let prepared = training::prepare(graph, options, tokenizer.as_deref(), is_coefficient, &rest, terminal)?;
    let goal = Goal { penalty: Some(penalty.clone()), ..Goal::labels() };
    let trained = prepared.run(&goal, &options.output, terminal)?;
    Outcome::of("search", None, options, &prepared, &trained)?.write(&options.output.join("training.json"))?;
    let found = Found::read(graph, &trained.parameters.arrays())?;
    let Penalty { lambda, weights } = penalty;
    Ok((found, Weighing { lambda, predicted: !arguments.unweighted, weights: weights.into_iter().collect() }))
}

fn names(graph: &Graph) -> String {
    let plans: Vec<&str> = graph.open.iter().map(|open| open.plan.as_str()).collect();
    plans.join(" and ")
}

/// The coefficients of an earlier search, if it was one of this model.
fn earlier(path: &Path, graph: &Graph) -> Result<(Vec<Found>, Weighing)> {
    let name = shown(path);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let malformed = || format!("{name} is no report of `mpcc search` (its search.json)");
    let report: SearchReport = serde_json::from_str(&text).with_context(malformed)?;
    if report.schema != SCHEMA {
        bail!("{name} has the schema {:?}; this mpcc reads {SCHEMA}", report.schema);
    }
    let same =
        |found: &Found| graph.open.iter().any(|open| open.plan == found.plan && open.entries == found.candidates);
    if report.found.len() != graph.open.len() || !report.found.iter().all(same) {
        bail!("{name} is of a search of other plans than those that the model leaves open: search again");
    }
    Ok((report.found, report.penalty))
}

/// The plans of one way, with their price.
fn made(way: Way, found: &[Found], arguments: &SearchArguments, prices: &mut Prices<'_>) -> Result<Decided> {
    let shares = arguments.shares();
    let decided = match way {
        Way::Budget { limit } => {
            let entries =
                |plan: &str| found.iter().find(|found| found.plan == plan).map_or(0, |found| found.open().len());
            let given = shares.iter().map(|(plan, mu)| (plan.clone(), kept(*mu, entries(plan)))).collect();
            let budget = Budget { seconds: limit, given };
            let fitted = fit(found, &budget, &mut |plans| prices.counted(plans)).map_err(|error| match error {
                BudgetError::Price(error) => error,
                BudgetError::TooLittle(error) => error.into(),
            })?;
            Some(Decided::of_budget(limit, fitted))
        }
        way => decide(found, way, &shares),
    };
    let mut decided = decided.context("a way of making plans has neither share nor budget")?;
    decided.seconds = Some(prices.seconds(&decided.plans)?);
    Ok(decided)
}

/// Writes the plans, then the report that names them.
fn write(report: &SearchReport, folder: &Path) -> Result<()> {
    let plans = folder.join("plans");
    fs::create_dir_all(&plans).with_context(|| format!("cannot make the directory {}", plans.display()))?;
    for decided in &report.decided {
        files::write(&plans.join(&decided.file), json(&decided.plans)?.as_bytes())?;
    }
    files::write(&folder.join("search.json"), json(report)?.as_bytes())
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
