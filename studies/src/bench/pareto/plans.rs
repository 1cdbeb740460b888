//! Which function each head, layer or row of a variant has, read from the form in which graphs record it.

use mpcc_cli::failure::Bug;
use mpcc_grammar::ast::{Expr, ExprKind, ItemKind, ListElem, PlanKind};
use serde::Serialize;

/// A plan in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// By layer; one function in each if the plan is by layer.
    pub(super) layers: Vec<Vec<String>>,
}

/// What a layer's entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Heads,
    Layers,
    Rows,
}

impl Kind {
    /// One entry, in words.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Kind::Heads => "head",
            Kind::Layers => "layer",
            Kind::Rows => "row",
        }
    }
}

impl Plan {
    /// Reads every plan of a graph's record.
    pub(super) fn read_all(recorded: &[(String, String)]) -> Result<Vec<Self>, Bug> {
        recorded.iter().map(|(name, written)| Self::read(name, written)).collect()
    }

    /// What it says, whatever it is called.
    pub(super) fn choices(&self) -> (Kind, &[Vec<String>]) {
        (self.kind, &self.layers)
    }

    /// Reads `per_head<2, 3> = [[f; 3], [0: g, 1..3: f]]`.
    pub(super) fn read(name: &str, written: &str) -> Result<Self, Bug> {
        let unread = || Bug(format!("the plan {name} is recorded as `{written}`, which is no plan"));
        let module = mpcc_grammar::parse(&format!("mpv 1;\nplan P: {written};\n")).map_err(|_| unread())?;
        let def = module.items.into_iter().find_map(|item| match item.kind {
            ItemKind::Plan(def) => Some(def),
            _ => None,
        });
        let def = def.ok_or_else(unread)?;
        let layers = expand(&def.entries).ok_or_else(unread)?;
        let layers: Option<Vec<Vec<String>>> = match def.kind.node {
            PlanKind::PerLayer => layers.into_iter().map(|entry| Some(vec![function(entry)?])).collect(),
            PlanKind::PerHead | PlanKind::PerRow => {
                layers.into_iter().map(|row| expand(row)?.into_iter().map(function).collect()).collect()
            }
        };
        let kind = match def.kind.node {
            PlanKind::PerHead => Kind::Heads,
            PlanKind::PerLayer => Kind::Layers,
            PlanKind::PerRow => Kind::Rows,
        };
        Ok(Self { name: name.to_owned(), kind, layers: layers.ok_or_else(unread)? })
    }

    /// How many entries have each function, by name.
    pub(super) fn counts(&self) -> Vec<(&str, usize)> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for function in self.layers.iter().flatten() {
            match counts.iter_mut().find(|(name, _)| name == function) {
                Some((_, count)) => *count += 1,
                None => counts.push((function, 1)),
            }
        }
        counts.sort_unstable();
        counts
    }
}

fn function(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.clone()),
        _ => None,
    }
}

/// The entries of a list, one by one.
fn expand(list: &Expr) -> Option<Vec<&Expr>> {
    let whole = |expr: &Expr| match expr.kind {
        ExprKind::Int(n) => usize::try_from(n).ok(),
        _ => None,
    };
    match &list.kind {
        ExprKind::Repeat { value, count } => Some(vec![value.as_ref(); whole(count)?]),
        ExprKind::List(elems) => {
            let mut entries = Vec::new();
            for elem in elems {
                match elem {
                    ListElem::Plain(value) | ListElem::At(_, value) => entries.push(value),
                    ListElem::Range(from, to, value) => {
                        entries.extend(vec![value; whole(to)?.checked_sub(whole(from)?)?]);
                    }
                }
            }
            Some(entries)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_as_graphs_record_them() {
        let read = |written: &str| Plan::read("P", written).expect("a plan").layers;
        assert_eq!(read("per_head<2, 3> = [[f; 3], [0: g, 1..3: f]]"), [["f", "f", "f"], ["g", "f", "f"]]);
        assert_eq!(read("per_row<2, 2> = [[f, g]; 2]"), [["f", "g"], ["f", "g"]]);
        assert_eq!(read("per_layer<3> = [0..2: f, 2: g]"), [["f"], ["f"], ["g"]]);
        assert!(Plan::read("P", "per_head<1, 1> = [[1]]").is_err());
    }

    #[test]
    fn functions_are_counted_by_name() {
        let plan = Plan::read("P", "per_head<2, 2> = [[g, f], [g, g]]").expect("a plan");
        assert_eq!(plan.counts(), [("f", 1), ("g", 3)]);
    }
}
