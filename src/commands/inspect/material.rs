//! What is in a file of dealt material: it is compared with its index, and its record says what is left.

use std::path::Path;

use anyhow::Result;
use mpcc_cli::progress::Bar;
use mpcc_cli::report::Bytes;
use mpcc_cli::terminal::Terminal;
use mpcc_program::code::Role;
use mpcc_runtime::material::{Contents, MaterialFile};
use mpcc_runtime::{CounterStore, SessionError};
use serde::Serialize;

use crate::commands::run::local::STATE;

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    file_bytes: u64,
    role: &'static str,
    program: String,
    batch: String,
    /// Files of one weight grant share masked weights.
    weight_grant: String,
    inferences: u64,
    /// By the record at `state`, none where there is no such directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    state: String,
    setup_bytes: u64,
    inference_bytes: u64,
}

pub(super) fn run(path: &Path, state: Option<&Path>, terminal: &Terminal) -> Result<()> {
    let mut file = MaterialFile::open(path).map_err(SessionError::from)?;
    let contents = file.contents();
    let bar = Bar::new(terminal, contents.file_bytes >> 20, "checking");
    let mut read = 0;
    let whole = file.verify(0..contents.inferences, |bytes| {
        read += bytes;
        bar.set(read >> 20);
    });
    bar.finish();
    whole.map_err(SessionError::from)?;
    let role = if contents.role == Role::ModelOwner { "model-owner" } else { "data-owner" };
    let beside = || path.parent().unwrap_or(Path::new("")).join(STATE).join(role);
    let state = state.map_or_else(beside, Path::to_path_buf);
    let report = Report::new(path, role, &contents, &state)?;
    Ok(terminal.result(&report, || text(&report))?)
}

impl Report {
    fn new(path: &Path, role: &'static str, contents: &Contents, state: &Path) -> Result<Self> {
        let left = if state.is_dir() {
            let usage = CounterStore::look_up(state, contents.batch, contents.role).map_err(SessionError::from)?;
            Some(contents.inferences.saturating_sub(usage.next))
        } else {
            None
        };
        Ok(Report {
            schema: "mpcc.material/1",
            file: path.display().to_string(),
            file_bytes: contents.file_bytes,
            role,
            program: blake3::Hash::from_bytes(contents.program.program).to_hex().to_string(),
            batch: contents.batch.to_string(),
            weight_grant: contents.weight_grant.to_string(),
            inferences: contents.inferences,
            left,
            state: state.display().to_string(),
            setup_bytes: contents.setup_bytes,
            inference_bytes: contents.inference_bytes,
        })
    }
}

fn text(report: &Report) -> String {
    let weights = match report.weight_grant == report.batch {
        true => "not masked: products with them were made by both parties".to_owned(),
        false => format!("masked by grant {}", report.weight_grant),
    };
    let left = match report.left {
        Some(left) => format!("{left} by the record in {}", report.state),
        None => format!("nothing is recorded in {}; --state names another place", report.state),
    };
    format!(
        "material   {}, for the {}, intact\nprogram    {}\nbatch      {}\nweights    {weights}\ninferences {}\nleft       {left}\n\
         corrections {} for the setup, {} for each inference\n",
        Bytes(report.file_bytes),
        report.role.replace('-', " "),
        report.program,
        report.batch,
        report.inferences,
        Bytes(report.setup_bytes),
        Bytes(report.inference_bytes)
    )
}
