//! `--header`, `--header-file` and `--bearer`, made into headers.

use std::path::Path;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::user_key::{Source, UserKey};
use crate::cli::{ConfiguredHeader, HeaderSource, NetworkArgs};
use crate::header_secrets::{Part, Template};
use crate::named_file;
use crate::secret::shapes::{is_secret_name, is_secret_value};
use crate::settings::environment::Environment;
use crate::settings::error::Error;
use crate::settings::references::{Reference, is_variable};
use crate::text::{printable, without_mark};

/// The headers that the user wants on every request.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// Headers whose values are known. Marked sensitive.
    pub(super) plain: HeaderMap,
    /// Headers whose values have secrets from the vault or from programs in them.
    pub(super) templates: Vec<Template>,
    /// True where a file has a part in the headers, which are then read again when they are refused.
    pub(super) is_in_file: bool,
    /// Headers that stood in the open in the arguments, and hold a secret by their name or their looks.
    pub(super) typed_secrets: Vec<HeaderName>,
    /// Headers that stand in the open in a configuration file that others can read, and hold a secret in the same way.
    pub(super) open_secrets: Vec<HeaderName>,
}

/// The readers of the text in which a header is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Every user of the machine: it stands in the arguments.
    OfArguments,
    /// Every user of the machine: it stands in an open file.
    OfFile,
    /// Not known to be others.
    Own,
}

impl Headers {
    pub(super) fn have(&self, name: &HeaderName) -> bool {
        self.plain.contains_key(name) || self.templates.iter().any(|header| header.name == name)
    }

    /// Adds the header of a line. `place` names the line in messages.
    fn add(
        &mut self,
        place: &str,
        line: &str,
        readers: Readers,
        env: &Environment,
    ) -> Result<(), Error> {
        let not_header = || Error::NotHeader(place.to_owned());
        let (name, value) = line.split_once(':').ok_or_else(not_header)?;
        let (name, value) = (name.trim(), value.trim());
        let name = HeaderName::try_from(name).map_err(|_| not_header())?;
        let parts = self.expand(name.as_str(), value, env)?;
        let is_verbatim = matches!(parts.as_slice(), [Part::Text(text)] if text == value);
        let is_secret =
            !value.is_empty() && (is_secret_name(name.as_str()) || is_secret_value(value));
        let seen = match readers {
            Readers::OfArguments => Some(&mut self.typed_secrets),
            Readers::OfFile => Some(&mut self.open_secrets),
            Readers::Own => None,
        };
        let seen = seen.filter(|seen| is_verbatim && is_secret && !seen.contains(&name));
        if let Some(seen) = seen {
            seen.push(name.clone());
        }
        self.insert(name, parts)
    }

    /// Adds the headers of a file.
    fn add_file(&mut self, path: &Path, env: &Environment) -> Result<(), Error> {
        let text = named_file::read_text(path).map_err(|source| Error::Unreadable {
            path: path.into(),
            source,
        })?;
        self.is_in_file = true;
        for (at, line) in without_mark(&text).lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                let place = format!("line {} of {}", at + 1, path.display());
                self.add(&place, line, Readers::Own, env)?;
            }
        }
        Ok(())
    }

    /// Adds an Authorization whose token is a secret of the vault by this name, or the secret of a reference.
    fn add_bearer(&mut self, place: &str, reference: &str, env: &Environment) -> Result<(), Error> {
        let parts = match Reference::read(reference, place)? {
            Some(reference) => joined(vec![
                Part::Text("Bearer ".to_owned()),
                self.part(&reference, place, env)?,
            ]),
            None => self.expand(place, &bearer_value(reference), env)?,
        };
        self.insert(AUTHORIZATION, parts)
    }

    /// Replaces `${NAME}` from the environment and `${KIND:…}` as the kind has it, and notes whether a file has a part in it.
    fn expand(&mut self, header: &str, value: &str, env: &Environment) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for piece in pieces(header, value)? {
            parts.push(match piece {
                Piece::Text(text) => Part::Text(text.to_owned()),
                Piece::Variable(name) => Part::Text(variable(header, name, env)?),
                Piece::Reference(reference) => self.part(&reference, header, env)?,
            });
        }
        Ok(joined(parts))
    }

    fn part(
        &mut self,
        reference: &Reference,
        place: &str,
        env: &Environment,
    ) -> Result<Part, Error> {
        self.is_in_file |= reference.is_in_file();
        Ok(match reference {
            Reference::Vault(name) => Part::Secret(name.clone()),
            Reference::Command(program) => Part::Program(program.clone()),
            _ => {
                let secret = reference.secret(place, env)?;
                Part::Text(secret.map_or_else(String::new, |it| it.expose().to_owned()))
            }
        })
    }

    /// Adds a header. The later of two with one name wins.
    fn insert(&mut self, name: HeaderName, parts: Vec<Part>) -> Result<(), Error> {
        self.plain.remove(&name);
        self.templates.retain(|header| header.name != name);
        if parts.iter().any(|part| !part.is_known()) {
            self.templates.push(Template { name, parts });
            return Ok(());
        }
        let texts = parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Secret(_) | Part::Program(_) => "",
        });
        let mut value = HeaderValue::try_from(texts.collect::<String>())
            .map_err(|_| Error::Unsendable(name.to_string()))?;
        value.set_sensitive(true);
        self.plain.insert(name, value);
        Ok(())
    }
}

