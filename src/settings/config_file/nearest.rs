//! The known name that a mistyped one most likely stands for.

/// Returns the known name with the fewest changes from `typed`: letters added, left out, replaced, or two beside each other
/// swapped. Returns none if a third of the letters had to change.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONGEST: usize = 60;
    let typed: Vec<char> = typed.chars().take(LONGEST).collect();
    let distances = known
        .into_iter()
        .map(|name| (distance(&typed, &name.chars().collect::<Vec<_>>()), name));
    let (changes, name) = distances.min_by_key(|(changes, _)| *changes)?;
    (changes * 3 <= typed.len()).then_some(name)
}

/// Returns the number of changes that make one text the other (Damerau's, of neighbours that are swapped once).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut least = (at(&last, j) + usize::from(a != b))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let is_swapped =
                i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if is_swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_told_and_no_name_for_another_word() {
        let known = ["deny-tool", "allow-tool", "grace", "header", "header-file"];
        for (typed, wanted) in [
            ("deny-tols", Some("deny-tool")),
            ("deny-tools", Some("deny-tool")),
            ("alow-tool", Some("allow-tool")),
            ("garce", Some("grace")),
            ("headers", Some("header")),
            ("headr-file", Some("header-file")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), wanted, "{typed}");
        }
    }
}
