//! Random numbers from the operating system.

/// Returns random bytes.
///
/// # Errors
/// The system gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns a random number from 0 to 1, for what is only to be kept from happening in step; 0 where the system gives
/// none.
pub fn fraction() -> f64 {
    getrandom::u32().map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_between_0_and_1() {
        assert!((0..100).all(|_| (0.0..=1.0).contains(&fraction())));
    }
}
