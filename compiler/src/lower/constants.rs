//! Arithmetic on compile-time numbers.
//!
//! Whole numbers stay whole as long as the result is exact; `7 / 2` is the real number 3.5.

use mpcc_grammar::ast::BinaryOp;

use super::value::Value;

/// Why a constant expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConstantError {
    /// The result does not fit a 64-bit whole number or a finite real one.
    Overflow,
    /// `/ 0` or `% 0`.
    DivisionByZero,
    /// The operator has no meaning for these operands.
    Mismatch,
}

/// `left op right` for numbers and truth values.
pub(super) fn binary<'a>(op: BinaryOp, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, ConstantError> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => whole(op, *a, *b),
        (Value::Bool(a), Value::Bool(b)) => match op {
            BinaryOp::Eq => Ok(Value::Bool(a == b)),
            BinaryOp::Ne => Ok(Value::Bool(a != b)),
            _ => Err(ConstantError::Mismatch),
        },
        _ => match (left.as_number(), right.as_number()) {
            (Some(a), Some(b)) => real(op, a, b),
            _ => Err(ConstantError::Mismatch),
        },
    }
}

fn whole<'a>(op: BinaryOp, a: i64, b: i64) -> Result<Value<'a>, ConstantError> {
    use BinaryOp::*;
    let exact = |value: Option<i64>| value.map(Value::Int).ok_or(ConstantError::Overflow);
    match op {
        Add => exact(a.checked_add(b)),
        Sub => exact(a.checked_sub(b)),
        Mul => exact(a.checked_mul(b)),
        Div | Rem if b == 0 => Err(ConstantError::DivisionByZero),
        Div if a.checked_rem(b).is_none_or(|rest| rest == 0) => exact(a.checked_div(b)),
        Div => real(op, a as f64, b as f64),
        Rem => exact(a.checked_rem_euclid(b)),
        MatMul => Err(ConstantError::Mismatch),
        Eq => Ok(Value::Bool(a == b)),
        Ne => Ok(Value::Bool(a != b)),
        Le => Ok(Value::Bool(a <= b)),
        Ge => Ok(Value::Bool(a >= b)),
        Lt => Ok(Value::Bool(a < b)),
        Gt => Ok(Value::Bool(a > b)),
    }
}

fn real<'a>(op: BinaryOp, a: f64, b: f64) -> Result<Value<'a>, ConstantError> {
    use BinaryOp::*;
    let finite = |value: f64| if value.is_finite() { Ok(Value::Real(value)) } else { Err(ConstantError::Overflow) };
    match op {
        Add => finite(a + b),
        Sub => finite(a - b),
        Mul => finite(a * b),
        Div | Rem if b == 0.0 => Err(ConstantError::DivisionByZero),
        Div => finite(a / b),
        Rem => finite(a.rem_euclid(b)),
        MatMul => Err(ConstantError::Mismatch),
        Eq => Ok(Value::Bool(a == b)),
        Ne => Ok(Value::Bool(a != b)),
        Le => Ok(Value::Bool(a <= b)),
        Ge => Ok(Value::Bool(a >= b)),
        Lt => Ok(Value::Bool(a < b)),
        Gt => Ok(Value::Bool(a > b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(op: BinaryOp, a: Value<'static>, b: Value<'static>) -> Result<Value<'static>, ConstantError> {
        binary(op, &a, &b)
    }

    #[test]
    fn division_is_exact_or_real() {
        assert!(matches!(of(BinaryOp::Div, Value::Int(32), Value::Int(4)), Ok(Value::Int(8))));
        assert!(matches!(of(BinaryOp::Div, Value::Int(7), Value::Int(2)), Ok(Value::Real(x)) if x == 3.5));
        assert!(matches!(of(BinaryOp::Rem, Value::Int(-7), Value::Int(4)), Ok(Value::Int(1))));
    }

    #[test]
    fn nothing_wraps_and_nothing_divides_by_zero() {
        assert_eq!(of(BinaryOp::Add, Value::Int(i64::MAX), Value::Int(1)).err(), Some(ConstantError::Overflow));
        assert_eq!(of(BinaryOp::Div, Value::Int(i64::MIN), Value::Int(-1)).err(), Some(ConstantError::Overflow));
        assert_eq!(of(BinaryOp::Rem, Value::Int(1), Value::Int(0)).err(), Some(ConstantError::DivisionByZero));
        assert_eq!(of(BinaryOp::Mul, Value::Real(1e300), Value::Real(1e300)).err(), Some(ConstantError::Overflow));
        assert_eq!(of(BinaryOp::Add, Value::Bool(true), Value::Int(1)).err(), Some(ConstantError::Mismatch));
    }
}
