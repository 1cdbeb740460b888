//! One line for each trained network and network between the roles.

use anyhow::Result;

use super::report::{OnNetwork, Point, Report};

/// The table with its head, as RFC 4180 has it but for plain line ends.
pub(super) fn table(report: &Report) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS.iter().map(|(name, _)| *name))?;
    for point in &report.points {
        for on in &point.networks {
            table.write_record(COLUMNS.iter().map(|(_, value)| value(point, on)))?;
        }
    }
    Ok(table.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

type Column = (&'static str, fn(&Point, &OnNetwork) -> String);

/// What is not known is empty. Accuracies are shares from 0 to 1.
const COLUMNS: [Column; 28] = [
    ("name", |p, _| p.name.clone()),
    ("variant", |p, _| p.variant.clone()),
    ("seed", |p, _| shown(p.origin.seed)),
    ("epochs", |p, _| shown(p.origin.epochs)),
    ("teacher", |p, _| p.origin.teacher.clone().unwrap_or_default()),
    ("float_inputs", |p, _| p.float.inputs.to_string()),
    ("float_correct", |p, _| p.float.correct.to_string()),
    ("float_accuracy", |p, _| p.float.accuracy().to_string()),
    ("network", |_, on| on.network.clone()),
    ("program", |_, on| on.program.clone()),
    ("private_inputs", |_, on| shown(on.private.map(|r| r.inputs))),
    ("private_correct", |_, on| shown(on.private.map(|r| r.correct))),
    ("private_accuracy", |_, on| shown(on.private.map(|r| r.counted().accuracy()))),
    ("float_correct_on_private_inputs", |p, on| shown(on.private.map(|_| p.float_on_private_inputs.correct))),
    ("agreeing_labels", |_, on| shown(on.private.map(|r| r.agreeing))),
    ("largest_output_error", |_, on| shown(on.private.map(|r| r.largest_error))),
    ("hops", |_, on| on.predicted.hops.to_string()),
    ("online_bytes_model_owner", |_, on| on.predicted.online_bytes.model_owner.to_string()),
    ("online_bytes_data_owner", |_, on| on.predicted.online_bytes.data_owner.to_string()),
    ("offline_bytes", |_, on| {
        (on.predicted.offline_bytes.model_owner + on.predicted.offline_bytes.data_owner).to_string()
    }),
    ("setup_bytes", |_, on| on.predicted.setup_bytes.to_string()),
    ("online_seconds_predicted", |_, on| on.predicted.online_seconds.to_string()),
    ("offline_seconds_predicted", |_, on| on.predicted.offline_seconds.to_string()),
    ("sessions", |_, on| shown(on.measured.as_ref().map(|m| m.sessions))),
    ("online_seconds", |_, on| shown(on.measured.as_ref().map(|m| m.online_seconds))),
    ("online_seconds_least", |_, on| shown(on.measured.as_ref().map(|m| m.online_extremes[0]))),
    ("online_seconds_most", |_, on| shown(on.measured.as_ref().map(|m| m.online_extremes[1]))),
    ("offline_seconds", |_, on| shown(on.measured.as_ref().map(|m| m.offline_seconds))),
];

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
