//! One variant measured: the float network in the clear, private sessions on the same inputs, and latency by network.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mpcc_channel::NetworkProfile;
use mpcc_cli::estimate::Priced;
use mpcc_cli::failure::Bug;
use mpcc_cli::model::{self, Model, ModelOptions, Target};
use mpcc_cli::outputs::{Revealed, largest_difference};
use mpcc_cli::ranges::{self, RangeOptions};
use mpcc_cli::report::{Predicted, Seconds};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::graph::Graph;
use mpcc_import::weights;
use mpcc_program::machine::Machine;
use mpcc_program::program::Output;

use super::super::models::medians;
use super::super::session::Session;
use super::float;
use super::images::{Images, label, right};
use super::plans::Plan;
use super::points::{Origin, Place};
use super::report::{Counted, OnNetwork, Point, Private};

/// What is to be measured of every variant.
pub(super) struct Wanted<'a> {
    pub(super) networks: &'a [NetworkProfile],
    pub(super) machine: &'a Machine,
    /// Sessions of one inference for each latency.
    pub(super) repeat: usize,
    /// Whether inputs are run with every network's program.
    pub(super) every_program: bool,
    /// For artefacts.
    pub(super) directory: &'a Path,
}

/// A variant whose files are fine, planned for every network.
pub(super) struct Ready {
    place: Place,
    weights: PathBuf,
    origin: Origin,
    plans: Vec<Plan>,
    /// With the artefact for the first network.
    model: Model,
    programs: Vec<Program>,
}

/// A program for a network.
struct Program {
    network: NetworkProfile,
    /// Its artefact.
    file: PathBuf,
    /// Its hash.
    hash: String,
    predicted: Predicted,
}

impl Ready {
    /// Reads and plans the variant that is the `index`th.
    pub(super) fn new(
        path: &Path,
        options: &ModelOptions,
        place: Place,
        index: usize,
        wanted: &Wanted<'_>,
        terminal: &Terminal,
    ) -> Result<Self> {
        let origin = place.origin()?;
        let options = match place.plan() {
            Some(plan) => options.with_plans_of(&plan)?,
            None => options.clone(),
        };
        let of_place = RangeOptions::of_file(Some(place.ranges()));
        let source = model::read_source(path, &options, terminal)?.relying_on(&of_place, Some(&place.weights()))?;
        let plans = Plan::read_all(&source.rewritten.graph.plans)?;
        let trained_with = |trained: Vec<Plan>| trained.iter().map(Plan::choices).eq(plans.iter().map(Plan::choices));
        // What a search trained is recorded with its open entries, which are no plan.
        if !origin.plans.is_empty() && !Plan::read_all(&origin.plans).is_ok_and(trained_with) {
            bail!(
                "{} was trained with other plans than are in force here; a plan.json beside it says which to take",
                place.weights().display()
            );
        }
        let found = ranges::find(&source, &of_place, None, terminal)?;
        let file = place.weights();
        weights::load(&file, &source.rewritten.graph)?;
        let mut first = None;
        let mut programs = Vec::with_capacity(wanted.networks.len());
        for network in wanted.networks {
            let target = Target { network: network.clone(), machine: wanted.machine.clone() };
            let artefact = source.assemble(&found, &target)?;
            let program = wanted.directory.join(format!("{index}-{}.mpca", programs.len()));
            fs::write(&program, artefact.to_bytes()).context("cannot write to the temporary directory")?;
            let predicted = Priced::new(&artefact.program, wanted.machine).predict(network, 1, 1);
            let hash = artefact.manifest.program.clone();
            programs.push(Program { network: network.clone(), file: program, hash, predicted });
            first.get_or_insert(artefact);
        }
        let artefact = first.ok_or_else(|| Bug("there is no network".to_owned()))?;
        Ok(Self { place, weights: file, origin, plans, model: Model { artefact, source: Some(source) }, programs })
    }

    pub(super) fn name(&self) -> &str {
        &self.place.name
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.model.artefact.graph
    }

    pub(super) fn outputs(&self) -> &[Output] {
        &self.model.artefact.program.outputs
    }

    /// The trust model that its sessions have.
    pub(super) fn trust(&self) -> &str {
        self.model.artefact.manifest.trust
    }

