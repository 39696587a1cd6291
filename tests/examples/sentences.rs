//! The README's sentences: short, and each with an actor.

use super::readme;

/// More words than that are two sentences.
const LONGEST: usize = 30;

/// Words that hide who acts.
const NAMELESS: [&str; 5] = ["somebody", "nobody", "anybody", "whoever", "everybody"];

/// The sentences of a text in Markdown, without its examples, each with the line that its paragraph begins in. A cell of a
/// table and an item of a list end a sentence; what stands in backticks is one word.
fn sentences(text: &str) -> Vec<(usize, String)> {
    let mut paragraphs: Vec<(usize, String)> = Vec::new();
    let (mut is_example, mut goes_on) = (false, false);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("```") {
            is_example = !is_example;
        }
        if is_example || line.is_empty() || line.starts_with('#') || line.starts_with("```") {
            goes_on = false;
        } else if let Some(cells) = line.strip_prefix('|') {
            // A bar in a cell is escaped.
            let cells = cells.replace("\\|", "/");
            paragraphs.extend(
                cells
                    .split('|')
                    .map(|cell| (at + 1, cell.trim().to_owned())),
            );
            goes_on = false;
        } else if let Some(item) = line.strip_prefix("- ") {
            paragraphs.push((at + 1, item.to_owned()));
            goes_on = true;
        } else if let Some((_, paragraph)) = paragraphs.last_mut().filter(|_| goes_on) {
            paragraph.push(' ');
            paragraph.push_str(line);
        } else {
            paragraphs.push((at + 1, line.to_owned()));
            goes_on = true;
        }
    }
    let mut found = Vec::new();
    for (line, paragraph) in paragraphs {
        let code = paragraph.split('`').enumerate();
        let text: String = code
            .map(|(nth, part)| if nth % 2 == 1 { "CODE" } else { part })
            .collect();
        let mut sentence = String::new();
        for word in text.split_whitespace() {
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
            let end = word.trim_end_matches(['*', ')', '"']);
            if end.ends_with(['.', '!', '?', ':']) {
                found.push((line, std::mem::take(&mut sentence)));
            }
        }
        found.push((line, sentence));
    }
    found.retain(|(_, sentence)| !sentence.is_empty());
    found
}

#[test]
fn no_sentence_of_the_readme_is_longer_than_thirty_words() {
    let readme = readme();
    let sentences = sentences(&readme);
    assert!(sentences.len() > 300, "{} are found", sentences.len());
    let long = sentences.iter().filter_map(|(line, sentence)| {
        let words = sentence.split_whitespace().count();
        (words > LONGEST).then(|| format!("README line {line}, {words} words: {sentence}"))
    });
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_readme_names_who_acts() {
    for (line, sentence) in sentences(&readme()) {
        let sentence = sentence.to_lowercase();
        for word in NAMELESS {
            assert!(!sentence.contains(word), "README line {line}: {sentence}");
        }
    }
}

#[test]
fn sentences_are_found_in_markdown() {
    let text = "# A title of words\n\nOne two `x y z`. Three\nfour!\n\n```sh\nnot this.\n```\n- an item\n  of two\n| a | b c |\n| --- | --- |\n";
    let found = sentences(text);
    let found: Vec<&str> = found.iter().map(|(_, it)| it.as_str()).collect();
    let rule = ["---", "---"];
    let wanted = ["One two CODE.", "Three four!", "an item of two", "a", "b c"];
    assert_eq!(found, [&wanted[..], &rule[..]].concat());
}
