//! A text as words, however it is dressed up: letters that look like Latin ones are those, invisible characters are none.
//!
//! The letters are those of the confusables table of Unicode Technical Standard 39 that a reader takes for small or
//! capital letters of ASCII, in Cyrillic, Greek, Armenian, full width and mathematical alphabets.

use crate::policy::sanitize::unwanted;

/// A word of a text, in small letters of ASCII where it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// The place of its first character in the text, in bytes.
    pub(super) at: usize,
    /// The place behind its last character.
    pub(super) end: usize,
    /// True where a sentence ends behind it.
    pub(super) ends_sentence: bool,
    /// True where a quotation mark stands before it.
    pub(super) is_quoted: bool,
}

/// Returns the words of a text.
pub(super) fn words(text: &str) -> Vec<Word> {
    let hidden: Vec<usize> = unwanted(text, true).map(|found| found.at).collect();
    let mut hidden = hidden.into_iter().peekable();
    let mut words: Vec<Word> = Vec::new();
    let mut is_open = false;
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, character)) = chars.next() {
        if hidden.next_if_eq(&at).is_some() {
            continue;
        }
        let end = at + character.len_utf8();
        let folded = folded(character);
        match folded {
            '\'' | '\u{2019}' if is_open => {}
            letter if letter.is_alphanumeric() || letter == '_' => {
                if !is_open {
                    let is_quoted =
                        matches!(before, '\'' | '"' | '`' | '\u{2018}' | '\u{201c}' | '«');
                    words.push(Word {
                        text: String::new(),
                        at,
                        end,
                        ends_sentence: false,
                        is_quoted,
                    });
                    is_open = true;
                }
                if let Some(word) = words.last_mut() {
                    word.text.push(letter);
                    word.end = end;
                }
            }
            sign => {
                is_open = false;
                let next = chars.peek().map_or(' ', |(_, next)| *next);
                let ends = matches!(sign, '.' | '!' | '?' | ';') && next.is_whitespace()
                    || sign == '\n' && next == '\n';
                if let Some(word) = words.last_mut() {
                    word.ends_sentence |= ends;
                }
            }
        }
        before = character;
    }
    words.retain(|word| word.text != "_");
    words
}

/// Returns the small letter or the digit of ASCII that a reader takes a character for, or else its small letter.
pub(super) fn folded(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let number = u32::from(character);
    let letter = |offset: u32| char::from(b'a' + u8::try_from(offset % 26).unwrap_or(0));
    match number {
        0xff01..=0xff5e => {
            let ascii = char::from_u32(number - 0xfee0).unwrap_or(character);
            return ascii.to_ascii_lowercase();
        }
        0x1d400..=0x1d6a3 => return letter((number - 0x1d400) % 52),
        0x1d7ce..=0x1d7ff => {
            return char::from(b'0' + u8::try_from((number - 0x1d7ce) % 10).unwrap_or(0));
        }
        0x24b6..=0x24e9 => return letter(number - 0x24b6),
        0x1f130..=0x1f149 => return letter(number - 0x1f130),
        _ => {}
    }
    let small = character.to_lowercase().next().unwrap_or(character);
    match small {
        'а' | 'ɑ' | 'α' => 'a',
        'ь' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' | 'ε' | 'є' => 'e',
        'ɡ' => 'g',
        'һ' | 'հ' | 'η' => 'h',
        'і' | 'ї' | 'ι' | 'ı' | 'ӏ' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'п' | 'ո' => 'n',
        'о' | 'ο' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ѡ' | 'ω' | 'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'ү' | 'γ' => 'y',
        'ᴢ' | 'ζ' => 'z',
        _ => small,
    }
}

/// The script of a letter, as far as words that mix scripts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    /// Alphabets for signs of mathematics, and letters of full width.
    Styled,
}

pub(super) fn script(character: char) -> Option<Script> {
    Some(match character {
        'a'..='z' | 'A'..='Z' => Script::Latin,
        // Micro, ohm and the letters of formulas stand beside Latin ones.
        'µ' | 'μ' | 'Ω' | 'ω' | 'π' | 'Δ' | 'λ' | 'α' | 'β' | 'σ' => return None,
        '\u{c0}'..='\u{24f}' if character.is_alphabetic() => Script::Latin,
        '\u{370}'..='\u{3ff}' => Script::Greek,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{531}'..='\u{587}' => Script::Armenian,
        '\u{ff21}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d6a3}' => Script::Styled,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        words(text)
            .into_iter()
            .map(|word| word.text)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn words_are_read_however_they_are_dressed() {
        for text in [
            "Ignore Previous",
            "iｇｎore  *previous*",
            "ign\u{200b}ore pre\u{ad}vious",
            "іgnоrе рrеvіоus",
            "𝐢𝐠𝐧𝐨𝐫𝐞 𝑝𝑟𝑒𝑣𝑖𝑜𝑢𝑠",
            "ⓘⓖⓝⓞⓡⓔ\n\tprevious",
        ] {
            assert_eq!(read(text), "ignore previous", "{text}");
        }
        assert_eq!(read("Don't call `get_me` first."), "dont call get_me first");
    }

    #[test]
    fn words_know_their_places_and_sentences() {
        let found = words("Один. Read mcp.json now!\n\nThen 'go");
        let ends: Vec<_> = found.iter().map(|word| word.ends_sentence).collect();
        assert_eq!(ends, [true, false, false, false, true, false, false]);
        assert_eq!((found[1].at, found[1].end), (10, 14));
        assert!(found[6].is_quoted && !found[5].is_quoted);
    }
}
