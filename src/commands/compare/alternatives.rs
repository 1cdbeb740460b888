//! What differs between the variants: every combination of the values that are given for names of the model.

use std::str::FromStr;

use anyhow::Result;
use mpcc_cli::failure::Usage;
use mpcc_cli::model::ReplaceOptions;
use mpcc_grammar::ast::{Item, ItemKind, Module, Param, TypeKind};

/// The most combinations.
const MOST: usize = 64;

/// A name of the model with its values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alternatives {
    name: String,
    values: Vec<String>,
}

impl FromStr for Alternatives {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let said = || format!("it is NAME=VALUE,VALUE,…, not `{text}`");
        let (name, values) = text.split_once('=').ok_or_else(said)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if name.trim().is_empty() || values.iter().any(String::is_empty) {
            return Err(said());
        }
        if let Some(twice) = (1..values.len()).find(|at| values[..*at].contains(&values[*at])) {
            return Err(format!("`{}` is named twice", values[twice]));
        }
        Ok(Self { name: name.trim().to_owned(), values })
    }
}

/// A combination.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// `probs=softmax act=gelu`
    pub(super) name: String,
    /// All that is replaced.
    pub(super) options: ReplaceOptions,
}

/// All combinations, the last name changing fastest.
pub(super) fn variants(each: &[Alternatives], options: &ReplaceOptions, text: &str) -> Result<Vec<Variant>> {
    let count = each.iter().try_fold(1usize, |count, one| count.checked_mul(one.values.len()));
    if count.is_none_or(|count| count > MOST) {
        return Err(Usage(format!("these are more than {MOST} variants; compare fewer at a time")).into());
    }
    // What cannot be parsed is said when it is compiled.
    let plans = mpcc_grammar::parse(text).map(|module| plans(&module)).unwrap_or_default();
    let mut variants = vec![Variant { name: String::new(), options: options.clone() }];
    for Alternatives { name, values } in each {
        let is_plan = plans.contains(name);
        let with = |variant: &Variant| {
            let variant = variant.clone();
            values.iter().map(move |value| {
                let pair = format!("{name}={value}");
                let separator = if variant.name.is_empty() { "" } else { " " };
                let options = match is_plan {
                    true => variant.options.clone().with_plan(pair.clone()),
                    false => variant.options.clone().with_set(pair.clone()),
                };
                Variant { name: format!("{}{separator}{pair}", variant.name), options }
            })
        };
        variants = variants.iter().flat_map(with).collect();
    }
    Ok(variants)
}

/// Names of plans, and of parameters that take one.
fn plans(module: &Module) -> Vec<String> {
    let of = |item: &Item| match &item.kind {
        ItemKind::Plan(plan) => vec![plan.name.node.clone()],
        ItemKind::Model(model) => {
            let takes_plan = |param: &&Param| matches!(param.ty.kind, TypeKind::Plan);
            model.params.iter().filter(takes_plan).map(|param| param.name.node.clone()).collect()
        }
        _ => Vec::new(),
    };
    module.items.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(text: &str) -> Alternatives {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_combination_is_a_variant() {
        let given = [each("a=x,y"), each("b=1, 2,3")];
        let names = |each: &[Alternatives]| -> Vec<String> {
            let found = variants(each, &ReplaceOptions::default(), "").expect("few");
            found.into_iter().map(|variant| variant.name).collect()
        };
        assert_eq!(names(&given), ["a=x b=1", "a=x b=2", "a=x b=3", "a=y b=1", "a=y b=2", "a=y b=3"]);
        assert_eq!(names(&given[..1]), ["a=x", "a=y"]);
        let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        let many = each(&format!("n={}", many.join(",")));
        assert!(variants(&[many], &ReplaceOptions::default(), "").is_err());
    }

    #[test]
    fn what_is_no_list_of_values_is_refused() {
        for text in ["a", "=x", "a=", "a=x,", "a=x,,y", "a=x,x"] {
            assert!(text.parse::<Alternatives>().is_err(), "{text}");
        }
    }
}
