//! The likeness of two definitions, to tell a new name from a new tool.

use std::collections::HashMap;

use crate::frame::Object;

/// The number of words that are looked at in one text.
const MAX_WORDS: usize = 2048;
/// The number of definitions on either side that are compared.
const MAX_COMPARED: usize = 64;
/// The least likeness that makes one the successor of another, in percent.
const LEAST: u8 = 70;

/// Returns for each of the new texts the index of the old text that it is most like, with the likeness in percent: the
/// share of pairs of neighbouring words that both have (Dice's coefficient), names left out. Each old text is named at most once.
pub(super) fn successors(old: &[&str], new: &[&str]) -> Vec<Option<(usize, u8)>> {
    let old: Vec<_> = old.iter().take(MAX_COMPARED).map(|it| pairs(it)).collect();
    let fresh: Vec<_> = new.iter().take(MAX_COMPARED).map(|it| pairs(it)).collect();
    let mut likes = Vec::new();
    for (to, new) in fresh.iter().enumerate() {
        for (from, old) in old.iter().enumerate() {
            let percent = percent(old, new);
            if percent >= LEAST {
                likes.push((percent, from, to));
            }
        }
    }
    likes.sort_by_key(|&(percent, from, to)| (u8::MAX - percent, from, to));
    let mut found = vec![None; new.len()];
    let mut taken = Vec::new();
    for (percent, from, to) in likes {
        if let Some(found) = found.get_mut(to)
            && found.is_none()
            && !taken.contains(&from)
        {
            *found = Some((from, percent));
            taken.push(from);
        }
    }
    found
}

type Pairs = HashMap<(String, String), u32>;

fn pairs(definition: &str) -> Pairs {
    let text = match Object::read(definition) {
        Some(mut object) => {
            object.remove("name");
            object.text()
        }
        None => definition.to_owned(),
    };
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(str::to_lowercase)
        .collect();
    let mut pairs = HashMap::new();
    for (one, next) in words.iter().zip(words.iter().skip(1)) {
        *pairs.entry((one.clone(), next.clone())).or_default() += 1;
    }
    pairs
}

/// Rounded down, so that only equal texts are 100 percent alike.
fn percent(one: &Pairs, other: &Pairs) -> u8 {
    let total = |pairs: &Pairs| pairs.values().copied().map(u64::from).sum::<u64>();
    let all = total(one) + total(other);
    let both: u64 = one
        .iter()
        .filter_map(|(pair, count)| Some(u64::from(*count.min(other.get(pair)?))))
        .sum();
    match all {
        0 => 0,
        all => u8::try_from(200 * both / all).unwrap_or(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_for_nearly_the_same_text_is_found_and_another_tool_is_not() {
        let tool =
            |name: &str, text: &str| format!(r#"{{"name":"{name}","description":"{text}"}}"#);
        let send = tool(
            "send",
            "Sends a message to the person whose address is given, and waits.",
        );
        let list = tool("list", "Lists the folders of the mailbox, newest first.");
        let post = tool(
            "post",
            "Sends a message to the person whose address is given, and returns.",
        );
        let erase = tool("erase", "Deletes a folder for good, without a question.");
        let same = tool("dir", "Lists the folders of the mailbox, newest first.");
        let found = successors(&[&send, &list], &[&post, &erase, &same]);
        assert!(
            matches!(found.first(), Some(Some((0, 80..=99)))),
            "{found:?}"
        );
        assert_eq!(found.get(1..), Some(&[None, Some((1, 100))][..]));
        // One old tool has one successor.
        let twice = successors(&[&list], &[&same, &same]);
        assert_eq!(twice, [Some((0, 100)), None]);
    }
}
