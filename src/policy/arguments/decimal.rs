//! Numbers as decimal digits, for what binary fractions would answer wrongly.

/// A number of JSON: `0.DIGITS × 10^exponent`, with no zero at either end of the digits. Two of them are equal where the
/// numbers are, however they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Digits from 0 to 9; none for zero.
    digits: Vec<u8>,
    exponent: i64,
}

/// The zeros that are written out for a calculation at most.
const MAX_SHIFT: i64 = 4096;
/// The largest divisor: ten times a smaller remainder and a digit still fit.
const MAX_DIVISOR: u128 = u128::MAX / 10 - 1;

impl Decimal {
    /// Reads a number as JSON writes it; `None` for an exponent that no number has.
    pub(super) fn read(literal: &str) -> Option<Self> {
        let (mantissa, power) = match literal.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (literal, 0),
        };
        let is_negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written = || whole.bytes().chain(fraction.bytes());
        let zeros = written().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = written()
            .skip(zeros)
            .map(|digit| digit.wrapping_sub(b'0'))
            .collect();
        if digits.iter().any(|digit| *digit > 9) {
            return None;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits,
                exponent: 0,
            });
        }
        let before_point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        Some(Self {
            is_negative,
            digits,
            exponent: power.checked_add(before_point)?,
        })
    }

    /// Says whether it is a whole multiple of another number; `None` where that takes longer digits than are calculated
    /// with, and for multiples of zero.
    pub(super) fn is_multiple_of(&self, other: &Self) -> Option<bool> {
        if other.digits.is_empty() {
            return None;
        }
        if self.digits.is_empty() {
            return Some(true);
        }
        // Both as whole numbers: a shift to the left by the same power of ten.
        let (own, others) = (self.last_place()?, other.last_place()?);
        let lowest = own.min(others);
        let divisor = whole(&other.digits, others - lowest)?;
        let shift = own - lowest;
        if shift > MAX_SHIFT {
            return None;
        }
        let zeros = usize::try_from(shift).ok()?;
        let digits = self.digits.iter().copied();
        let remainder = digits
            .chain(std::iter::repeat_n(0, zeros))
            .fold(0, |left, digit| (left * 10 + u128::from(digit)) % divisor);
        Some(remainder == 0)
    }

    /// The power of ten of its last digit.
    fn last_place(&self) -> Option<i64> {
        let length = i64::try_from(self.digits.len()).ok()?;
        self.exponent.checked_sub(length)
    }
}

/// Digits with zeros behind them as a number.
fn whole(digits: &[u8], zeros: i64) -> Option<u128> {
    if zeros > MAX_SHIFT {
        return None;
    }
    let zeros = usize::try_from(zeros).ok()?;
    let mut number: u128 = 0;
    for digit in digits.iter().copied().chain(std::iter::repeat_n(0, zeros)) {
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (number <= MAX_DIVISOR).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(literal: &str) -> Decimal {
        Decimal::read(literal).unwrap()
    }

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0.001", "1E-3"),
            ("-0", "0.000e5"),
            ("-12.50", "-1.25e1"),
        ] {
            assert_eq!(read(one), read(other));
        }
        assert_ne!(read("1"), read("-1"));
        assert_ne!(read("9007199254740993"), read("9007199254740992"));
        assert_eq!(Decimal::read("1e99999999999999999999"), None);
    }

    #[test]
    fn a_multiple_is_counted_in_decimal_digits() {
        for (number, of, is_multiple) in [
            ("0.3", "0.1", true),
            ("19.99", "0.01", true),
            ("0.1234567891", "0.0000000001", true),
            ("0.12345678915", "0.0000000001", false),
            ("9007199254740993", "3", true),
            ("9007199254740993", "2", false),
            ("-4.5", "1.5", true),
            ("0", "7", true),
            ("1e400", "7", false),
            ("1e400", "2", true),
        ] {
            let found = read(number).is_multiple_of(&read(of));
            assert_eq!(found, Some(is_multiple), "{number} {of}");
        }
        for (number, of) in [("1e9999", "7"), ("1", "1e9999"), ("1", "0")] {
            assert_eq!(read(number).is_multiple_of(&read(of)), None);
        }
    }
}
