//! The strength of a passphrase: estimates the guesses that find it, and makes passphrases that no guesser finds.
//!
//! The estimate follows password crackers, and zxcvbn (Wheeler, USENIX Security 2016) after them: a passphrase is cut
//! into pieces, and each costs as much as a guesser who tries likely pieces first would spend on it. zxcvbn itself
//! brings 2.9 MB of word lists, a third of this program; here a piece that reads like a word costs as much as a word,
//! and only the worst are listed. No function here keeps or reports a piece of a passphrase.

use zeroize::Zeroizing;

/// Below this a passphrase is called weak. At a quarter of a second of a core for each guess, as Argon2id costs here by
/// default, the guesses take a core some eighty years: a month for an attacker who rents a thousand.
const ENOUGH: f64 = 10.0;

/// The decimal logarithm of the guesses for a character that tells nothing: fewer than there are characters, because
/// users do not choose at random.
const CHARACTER: f64 = 1.0;
const WORD: f64 = 4.0;
const LISTED: f64 = 2.3;
const RUN: f64 = 1.5;
const YEAR: f64 = 2.0;

/// Says whether so few guesses find the passphrase that an attacker with a copy of the vault may well make them.
pub(super) fn is_weak(passphrase: &[u8]) -> bool {
    guesses(passphrase) < ENOUGH
}

/// Makes a passphrase of 80 random bits, as five pronounceable words of two syllables and a final character each
/// (proquints, arXiv:0901.4016): no list of words is needed for it.
pub(super) fn generate(random: &[u8; 10]) -> Zeroizing<String> {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let mut text = Zeroizing::new(String::with_capacity(30));
    for pair in random.chunks_exact(2) {
        let word = pair
            .iter()
            .fold(0, |word: usize, byte| word << 8 | usize::from(*byte));
        if !text.is_empty() {
            text.push('-');
        }
        for (shift, letters) in [
            (12, &CONSONANTS[..]),
            (10, &VOWELS[..]),
            (6, &CONSONANTS[..]),
            (4, &VOWELS[..]),
            (0, &CONSONANTS[..]),
        ] {
            let letter = letters.get((word >> shift) % letters.len());
            text.extend(letter.map(|letter| char::from(*letter)));
        }
    }
    text
}

/// Returns the decimal logarithm of the guesses that find the passphrase.
fn guesses(bytes: &[u8]) -> f64 {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return length(bytes.len()) * CHARACTER;
    };
    let lower: Zeroizing<Vec<char>> = Zeroizing::new(text.to_lowercase().chars().collect());
    let plain = Zeroizing::new(without_disguise(&lower));
    // A repetition costs its unit and the number of repetitions.
    let unit = (1..=lower.len() / 2).find(|unit| {
        lower.len().is_multiple_of(*unit) && lower.chunks(*unit).all(|it| lower.starts_with(it))
    });
    let (unit, often) = unit.map_or((lower.len(), 1), |unit| (unit, lower.len() / unit));
    let mut total = decimal_logarithm(often);
    let mut at = 0;
    while at < unit {
        let (taken, cost) = piece(
            lower.get(at..unit).unwrap_or_default(),
            plain.get(at..unit).unwrap_or_default(),
        );
        at += taken.max(1);
        total += cost;
    }
    total
}

/// Returns the longest likely piece at the beginning, and its cost. `plain` is the same text with disguised digits
/// replaced.
fn piece(lower: &[char], plain: &[char]) -> (usize, f64) {
    let run = run(lower);
    if run >= 3 {
        return (run, RUN + decimal_logarithm(run));
    }
    if let [a, b, _, _, rest @ ..] = lower
        && matches!((a, b), ('1', '9') | ('2', '0'))
        && lower.iter().take(4).all(char::is_ascii_digit)
        && !rest.first().is_some_and(char::is_ascii_digit)
    {
        return (4, YEAR);
    }
    let listed = LIST.iter().filter(|word| {
        let mut letters = plain.iter();
        word.chars().all(|c| letters.next() == Some(&c))
    });
    if let Some(longest) = listed.map(|word| word.len()).max() {
        return (longest, LISTED);
    }
    let letters = plain.iter().take_while(|c| c.is_alphabetic()).count();
    if letters >= 3 && reads_like_words(plain.get(..letters).unwrap_or_default()) {
        let words = (length(letters) / 8.0).max(1.0);
        return (letters, (words * WORD).min(length(letters) * CHARACTER));
    }
    // Single characters, so that a listed word is found wherever it begins.
    (1, CHARACTER)
}

/// Returns how far the text begins with one repeated character, with neighbours of the alphabet or the digits, or with
/// neighbours on a keyboard.
fn run(text: &[char]) -> usize {
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let step = |pair: &[char]| match pair {
        [a, b] => i64::from(u32::from(*b)) - i64::from(u32::from(*a)),
        _ => i64::MAX,
    };
    let on_row = |row: &str, pair: &[char]| {
        let place = |c: &char| row.chars().position(|other| other == *c);
        let places = pair.iter().map(place).collect::<Option<Vec<_>>>();
        places.is_some_and(|places| matches!(places.as_slice(), [a, b] if a.abs_diff(*b) == 1))
    };
    let longest =
        |fits: &dyn Fn(&[char]) -> bool| 1 + text.windows(2).take_while(|it| fits(it)).count();
    let by_step = [-1, 0, 1].map(|wanted| longest(&|pair| step(pair) == wanted));
    let by_row = ROWS.map(|row| longest(&|pair| on_row(row, pair)));
    by_step.into_iter().chain(by_row).max().unwrap_or(0)
}