    /// Runs everything that is wanted of it.
    pub(super) fn measure(&self, images: &Images, wanted: &Wanted<'_>, terminal: &Terminal) -> Result<Point> {
        let say = |text: String| terminal.remark(&format!("{}: {text}", self.name()));
        let (first, others) = images.all.split_at(images.private);
        let same = float::outputs(&self.model, &self.weights, first, terminal)?;
        let float_same = Counted { inputs: same.len(), correct: right(&same, first) };
        let of_others = float::right(&self.model, &self.weights, others, terminal)?;
        let float_all = Counted { inputs: images.all.len(), correct: float_same.correct + of_others };
        say(format!("the float network gets {} of {} right", float_all.correct, float_all.inputs));
        let mut networks: Vec<OnNetwork> = Vec::with_capacity(self.programs.len());
        for program in &self.programs {
            let known = networks.iter().find(|other| other.program == program.hash).and_then(|other| other.private);
            let private = match known {
                Some(private) => Some(private),
                None if images.private > 0 && (wanted.every_program || networks.is_empty()) => {
                    let private = self.private(program, images, &same, terminal)?;
                    say(format!(
                        "privately {} of {} right, {} labels as the float network's",
                        private.correct, private.inputs, private.agreeing
                    ));
                    Some(private)
                }
                None => None,
            };
            networks.push(self.latency(program, images, private, wanted, terminal)?);
        }
        Ok(Point {
            name: self.place.name.clone(),
            variant: self.place.variant.clone(),
            directory: self.place.directory.display().to_string(),
            origin: self.origin.clone(),
            plans: self.plans.clone(),
            float: float_all,
            float_on_private_inputs: float_same,
            networks,
        })
    }

    /// All private inputs in one session, on links that are not shaped.
    fn private(
        &self,
        program: &Program,
        images: &Images,
        float: &[Vec<Revealed>],
        terminal: &Terminal,
    ) -> Result<Private> {
        let inputs = [images.directory.clone().into_os_string()];
        let session = self.session(program, &inputs, false);
        let (took, outputs) = session.outputs(terminal)?;
        if outputs.len() != images.private {
            return Err(Bug(format!("{} inferences were run instead of {}", outputs.len(), images.private)).into());
        }
        let pairs = || outputs.iter().zip(float);
        let error = |(one, other): (&Vec<Revealed>, &Vec<Revealed>)| {
            one.iter().zip(other).map(|(a, b)| largest_difference(&a.values, &b.values)).fold(0.0, f64::max)
        };
        Ok(Private {
            inputs: outputs.len(),
            correct: right(&outputs, &images.all),
            agreeing: pairs().filter(|(one, other)| label(one) == label(other)).count(),
            largest_error: pairs().map(error).fold(0.0, f64::max),
            online_seconds: took.online_seconds,
            offline_seconds: took.offline_seconds,
        })
    }

    fn latency(
        &self,
        program: &Program,
        images: &Images,
        private: Option<Private>,
        wanted: &Wanted<'_>,
        terminal: &Terminal,
    ) -> Result<OnNetwork> {
        let inputs = [images.one.clone().into_os_string()];
        let session = self.session(program, &inputs, true);
        let mut sessions = Vec::with_capacity(wanted.repeat);
        for _ in 0..wanted.repeat {
            let took = session.run()?;
            let online = Seconds(took.online_seconds);
            terminal.remark(&format!("{} on {}: {online} online", self.name(), program.network.name));
            sessions.push(took);
        }
        let measured = medians(&sessions)?;
        let hops = program.predicted.hops;
        if let Some(measured) = measured.as_ref().filter(|measured| measured.hops != u64::from(hops)) {
            return Err(Bug(format!("{} hops were measured where {hops} are planned", measured.hops)).into());
        }
        Ok(OnNetwork {
            network: program.network.name.clone(),
            program: program.hash.clone(),
            predicted: program.predicted.clone(),
            measured,
            private,
        })
    }

    fn session<'a>(&'a self, program: &'a Program, inputs: &'a [OsString], imitated: bool) -> Session<'a> {
        let network = &program.network.name;
        Session { program: &program.file, weights: &self.weights, inputs, batch: 1, network, imitated }
    }
}
