//! What is known of every variant, and what its seeds have in common.

use std::path::Path;

use mpcc_cli::report::{Bytes, Predicted, Seconds, table};
use serde::Serialize;

use super::super::models::Medians;
use super::super::setting::Setting;
use super::front::front;
use super::plans::Plan;
use super::points::Origin;

/// `mpcc.bench.pareto/1`
#[derive(Serialize)]
pub(super) struct Report {
    schema: &'static str,
    #[serde(flatten)]
    pub(super) about: About,
    /// How many labels the inputs have.
    pub(super) labels: usize,
    pub(super) points: Vec<Point>,
    pub(super) variants: Vec<Variant>,
}

/// How everything was measured.
#[derive(Serialize)]
pub(super) struct About {
    pub(super) model: String,
    /// Name of the model file.
    pub(super) file: String,
    pub(super) trust: String,
    /// Whose rates seconds are predicted with.
    pub(super) rates: String,
    /// For each latency.
    pub(super) sessions: usize,
    pub(super) setting: Setting,
}

/// A trained network.
#[derive(Serialize)]
pub(super) struct Point {
    pub(super) name: String,
    /// What its seeds have in common.
    pub(super) variant: String,
    pub(super) directory: String,
    pub(super) origin: Origin,
    pub(super) plans: Vec<Plan>,
    /// The float network on all inputs.
    pub(super) float: Counted,
    /// The float network on those that were run privately.
    pub(super) float_on_private_inputs: Counted,
    pub(super) networks: Vec<OnNetwork>,
}

/// Right labels.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Counted {
    pub(super) inputs: usize,
    pub(super) correct: usize,
}

/// A trained network's program for a network between the roles.
#[derive(Serialize)]
pub(super) struct OnNetwork {
    pub(super) network: String,
    /// Hash of the program.
    pub(super) program: String,
    pub(super) predicted: Predicted,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) measured: Option<Medians>,
    /// Labels and errors of this program's private runs, where it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private: Option<Private>,
}

/// Private inferences beside the float network.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Private {
    pub(super) inputs: usize,
    pub(super) correct: usize,
    /// Labels that are the float network's.
    pub(super) agreeing: usize,
    /// The largest difference of an output.
    pub(super) largest_error: f64,
    /// Mean of an inference, without an imitated network.
    pub(super) online_seconds: f64,
    pub(super) offline_seconds: f64,
}

/// The seeds of a variant together.
#[derive(Serialize)]
pub(super) struct Variant {
    pub(super) name: String,
    /// Names of its points.
    pub(super) points: Vec<String>,
    /// Of the float network on all inputs.
    pub(super) float_accuracy: Spread,
    pub(super) networks: Vec<VariantOnNetwork>,
}

/// The same on a network.
#[derive(Serialize)]
pub(super) struct VariantOnNetwork {
    pub(super) network: String,
    /// Of private runs; with the program for the first network where this one's was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_accuracy: Option<Spread>,
    /// Measured, or predicted where nothing was measured.
    pub(super) online_seconds: Spread,
    pub(super) offline_seconds: Spread,
    /// Whether no variant's means are at least as fast and as accurate privately, and better in one.
    pub(super) on_private_front: bool,
    /// The same with the float network's accuracy.
    pub(super) on_float_front: bool,
}

/// Mean, least and most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of at least one number.
    fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let numbers: Vec<f64> = numbers.into_iter().collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let [least, most] = [f64::min, f64::max].map(|pick| numbers.iter().copied().reduce(pick));
        // A mean of equal numbers may differ from them in the last digit.
        Some(Self { mean: mean.clamp(least?, most?), least: least?, most: most? })
    }
}

impl Counted {
    /// From 0 to 1.
    pub(super) fn accuracy(self) -> f64 {
        self.correct as f64 / self.inputs.max(1) as f64
    }
}

impl Private {
    /// As counts of labels.
    pub(super) fn counted(self) -> Counted {
        Counted { inputs: self.inputs, correct: self.correct }
    }
}