/// Says whether letters have vowels among them as words of the Latin alphabet do. Letters of other scripts are taken
/// for words.
fn reads_like_words(letters: &[char]) -> bool {
    let is_vowel = |c: &char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y') || !c.is_ascii();
    let longest = letters.split(is_vowel).map(<[char]>::len).max();
    letters.iter().any(is_vowel) && longest.is_none_or(|longest| longest <= 4)
}

/// Returns the text with the digits and signs in words replaced by the characters that they stand for: `p4ssw0rd`.
fn without_disguise(text: &[char]) -> Vec<char> {
    let letter = |c: char| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    };
    let is_letter = |at: Option<usize>| {
        let c = at.and_then(|at| text.get(at));
        c.is_some_and(|c| letter(*c).is_alphabetic())
    };
    let written = |(at, c): (usize, &char)| match is_letter(at.checked_sub(1)) || at == 0 {
        true if is_letter(Some(at + 1)) => letter(*c),
        _ => *c,
    };
    text.iter().enumerate().map(written).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a passphrase has at most a thousand characters"
)]
fn length(characters: usize) -> f64 {
    characters as f64
}

/// Returns the decimal logarithm of a number, 0 for 0. `f64::log10` would be the one function of this program that is in
/// `libm`, a library that each start would load for it.
fn decimal_logarithm(number: usize) -> f64 {
    use std::f64::consts::{LN_2, LN_10};
    let Some(whole) = number.checked_ilog10() else {
        return 0.0;
    };
    // From 1 to less than 10, then to less than 2.
    let mut rest = length(number) / length(10_usize.pow(whole));
    let mut logarithm = 0.0;
    while rest >= 2.0 {
        rest /= 2.0;
        logarithm += LN_2;
    }
    // The series of 2 artanh z, where z is at most 1/3.
    let z = (rest - 1.0) / (rest + 1.0);
    let mut power = z;
    for exponent in (1..40).step_by(2) {
        logarithm += 2.0 * power / f64::from(exponent);
        power *= z * z;
    }
    f64::from(whole) + logarithm / LN_10
}

/// The words that users choose first, and words of this program's own field.
const LIST: [&str; 64] = [
    "abc",
    "access",
    "admin",
    "angel",
    "asdf",
    "baseball",
    "batman",
    "changeme",
    "charlie",
    "claude",
    "computer",
    "credential",
    "daniel",
    "default",
    "dragon",
    "flower",
    "football",
    "freedom",
    "guest",
    "hello",
    "hunter",
    "iloveyou",
    "internet",
    "jesus",
    "jordan",
    "killer",
    "letmein",
    "login",
    "love",
    "master",
    "mcpipe",
    "michael",
    "monkey",
    "mustang",
    "ninja",
    "pass",
    "passphrase",
    "password",
    "passw",
    "princess",
    "qazwsx",
    "qwer",
    "qwerty",
    "root",
    "samsung",
    "secret",
    "server",
    "shadow",
    "soccer",
    "starwars",
    "summer",
    "sunshine",
    "superman",
    "test",
    "thomas",
    "token",
    "trustno",
    "user",
    "vault",
    "welcome",
    "whatever",
    "winter",
    "zaq",
    "zxcv",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_weak(text: &str) -> bool {
        super::is_weak(text.as_bytes())
    }

    #[test]
    fn the_logarithm_is_that_of_the_mathematical_library() {
        for number in (1..20_000).chain([99_999, 100_001, 1_000_000_007]) {
            let off = decimal_logarithm(number) - length(number).log10();
            assert!(off.abs() < 1e-13, "{number}: {off}");
        }
        for whole in 0..12 {
            assert_eq!(decimal_logarithm(10_usize.pow(whole)), f64::from(whole));
        }
    }

    #[test]
    fn what_people_choose_first_is_weak() {
        for text in [
            "a",
            "password",
            "password1234",
            "Passw0rd!",
            "P@ssw0rd2026",
            "letmein",
            "hunter2",
            "correct horse",
            "Tr0ub4dor&3",
            "qwertyuiop1234",
            "12345678901234567890",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "passwordpasswordpassword",
            "abcabcabcabcabcabc",
            "2026-11-29",
            "mcpipe vault",
            "Summer2026!",
            "liverpool",
            "zyxwvutsrqponm",
            "asdfghjkl;",
            "changeme123456",
            "пароль",
            "test test test",
        ] {
            assert!(is_weak(text), "{text}: {}", guesses(text.as_bytes()));
        }
    }

    #[test]
    fn what_takes_long_to_guess_is_not() {
        for text in [
            "correct horse battery staple",
            "my dog has fleas",
            "Xk9vB2mQ7rTz",
            "7f3a9c1e5b2d",
            "x9#kL2$vQ8!m",
            "der Hund frisst keine Suppe",
            "каждый охотник желает знать",
            "lusab-babad-gutih-tugad-hadif",
        ] {
            assert!(!is_weak(text), "{text}: {}", guesses(text.as_bytes()));
        }
        assert!(guesses(&[0xff; 12]) >= ENOUGH);
    }

    /// The first is 127.0.0.1 of the paper's own examples, and 63.84.220.193.
    #[test]
    fn generated_ones_are_proquints_and_strong() {
        let text = generate(&[127, 0, 0, 1, 63, 84, 220, 193, 0, 0]);
        assert_eq!(*text, "lusab-babad-gutih-tugad-babab");
        for seed in 0..=255_u8 {
            let random = std::array::from_fn(|at| {
                seed.wrapping_mul(31)
                    .wrapping_add(u8::try_from(at).unwrap().wrapping_mul(97))
            });
            let text = generate(&random);
            assert!(!is_weak(&text), "{}: {}", *text, guesses(text.as_bytes()));
        }
    }
}
