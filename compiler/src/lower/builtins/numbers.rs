//! Built-in functions of numbers, evaluated when compiling.

use super::super::Lowerer;
use super::super::builtin::{Builtin, SERIES_CUT};
use super::super::report::error;
use super::super::value::Value;
use super::{Bound, given};

impl<'a> Lowerer<'a> {
    /// A function whose arguments are numbers; `None` if they are not, or if it has no meaning for them.
    pub(super) fn of_numbers(&mut self, builtin: Builtin, bound: &Bound<'a>) -> Option<Value<'a>> {
        let (first, span) = given(bound, 0);
        let x = first.as_number()?;
        if matches!(builtin, Builtin::Max | Builtin::Min) {
            return self.extreme_number(builtin, bound);
        }
        let cut = given(bound, 1).0.as_number().unwrap_or(SERIES_CUT);
        if let Some(function) = builtin.smooth(cut) {
            return Some(Value::Real(function.apply(x)));
        }
        let least = if builtin == Builtin::Sqrt { 0.0 } else { f64::MIN_POSITIVE };
        if matches!(builtin, Builtin::Log2 | Builtin::Rsqrt | Builtin::Sqrt) && x < least {
            let draft = error("E0613", format!("`{}` needs a positive number", builtin.name()));
            return Some(self.fail(draft.at(span, format!("this is {x}"))));
        }
        let value = match builtin {
            Builtin::Square => x * x,
            Builtin::Relu => x.max(0.0),
            Builtin::Recip if x != 0.0 => 1.0 / x,
            Builtin::Recip => return Some(self.fail(error("E0603", "division by zero").at(span, "this is 0"))),
            Builtin::Rsqrt => 1.0 / x.sqrt(),
            Builtin::Sqrt => x.sqrt(),
            Builtin::Log2 => libm::log2(x),
            Builtin::Exp2 => libm::exp2(x),
            Builtin::Step => return Some(Value::Int(i64::from(x >= 0.0))),
            Builtin::Ceil => return Some(self.rounded(x.ceil(), bound)),
            Builtin::Floor => return Some(self.rounded(x.floor(), bound)),
            _ => return None,
        };
        if !value.is_finite() {
            let draft = error("E0602", "the result is too large").at(span, "does not fit a real number");
            return Some(self.fail(draft));
        }
        Some(Value::Real(value))
    }

    fn rounded(&mut self, x: f64, bound: &Bound<'a>) -> Value<'a> {
        if x.abs() >= i64::MAX as f64 {
            let draft = error("E0602", "the result is too large");
            return self.fail(draft.at(given(bound, 0).1, "does not fit 64 bits"));
        }
        Value::Int(x as i64)
    }

    fn extreme_number(&mut self, builtin: Builtin, bound: &Bound<'a>) -> Option<Value<'a>> {
        let pick = |a: f64, b: f64| if builtin == Builtin::Max { a.max(b) } else { a.min(b) };
        match (given(bound, 0).0, given(bound, 1).0) {
            (Value::Int(a), Value::Int(b)) => {
                Some(Value::Int(if builtin == Builtin::Max { a.max(b) } else { a.min(b) }))
            }
            (a, b) => Some(Value::Real(pick(a.as_number()?, b.as_number()?))),
        }
    }
}
