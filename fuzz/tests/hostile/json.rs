//! Mutations of JSON, and of anything that has a form in it.

use mpcc_fuzz::Choices;
use serde_json::{Value, json};

/// Changes one place of a value.
pub(crate) fn spoil(choices: &mut Choices<'_>, value: &mut Value) {
    match value {
        Value::Array(list) if !list.is_empty() => {
            let at = choices.below(list.len());
            match choices.below(20) {
                0 => _ = list.remove(at),
                1 => list.insert(at, list[at].clone()),
                _ => spoil(choices, &mut list[at]),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = choices.of(&names);
            if choices.once_in(40) {
                fields.remove(name);
            } else if let Some(field) = fields.get_mut(name) {
                spoil(choices, field);
            }
        }
        Value::Number(number) if number.is_f64() => {
            *value = json!(*choices.of(&[0.0, -1.0, 1e308, -1e308, 1e-308, 0.5, 4096.0]));
        }
        Value::Number(number) => {
            let was = number.as_i64().unwrap_or(0);
            *value = match choices.below(5) {
                0 => json!(was.saturating_add(1)),
                1 => json!(was.saturating_sub(1)),
                2 => json!(choices.odd_number()),
                3 => json!(-was),
                _ => json!(choices.below(64)),
            };
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::String(text) => match choices.below(4) {
            0 => text.clear(),
            1 => text.push('é'),
            2 => *text = text.repeat(2),
            _ => {
                *text =
                    (*choices.of(&["A", "$A", "[UNK]", "\\p{L}+", "(a*)*b", "Sequence", "Replace", "ByteLevel"])).into()
            }
        },
        Value::Null => *value = json!(choices.below(9)),
        Value::Array(list) => list.push(json!(choices.below(9))),
        Value::Object(_) => *value = Value::Null,
    }
}
