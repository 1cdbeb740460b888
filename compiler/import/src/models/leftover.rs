//! Tensors of a published network that its model file leaves out.
//!
//! What stands beside the layers, as a head of the training before, is listed under `ignore` and named in a note. What stands
//! inside a layer, or is a further layer, would change what the network computes: such a network is refused.

use std::collections::BTreeSet;

use mpcc_compiler::shown::shown;

use crate::weights::{BindingReport, matches, pattern};

/// Parts of names that belong to tensors without which the others mean something else.
const NEEDED: [(&str, &str); 7] = [
    ("lora_", "an adapter: merge it into the weights first, with `merge_and_unload` of peft"),
    ("adapter", "an adapter: merge it into the weights, or save the network without it"),
    ("qweight", "quantised weights: save the network unquantised"),
    ("qzeros", "quantised weights: save the network unquantised"),
    (".SCB", "quantised weights: save the network unquantised"),
    ("weight_scale", "quantised weights: save the network unquantised"),
    ("weight_g", "weights stored as direction and length: call `remove_weight_norm` and save them again"),
];

/// What a family says of names that its networks hold and no inference uses: a pattern and why.
pub(super) type Unused = (String, &'static str);

/// What is left out: patterns for `ignore`, and how a note counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Patterns, with why each is not used.
    pub patterns: Vec<(String, String)>,
    /// How many tensors are left out that the family does not speak of.
    pub others: usize,
}

impl Leftover {
    /// What of `report` may be left out.
    ///
    /// `layers` is what the names of layers begin with; `unused` is what the family knows of.
    ///
    /// # Errors
    /// The tensor that cannot be left out, and why.
    pub(super) fn of(report: &BindingReport, layers: &str, unused: &[Unused]) -> Result<Self, String> {
        let mut found = Self::default();
        let bound: BTreeSet<&str> = report.bound.iter().map(String::as_str).collect();
        for tensor in report.unexpected.iter().map(|u| u.name.as_str()) {
            if let Some((known, why)) = unused.iter().find(|(known, _)| matches(known, tensor)) {
                found.add(known.clone(), (*why).to_owned());
                continue;
            }
            if let Some((_, what)) = NEEDED.iter().find(|(part, _)| tensor.contains(part)) {
                return Err(format!("`{}` belongs to {what}", shown(tensor)));
            }
            if !layers.is_empty() && tensor.starts_with(layers) {
                return Err(format!(
                    "`{}` stands inside the layers and has no place in this family: the network is a variant that cannot be \
                     imported, or its configuration counts fewer layers",
                    shown(tensor)
                ));
            }
            found.others += 1;
            found.add(general(tensor, &bound), "not used by this model".to_owned());
        }
        Ok(found)
    }

    fn add(&mut self, pattern: String, why: String) {
        if !self.patterns.iter().any(|(known, _)| *known == pattern) {
            self.patterns.push((pattern, why));
        }
    }

    /// A note about what the family does not speak of; nothing if there is none.
    pub fn note(&self) -> Option<String> {
        let names: Vec<String> = self
            .patterns
            .iter()
            .filter(|(_, why)| why.starts_with("not used"))
            .map(|(p, _)| format!("`{}`", shown(p)))
            .collect();
        (self.others > 0).then(|| {
            let tensors = if self.others == 1 { "1 tensor is" } else { &format!("{} tensors are", self.others) };
            format!("{tensors} not used by the model and listed under `ignore`: {}", names.join(", "))
        })
    }

    /// The field `ignore` of `weights`, empty if nothing is left out.
    pub(super) fn field(&self) -> String {
        if self.patterns.is_empty() {
            return String::new();
        }
        let lines: Vec<String> =
            self.patterns.iter().map(|(pattern, why)| format!("\"{pattern}\",  // {why}")).collect();
        format!("ignore: [\n{}\n],\n", lines.join("\n"))
    }
}

/// The shortest part of a name, up to a dot, that no bound tensor has; everything under it is left out.
fn general(name: &str, bound: &BTreeSet<&str>) -> String {
    let unbound = |start: &str| bound.range(start..).next().is_none_or(|next| !next.starts_with(start));
    let prefix = name.match_indices('.').map(|(at, _)| &name[..=at]).find(|start| unbound(start));
    let exact = prefix.map_or_else(|| name.to_owned(), |start| format!("{start}*"));
    // One of a row of numbered parts speaks for all.
    let all = pattern(&exact).replace("{i}", "*");
    if bound.iter().any(|name| matches(&all, name)) { exact } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Unexpected;

    fn report(bound: &[&str], unexpected: &[&str]) -> BindingReport {
        BindingReport {
            bound: bound.iter().map(|name| (*name).to_owned()).collect(),
            unexpected: unexpected.iter().map(|name| Unexpected { name: (*name).to_owned(), found: vec![1] }).collect(),
            ..BindingReport::default()
        }
    }

    const BOUND: [&str; 3] = ["classifier.weight", "vit.encoder.layer.0.q.weight", "vit.layernorm.weight"];

    #[test]
    fn what_stands_beside_the_layers_is_left_out_by_its_shortest_name() {
        let unexpected = ["vit.pooler.dense.bias", "vit.pooler.dense.weight", "heads.0.w", "heads.1.w", "step"];
        let found = Leftover::of(&report(&BOUND, &unexpected), "vit.encoder.layer.", &[]).unwrap();
        let patterns: Vec<&str> = found.patterns.iter().map(|(pattern, _)| pattern.as_str()).collect();
        assert_eq!(patterns, ["vit.pooler.*", "heads.*", "step"]);
        assert!(found.note().unwrap().starts_with("5 tensors are not used"), "{found:?}");
    }

    #[test]
    fn what_changes_the_network_is_refused() {
        for (name, said) in [
            ("vit.encoder.layer.12.q.weight", "inside the layers"),
            ("vit.encoder.layer.0.q.bias", "inside the layers"),
            ("base.lora_A.weight", "adapter"),
            ("classifier.weight_scale", "quantised"),
        ] {
            let refused = Leftover::of(&report(&BOUND, &[name]), "vit.encoder.layer.", &[]).unwrap_err();
            assert!(refused.contains(said) && refused.contains(name), "{refused}");
        }
        let unused = [("*.q.bias".to_owned(), "zeros")];
        let found =
            Leftover::of(&report(&BOUND, &["vit.encoder.layer.0.q.bias"]), "vit.encoder.layer.", &unused).unwrap();
        assert_eq!((found.others, found.note()), (0, None));
    }
}
