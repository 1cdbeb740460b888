//! The forms of a model between source and machine code, as text.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use mpcc_cli::failure::{Bug, Usage};
use mpcc_cli::model::Source;
use mpcc_cli::report::table_of_sentences;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::passes::{self, PASSES, Pass, PassReport};
use mpcc_compiler::text;
use mpcc_program::code::{Role, RoleCode};
use mpcc_program::gates;
use mpcc_program::text as program_text;

use crate::commands::run::roles::extensions;

/// One `--emit STAGE=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Emit {
    pub(super) stage: Stage,
    pub(super) path: PathBuf,
}

/// What can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Ast,
    /// After all passes, or after the one named.
    Graph(Option<String>),
    Passes,
    /// The share program.
    Plan,
    /// Code of one role, or of all.
    Program(Option<Role>),
    Clif,
    Asm,
}

impl Stage {
    /// Whether value ranges are needed to get there.
    pub(super) fn needs_plan(&self) -> bool {
        matches!(self, Stage::Plan | Stage::Program(_) | Stage::Clif | Stage::Asm)
    }
}

const ROLES: [(Role, &str); 3] =
    [(Role::ModelOwner, "model-owner"), (Role::DataOwner, "data-owner"), (Role::Dealer, "dealer")];

impl FromStr for Emit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (stage, path) = text.split_once('=').ok_or("expected STAGE=PATH")?;
        if path.is_empty() {
            return Err("expected STAGE=PATH".to_owned());
        }
        let stage = match stage {
            "ast" => Stage::Ast,
            "graph" => Stage::Graph(None),
            "passes" => Stage::Passes,
            "plan" => Stage::Plan,
            "program" => Stage::Program(None),
            "clif" => Stage::Clif,
            "asm" => Stage::Asm,
            other => {
                let role = other.strip_prefix("program-");
                let role = role.and_then(|name| ROLES.iter().find(|(_, n)| *n == name));
                match (other.strip_prefix("graph@"), role) {
                    (Some(pass), _) if PASSES.iter().any(|p| p.name == pass) => Stage::Graph(Some(pass.to_owned())),
                    (Some(pass), _) => {
                        let names: Vec<&str> = PASSES.iter().map(|p| p.name).collect();
                        return Err(format!("there is no pass `{pass}`; the passes are {}", names.join(", ")));
                    }
                    (None, Some((role, _))) => Stage::Program(Some(*role)),
                    (None, None) => {
                        return Err(format!(
                            "there is no stage `{other}`; the stages are ast, graph, graph@PASS, passes, plan, \
                             program, program-model-owner, program-data-owner, program-dealer, clif, asm"
                        ));
                    }
                }
            }
        };
        Ok(Self { stage, path: path.into() })
    }
}

/// The text of a stage.
pub(super) fn text(emit: &Emit, source: &Source, artefact: Option<&Artefact>) -> Result<String> {
    let program = || match artefact {
        Some(artefact) => Ok(&artefact.program),
        None => Err(Bug("a stage after planning was asked for without a plan".to_owned())),
    };
    let codes = |wanted: Option<Role>| -> Result<Vec<(&str, RoleCode)>> {
        let program = program()?;
        let roles = ROLES.iter().filter(|(role, _)| wanted.is_none_or(|w| w == *role));
        Ok(roles.map(|(role, name)| (*name, gates::lower(program, *role))).collect())
    };
    let per_role = |show: &dyn Fn(&RoleCode) -> Result<String>| -> Result<String> {
        let mut out = String::new();
        for (name, code) in codes(None)? {
            out += &format!("; {name}\n{}\n", show(&code)?);
        }
        Ok(out)
    };
    match &emit.stage {
        Stage::Ast => match mpcc_grammar::parse(&source.text) {
            Ok(module) => Ok(mpcc_grammar::print_ast(&module)),
            Err(_) => Err(Bug("a source that was lowered does not parse".to_owned()).into()),
        },
        Stage::Graph(None) => Ok(text::graph(&source.rewritten.graph)),
        Stage::Graph(Some(pass)) => {
            let (graph, _) = passes::run_until(&source.rewritten.lowered, pass).map_err(|e| Usage(e.to_string()))?;
            Ok(text::graph(&graph))
        }
        Stage::Passes => Ok(pass_table(source)),
        Stage::Plan => Ok(program_text::program(program()?)),
        Stage::Program(wanted) => {
            Ok(codes(*wanted)?.iter().map(|(_, code)| program_text::role_code(code)).collect::<Vec<_>>().join("\n"))
        }
        Stage::Clif => per_role(&|code| Ok(mpcc_codegen::clif(code)?)),
        Stage::Asm => per_role(&|code| Ok(mpcc_codegen::assembly(extensions(), code)?)),
    }
}

fn pass_table(source: &Source) -> String {
    let row = |(report, pass): (&PassReport, &Pass)| {
        let changed = if report.changed { "" } else { " (nothing to do)" };
        let [before, after] = [report.before, report.after].map(|values| values.to_string());
        vec![report.name.to_owned(), before, after, format!("{}{changed}", pass.summary)]
    };
    let rows: Vec<Vec<String>> = source.rewritten.passes.iter().zip(PASSES).map(row).collect();
    table_of_sentences(&["pass", "before", "after", "does"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read() {
        let stage = |text: &str| text.parse::<Emit>().map(|e| e.stage);
        assert_eq!(stage("graph=-"), Ok(Stage::Graph(None)));
        assert_eq!(stage("graph@fuse_linear=g.txt"), Ok(Stage::Graph(Some("fuse_linear".to_owned()))));
        assert_eq!(stage("program-dealer=a=b"), Ok(Stage::Program(Some(Role::Dealer))));
        assert!(stage("graph@nothing=-").is_err_and(|e| e.contains("fuse_linear")));
        assert!(stage("program-nobody=-").is_err_and(|e| e.contains("program-dealer")));
        assert!(stage("ast").is_err() && stage("ast=").is_err());
    }
}
