//! A stable code of findings, and what `--explain` says of it.
//!
//! A code that was written once stays: `fixtures/pins/doctor.txt` has them all.

/// A kind of finding.
#[derive(Debug)]
pub struct Code {
    /// The code: words in capitals.
    pub name: &'static str,
    /// The name of the check that it belongs to; of one of them where several find it.
    pub check: &'static str,
    /// The meaning, on one line.
    pub meaning: &'static str,
    /// The usual reasons.
    pub cause: &'static str,
    /// The thing to do.
    pub remedy: &'static str,
}

/// Makes codes, and `CODES`, the table of them: `NAME: "check", "meaning", "cause", "remedy";`.
macro_rules! table {
    ($($name:ident: $check:literal, $meaning:literal, $cause:literal, $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(crate) static $name: $crate::doctor::code::Code = $crate::doctor::code::Code {
                name: stringify!($name),
                check: $check,
                meaning: $meaning,
                cause: $cause,
                remedy: $remedy,
            };
        )*
        /// All of them.
        pub(crate) static CODES: &[&$crate::doctor::code::Code] = &[$(&$name),*];
    };
}
pub(crate) use table;

impl Code {
    /// Returns the text of `--explain`.
    pub fn explanation(&self) -> String {
        let Self {
            name,
            check,
            meaning,
            cause,
            remedy,
        } = self;
        format!(
            "{name}: {meaning}\n\nCheck: {check}\n\nHow it comes about:\n{}\n\nWhat to do:\n{}\n",
            wrapped(cause),
            wrapped(remedy)
        )
    }
}

/// Returns a text in lines of at most 100 characters, indented.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str("  ");
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines.join("\n")
}