/// Reads the flags and files that name headers.
///
/// # Errors
/// A text that is no header; a variable that is not set.
pub(super) fn read(args: &NetworkArgs, env: &Environment) -> Result<Headers, Error> {
    let mut headers = Headers::default();
    // The later of two with one name wins: what files configure comes before what was typed.
    for ConfiguredHeader {
        header,
        place,
        is_open,
    } in &args.configured
    {
        let readers = if *is_open {
            Readers::OfFile
        } else {
            Readers::Own
        };
        match header {
            HeaderSource::Line(line) => headers.add(place, line, readers, env)?,
            HeaderSource::File(path) => headers.add_file(path, env)?,
            HeaderSource::Bearer(reference) => headers.add_bearer(place, reference, env)?,
        }
    }
    for (at, line) in args.headers.iter().enumerate() {
        headers.add(
            &format!("--header number {}", at + 1),
            line,
            Readers::OfArguments,
            env,
        )?;
    }
    for path in &args.header_files {
        headers.add_file(path, env)?;
    }
    if let Some(reference) = &args.bearer {
        headers.add_bearer("--bearer", reference, env)?;
    }
    Ok(headers)
}

/// Returns the text behind a header's name for a bearer token that is named by a secret of the vault, or by a reference.
fn bearer_value(reference: &str) -> String {
    match reference.contains(':') {
        true => format!("Bearer ${{{reference}}}"),
        false => format!("Bearer ${{vault:{reference}}}"),
    }
}

fn bearer_line(reference: &str) -> String {
    format!("{AUTHORIZATION}: {}", bearer_value(reference))
}

/// Returns the user's headers that carry a key, each with its source; a later header replaces an earlier one. Looks at
/// the text only, and expands nothing.
pub(crate) fn given(args: &NetworkArgs) -> Vec<UserKey> {
    let mut lines: Vec<(String, Source)> = Vec::new();
    for ConfiguredHeader { header, place, .. } in &args.configured {
        let place = || Source::File(printable(place, 300));
        match header {
            HeaderSource::Line(line) => lines.push((line.clone(), place())),
            HeaderSource::File(path) => lines.extend(given_in(path)),
            HeaderSource::Bearer(name) => lines.push((bearer_line(name), place())),
        }
    }
    let typed = args.headers.iter();
    lines.extend(typed.map(|line| (line.clone(), Source::Arguments)));
    lines.extend(args.header_files.iter().flat_map(|path| given_in(path)));
    if let Some(name) = &args.bearer {
        lines.push((bearer_line(name), Source::Arguments));
    }
    let mut given: Vec<UserKey> = Vec::new();
    for (line, place) in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        given.retain(|given| !given.header.eq_ignore_ascii_case(name));
        let from = source(value, place);
        let is_key = matches!(from, Source::Vault(_))
            || is_secret_name(name)
            || is_secret_value(value)
            || name.eq_ignore_ascii_case(AUTHORIZATION.as_str());
        if is_key {
            given.push(UserKey {
                header: printable(name, 100),
                from,
            });
        }
    }
    given
}

/// Returns the lines of a header file, each with the file as its source.
fn given_in(path: &Path) -> Vec<(String, Source)> {
    // A pipe gives its content once, and it has been read.
    let is_file = path.is_file();
    let text = is_file.then(|| named_file::read_text(path).ok()).flatten();
    let text = text.unwrap_or_default();
    let place = printable(&path.display().to_string(), 300);
    let read = without_mark(&text).lines().map(str::trim);
    let read = read.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = read.map(|line| (line.to_owned(), Source::File(place.clone())));
    read.collect()
}

/// Returns the source of a header's value that stands in this place.
fn source(value: &str, place: Source) -> Source {
    let Ok(pieces) = pieces("", value) else {
        return place;
    };
    let mut keys = Vec::new();
    let mut other = None;
    for piece in pieces {
        match piece {
            Piece::Text(_) => {}
            Piece::Variable(name) => {
                other.get_or_insert_with(|| Source::Variable(name.to_owned()));
            }
            Piece::Reference(Reference::Vault(name)) => keys.push(name),
            Piece::Reference(reference) => {
                other.get_or_insert_with(|| source_of(&reference));
            }
        }
    }
    match (keys.is_empty(), other) {
        (false, _) => Source::Vault(keys),
        (true, Some(other)) => other,
        (true, None) => place,
    }
}

