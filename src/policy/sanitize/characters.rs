//! Characters that a reader does not see, or that change how a terminal or a page shows others.
//!
//! A character that scripts and emoji need is left alone where it does what it is for, judged by its neighbours: joiners
//! (Unicode Standard Annex 31, section 2.3), directional marks beside letters of right-to-left scripts (Annex 9), variation
//! selectors 15 and 16 behind emoji (Technical Standard 51). Everything else of
//! Default_Ignorable_Code_Point is escaped, whether it is assigned or not, and so are all control characters.

use std::fmt;

use crate::text::is_unseen;

/// A reason for which a character is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A C0 or C1 control character, or DEL.
    Control,
    /// The first character of a sequence that terminals obey (ECMA-48).
    TerminalSequence,
    /// A character that changes the direction of text.
    Direction,
    /// A character that is not shown.
    Invisible,
    /// A tag character or a variation selector: each can stand for a byte of hidden text.
    HiddenText,
    /// Half a surrogate pair, which is no character.
    LoneSurrogate,
}

impl Kind {
    /// The kind in words, for one or for many.
    pub(crate) fn named(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Control => ("control character", "control characters"),
            Self::TerminalSequence => ("terminal sequence", "terminal sequences"),
            Self::Direction => ("bidirectional control", "bidirectional controls"),
            Self::Invisible => ("invisible character", "invisible characters"),
            Self::HiddenText => ("character of hidden text", "characters of hidden text"),
            Self::LoneSurrogate => ("lone surrogate", "lone surrogates"),
        };
        match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {many}"),
        }
    }
}

/// A character that is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// Its place in the text, in bytes.
    pub at: usize,
    /// The character.
    pub character: char,
    /// The reason.
    pub kind: Kind,
}

impl fmt::Display for Unwanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "U+{:04X}", u32::from(self.character))
    }
}

/// Says whether a text is of printable ASCII, so that nothing in it can be unwanted.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Finds the unwanted characters of a text, in their order. In a text of lines, line ends and tabs are wanted.
pub fn unwanted(text: &str, has_lines: bool) -> impl Iterator<Item = Unwanted> {
    let mut before = Before::default();
    let mut flag_ends = 0;
    text.char_indices().filter_map(move |(at, character)| {
        let rest = text.get(at..).unwrap_or_default();
        if at < flag_ends {
            return None;
        }
        if let Some(flag) = FLAGS.iter().find(|flag| rest.starts_with(**flag)) {
            flag_ends = at + flag.len();
        }
        let next = rest.chars().nth(1);
        let kind = kind_of(character, next, has_lines).filter(|_| !before.wants(character, next));
        before.pass(character, kind.is_some());
        kind.map(|kind| Unwanted {
            at,
            character,
            kind,
        })
    })
}

/// The flags of England, Scotland and Wales: the only sequences of tag characters that are recommended for interchange
/// (Unicode Technical Standard 51, `emoji-sequences.txt`).
const FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// The reason for which a character is unwanted where its neighbours do not need it.
fn kind_of(character: char, next: Option<char>, has_lines: bool) -> Option<Kind> {
    let kind = match character {
        '\n' | '\t' if has_lines => return None,
        '\r' if has_lines && next == Some('\n') => return None,
        '\u{1b}'
            if matches!(
                next,
                Some('[' | ']' | 'P' | 'X' | '^' | '_' | '(' | ')' | 'c')
            ) =>
        {
            Kind::TerminalSequence
        }
        '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Kind::TerminalSequence,
        _ if character.is_control() => Kind::Control,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Kind::Direction
        }
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => Kind::HiddenText,
        _ if is_unseen(character) => Kind::Invisible,
        _ => return None,
    };
    Some(kind)
}

/// The characters before a place, as far as they say which one may follow.
#[derive(Default)]
struct Before {
    /// The character right before.
    last: Option<char>,
    /// True where an emoji has ended there, with its modifier or variation selector.
    ends_emoji: bool,
}

impl Before {
    /// Says whether a character does there what it is for.
    fn wants(&self, character: char, next: Option<char>) -> bool {
        let last = self.last;
        let beside = |is_it: fn(char) -> bool| last.is_some_and(is_it) || next.is_some_and(is_it);
        match character {
            '\u{fe0e}' | '\u{fe0f}' => last.is_some_and(takes_variation),
            '\u{200d}' if self.ends_emoji => next.is_some_and(is_pictograph),
            '\u{200c}' | '\u{200d}' => last.is_some_and(joins),
            '\u{200e}' | '\u{200f}' | '\u{61c}' => beside(is_right_to_left),
            '\u{180b}'..='\u{180f}' => last.is_some_and(is_mongolian),
            '\u{115f}' => matches!(next, Some('\u{1161}'..='\u{11a7}')),
            '\u{1160}' => matches!(last, Some('\u{1100}'..='\u{115e}')),
            '\u{2800}' => beside(|c| matches!(c, '\u{2801}'..='\u{28ff}')),
            _ => false,
        }
    }

    fn pass(&mut self, character: char, is_unwanted: bool) {
        self.ends_emoji = !is_unwanted
            && match character {
                '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => self.ends_emoji,
                _ => is_pictograph(character),
            };
        // No unwanted character is one that another needs beside it, so that what is escaped once stays as it is.
        self.last = Some(character);
    }
}

/// Says whether emoji and text variants of a character exist: pictographs, and the digits and signs of keycaps.
fn takes_variation(character: char) -> bool {
    is_pictograph(character) || matches!(character, '0'..='9' | '#' | '*')
}

/// Says whether a character is of Extended_Pictographic (Unicode Technical Standard 51), by blocks where they are mostly that.
fn is_pictograph(character: char) -> bool {
    matches!(character,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{2199}'
        | '\u{21a9}' | '\u{21aa}' | '\u{231a}' | '\u{231b}' | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23fa}'
        | '\u{24c2}' | '\u{25aa}' | '\u{25ab}' | '\u{25b6}' | '\u{25c0}' | '\u{25fb}'..='\u{25fe}'
        | '\u{2600}'..='\u{27bf}' | '\u{2934}' | '\u{2935}' | '\u{2b05}'..='\u{2b07}' | '\u{2b1b}' | '\u{2b1c}'
        | '\u{2b50}' | '\u{2b55}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1f1e5}' | '\u{1f200}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}')
}

/// Says whether a joiner or non-joiner behind a character is part of writing: scripts whose letters are connected, and
/// scripts of India and its neighbours, whose viramas take both.
fn joins(character: char) -> bool {
    matches!(character,
        '\u{620}'..='\u{65f}' | '\u{66e}'..='\u{6d3}' | '\u{6fa}'..='\u{8ff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17b3}' | '\u{17b6}'..='\u{17df}'
        | '\u{1b00}'..='\u{1bbf}' | '\u{a8e0}'..='\u{a8ff}' | '\u{a980}'..='\u{a9df}'
        | '\u{11000}'..='\u{1145f}')
        || is_mongolian(character)
}

fn is_mongolian(character: char) -> bool {
    matches!(character, '\u{1820}'..='\u{18aa}')
}

/// Says whether a character is a letter of a script that is written from right to left.
fn is_right_to_left(character: char) -> bool {
    matches!(character,
        '\u{590}'..='\u{5ff}' | '\u{620}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}