impl OnNetwork {
    /// Measured, or predicted where nothing was measured.
    pub(super) fn online_seconds(&self) -> f64 {
        self.measured.as_ref().map_or(self.predicted.online_seconds, |m| m.online_seconds)
    }

    fn offline_seconds(&self) -> f64 {
        self.measured.as_ref().map_or(self.predicted.offline_seconds, |m| m.offline_seconds)
    }
}

impl Point {
    /// The private runs that stand for this point on a network: of that network's program, or of the first that was run.
    pub(super) fn private(&self, network: &OnNetwork) -> Option<Private> {
        network.private.or_else(|| self.networks.iter().find_map(|other| other.private))
    }

    fn on(&self, network: &str) -> Option<&OnNetwork> {
        self.networks.iter().find(|on| on.network == network)
    }
}

impl Report {
    /// A report of nothing yet.
    pub(super) fn new(about: About, labels: usize) -> Self {
        Self { schema: "mpcc.bench.pareto/1", about, labels, points: Vec::new(), variants: Vec::new() }
    }

    /// Adds a trained network, and compares all anew.
    pub(super) fn add(&mut self, point: Point) {
        self.points.push(point);
        self.variants = variants(&self.points);
    }

    /// Names of the networks between the roles.
    pub(super) fn networks(&self) -> Vec<&str> {
        self.points.first().map(|p| p.networks.iter().map(|on| on.network.as_str()).collect()).unwrap_or_default()
    }

    /// For people.
    pub(super) fn text(&self, output: &Path) -> String {
        let mut out = String::new();
        let percent = |counted: Counted| format!("{:.2} %", 100.0 * counted.accuracy());
        for network in self.networks() {
            let rows: Vec<Vec<String>> = self
                .points
                .iter()
                .filter_map(|point| {
                    let on = point.on(network)?;
                    let private = point.private(on);
                    Some(vec![
                        point.name.clone(),
                        percent(point.float),
                        private.map_or(String::new(), |p| percent(p.counted())),
                        private.map_or(String::new(), |p| format!("{} of {}", p.agreeing, p.inputs)),
                        private.map_or(String::new(), |p| format!("{:.4}", p.largest_error)),
                        on.predicted.hops.to_string(),
                        Bytes(on.predicted.online_bytes.model_owner.max(on.predicted.online_bytes.data_owner))
                            .to_string(),
                        Seconds(on.predicted.online_seconds).to_string(),
                        on.measured.as_ref().map_or(String::new(), |m| Seconds(m.online_seconds).to_string()),
                    ])
                })
                .collect();
            let head = ["", "float", "private", "as float", "largest error", "hops", "sent", "online", "run"];
            out += &format!("on {network}\n{}\n", table(&head, &rows));
        }
        let inputs = self.points.first().map_or((0, 0), |p| (p.float.inputs, p.float_on_private_inputs.inputs));
        out += &format!("accuracy of the float network on {} inputs, privately on {}\n", inputs.0, inputs.1);
        out += &format!("seconds are predicted with {} rates; run: medians of local sessions\n", self.about.rates);
        out + &format!("wrote {}\n", output.join("pareto.html").display())
    }
}

/// Points with one variant's name together, in order of first appearance.
fn variants(points: &[Point]) -> Vec<Variant> {
    let mut names: Vec<&str> = Vec::new();
    for point in points {
        if !names.contains(&point.variant.as_str()) {
            names.push(&point.variant);
        }
    }
    let one = |name: &&str| {
        let members: Vec<&Point> = points.iter().filter(|p| p.variant == **name).collect();
        let networks = members.first()?.networks.iter().filter_map(|on| on_network(&members, &on.network)).collect();
        Some(Variant {
            name: (*name).to_owned(),
            points: members.iter().map(|p| p.name.clone()).collect(),
            float_accuracy: Spread::of(members.iter().map(|p| p.float.accuracy()))?,
            networks,
        })
    };
    let mut variants: Vec<Variant> = names.iter().filter_map(one).collect();
    mark_fronts(&mut variants);
    variants
}