fn source_of(reference: &Reference) -> Source {
    match reference {
        Reference::Vault(name) => Source::Vault(vec![name.clone()]),
        Reference::Variable(name) => Source::Variable(name.clone()),
        Reference::File(path) => Source::File(printable(&path.display().to_string(), 300)),
        Reference::Credential(name) => {
            Source::File(printable(&format!("$CREDENTIALS_DIRECTORY/{name}"), 300))
        }
        Reference::Command(program) => Source::Program(printable(program.program(), 300)),
    }
}

/// A piece of a header's value, as it is written.
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
    Reference(Reference),
}

/// Splits a value at its `${…}`: the name of a variable, or a reference to a secret.
fn pieces<'a>(header: &str, value: &'a str) -> Result<Vec<Piece<'a>>, Error> {
    let mut pieces = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| Error::Unclosed(header.to_owned()))?;
        pieces.push(Piece::Text(before));
        pieces.push(match Reference::read(name, header)? {
            Some(reference) => Piece::Reference(reference),
            None => Piece::Variable(name),
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Returns the value of a variable, which is not expanded in turn.
fn variable(header: &str, name: &str, env: &Environment) -> Result<String, Error> {
    let unset = || match is_variable(name) {
        true => Error::Unset {
            header: header.to_owned(),
            variable: name.to_owned(),
        },
        false => Error::NotVariable(header.to_owned()),
    };
    env.variables.get(name).cloned().ok_or_else(unset)
}

/// Joins texts that stand beside each other.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
            (_, part) => joined.push(part),
        }
    }
    joined
}

/// Expands a value in which neither the vault nor a program has a part.
///
/// # Errors
/// As [`read`]. A reference to the vault or to a program counts as a variable that is not set.
pub(super) fn expand_here(header: &str, value: &str, env: &Environment) -> Result<String, Error> {
    let parts = Headers::default().expand(header, value, env)?;
    let unset = |variable| Error::Unset {
        header: header.to_owned(),
        variable,
    };
    let texts = parts.into_iter().map(|part| match part {
        Part::Text(text) => Ok(text),
        Part::Secret(name) => Err(unset(format!("vault:{name}"))),
        Part::Program(_) => Err(unset("command:".to_owned())),
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;
    use crate::settings::environment::env;

    #[test]
    fn headers_are_expanded_once_and_the_later_wins() {
        let args = NetworkArgs {
            headers: vec!["X-A:${ONE}-${TWO}".into(), "x-b: 1".into(), "X-B:2".into()],
            ..NetworkArgs::default()
        };
        let headers = read(&args, &env(&[("ONE", "${TWO}"), ("TWO", "2")])).unwrap();
        let headers = headers.plain;
        assert_eq!(headers["x-a"], "${TWO}-2");
        assert_eq!(headers["x-b"], "2");
        assert!(headers["x-a"].is_sensitive());
    }

    #[test]
    fn a_header_that_cannot_be_right_is_refused_without_showing_its_value() {
        for line in [
            "s3cret",
            "no colon s3cret",
            "Bad Name: s3cret",
            "X: ${UNSET}s3cret",
            "X: ${s3cret",
            "X: ${vault:s3cret s3cret}",
            "X: ${vault:}s3cret",
            "X: a\nb s3cret",
        ] {
            let args = NetworkArgs {
                headers: vec![line.into()],
                ..NetworkArgs::default()
            };
            let error = read(&args, &env(&[])).unwrap_err();
            assert!(!Failure::from(error).text().contains("s3cret"), "{line}");
        }
    }

    #[test]
    fn what_the_vault_has_a_part_in_waits_for_it() {
        let args = NetworkArgs {
            headers: vec![
                "Authorization: in the open".into(),
                "X-Key: ${ONE}-${vault:a.key}!".into(),
                "X-Plain: ${vault:b}".into(),
                "X-Plain: 1".into(),
            ],
            bearer: Some("name".into()),
            ..NetworkArgs::default()
        };
        let headers = read(&args, &env(&[("ONE", "${vault:c}")])).unwrap();
        assert_eq!(headers.plain.len(), 1);
        assert_eq!(headers.plain["x-plain"], "1");
        assert!(headers.have(&AUTHORIZATION) && headers.typed_secrets == [AUTHORIZATION]);
        let parts: Vec<_> = headers
            .templates
            .iter()
            .map(|header| (header.name.as_str(), header.parts.as_slice()))
            .collect();
        let [("x-key", key), ("authorization", bearer)] = parts.as_slice() else {
            panic!("{parts:?}");
        };
        // A value from the environment is not expanded in turn.
        assert!(
            matches!(key, [Part::Text(a), Part::Secret(b), Part::Text(c)]
            if a == "${vault:c}-" && b == "a.key" && c == "!")
        );
        assert!(
            matches!(bearer, [Part::Text(a), Part::Secret(b), Part::Text(c)]
            if a == "Bearer " && b == "name" && c.is_empty())
        );
    }
}