fn on_network(members: &[&Point], network: &str) -> Option<VariantOnNetwork> {
    let on: Vec<(&Point, &OnNetwork)> = members.iter().filter_map(|p| Some((*p, p.on(network)?))).collect();
    let private = on.iter().filter_map(|(point, on)| Some(point.private(on)?.counted().accuracy()));
    Some(VariantOnNetwork {
        network: network.to_owned(),
        private_accuracy: Spread::of(private),
        online_seconds: Spread::of(on.iter().map(|(_, on)| on.online_seconds()))?,
        offline_seconds: Spread::of(on.iter().map(|(_, on)| on.offline_seconds()))?,
        on_private_front: false,
        on_float_front: false,
    })
}

fn mark_fronts(variants: &mut [Variant]) {
    let count = variants.first().map_or(0, |v| v.networks.len());
    for network in 0..count {
        let mut places = Vec::new();
        let mut private = Vec::new();
        for (index, variant) in variants.iter().enumerate() {
            let on = &variant.networks[network];
            places.push((on.online_seconds.mean, variant.float_accuracy.mean));
            private.extend(on.private_accuracy.map(|accuracy| (index, (on.online_seconds.mean, accuracy.mean))));
        }
        for best in front(&places) {
            variants[best].networks[network].on_float_front = true;
        }
        let places: Vec<(f64, f64)> = private.iter().map(|(_, place)| *place).collect();
        for best in front(&places) {
            variants[private[best].0].networks[network].on_private_front = true;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A point on `loopback` with 100 inputs.
    pub(in super::super) fn point(name: &str, variant: &str, correct: usize, seconds: f64) -> Point {
        let counted = Counted { inputs: 100, correct };
        let private = Private {
            inputs: 100,
            correct,
            agreeing: 100,
            largest_error: 0.01,
            online_seconds: 0.0,
            offline_seconds: 0.0,
        };
        let predicted = Predicted { online_seconds: seconds, ..Predicted::default() };
        let on = OnNetwork {
            network: "loopback".to_owned(),
            program: "p".to_owned(),
            predicted,
            measured: None,
            private: Some(private),
        };
        Point {
            name: name.to_owned(),
            variant: variant.to_owned(),
            directory: String::new(),
            origin: Origin::default(),
            plans: Vec::new(),
            float: counted,
            float_on_private_inputs: counted,
            networks: vec![on],
        }
    }

    /// A report of these points.
    pub(in super::super) fn report(points: Vec<Point>) -> Report {
        let about = About {
            model: "M".to_owned(),
            file: "m.mpv".to_owned(),
            trust: "semi-honest, dealer".to_owned(),
            rates: "built-in".to_owned(),
            sessions: 0,
            setting: Setting::read(),
        };
        let mut report = Report::new(about, 2);
        points.into_iter().for_each(|point| report.add(point));
        report
    }

    #[test]
    fn seeds_of_a_variant_are_summed_up() {
        let points = [
            point("half-s1", "half", 60, 1.0),
            point("all", "all", 64, 3.0),
            point("half-s2", "half", 70, 2.0),
            point("poor", "poor", 63, 2.0),
        ];
        let variants = variants(&points);
        let names: Vec<&str> = variants.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["half", "all", "poor"]);
        assert_eq!(variants[0].points, ["half-s1", "half-s2"]);
        let Spread { mean, least, most } = variants[0].float_accuracy;
        assert!((mean - 0.65).abs() < 1e-12 && (least, most) == (0.6, 0.7));
        assert_eq!(variants[0].networks[0].online_seconds, Spread { mean: 1.5, least: 1.0, most: 2.0 });
        let fronts: Vec<bool> = variants.iter().map(|v| v.networks[0].on_private_front).collect();
        assert_eq!(fronts, [true, false, false], "faster and more accurate");
    }
}
