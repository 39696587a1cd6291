//! `--header`, `--header-file` and `--bearer`, made into headers.

use std::path::Path;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::user_key::{Source, UserKey};
use crate::cli::{ConfiguredHeader, HeaderSource, NetworkArgs};
use crate::header_secrets::{self, Part, Template};
use crate::named_file;
use crate::secret::shapes::{is_secret_name, is_secret_value};
use crate::settings::environment::Environment;
use crate::settings::error::Error;
use crate::text::{printable, without_mark};

/// The headers that the user wants on every request.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// Headers whose values are known. Marked sensitive.
    pub(super) plain: HeaderMap,
    /// Headers whose values have secrets from the vault in them.
    pub(super) templates: Vec<Template>,
    /// Headers that stood in the open in the arguments, and hold a secret by their name or their looks.
    pub(super) typed_secrets: Vec<HeaderName>,
}

impl Headers {
    pub(super) fn have(&self, name: &HeaderName) -> bool {
        self.plain.contains_key(name) || self.templates.iter().any(|header| header.name == name)
    }

    /// Adds a header. The later of two with one name wins.
    fn insert(&mut self, name: HeaderName, parts: Vec<Part>) -> Result<(), Error> {
        self.plain.remove(&name);
        self.templates.retain(|header| header.name != name);
        if parts.iter().any(|part| matches!(part, Part::Secret(_))) {
            self.templates.push(Template { name, parts });
            return Ok(());
        }
        let texts = parts.iter().map(|part| match part {
            Part::Text(text) | Part::Secret(text) => text.as_str(),
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
    // The place of the line, the line, and true where the line stood in the arguments. The later of two lines with one name
    // wins: what files configure comes before what was typed.
    let mut lines: Vec<(String, String, bool)> = Vec::new();
    for ConfiguredHeader { header, place } in &args.configured {
        match header {
            HeaderSource::Line(line) => lines.push((place.clone(), line.clone(), false)),
            HeaderSource::File(path) => lines.extend(lines_of(path)?),
            HeaderSource::Bearer(name) => {
                lines.push((place.clone(), bearer_line(name), false));
            }
        }
    }
    for (at, line) in args.headers.iter().enumerate() {
        lines.push((format!("--header number {}", at + 1), line.clone(), true));
    }
    for path in &args.header_files {
        lines.extend(lines_of(path)?);
    }
    let mut headers = Headers::default();
    for (place, line, is_typed) in lines {
        let parts = line
            .split_once(':')
            .map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = parts else {
            return Err(Error::NotHeader(place));
        };
        let Ok(name) = HeaderName::try_from(name) else {
            return Err(Error::NotHeader(place));
        };
        let parts = expand(name.as_str(), value, env)?;
        let is_verbatim = matches!(parts.as_slice(), [Part::Text(text)] if text == value);
        let is_secret =
            !value.is_empty() && (is_secret_name(name.as_str()) || is_secret_value(value));
        if is_typed && is_verbatim && is_secret && !headers.typed_secrets.contains(&name) {
            headers.typed_secrets.push(name.clone());
        }
        headers.insert(name, parts)?;
    }
    if let Some(secret) = &args.bearer {
        let value = format!("Bearer ${{vault:{secret}}}");
        headers.insert(AUTHORIZATION, expand("--bearer", &value, env)?)?;
    }
    Ok(headers)
}

/// Returns the lines of a header file, each with its place.
fn lines_of(path: &Path) -> Result<Vec<(String, String, bool)>, Error> {
    let text = named_file::read_text(path).map_err(|source| Error::Unreadable {
        path: path.into(),
        source,
    })?;
    let lines = without_mark(&text).lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let lines = lines.map(|(at, line)| {
        let place = format!("line {} of {}", at + 1, path.display());
        (place, line.to_owned(), false)
    });
    Ok(lines.collect())
}

fn bearer_line(name: &str) -> String {
    format!("{AUTHORIZATION}: Bearer ${{vault:{name}}}")
}

/// Returns the user's headers that carry a key, each with its source; a later header replaces an earlier one. Looks at
/// the text only, and expands nothing.
pub(crate) fn given(args: &NetworkArgs) -> Vec<UserKey> {
    let mut lines: Vec<(String, Source)> = Vec::new();
    for ConfiguredHeader { header, place } in &args.configured {
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
    let references = value.split("${").skip(1);
    let references: Vec<&str> = references
        .filter_map(|it| Some(it.split_once('}')?.0))
        .collect();
    let keys: Vec<String> = references
        .iter()
        .filter_map(|name| name.strip_prefix("vault:"))
        .map(str::to_owned)
        .collect();
    match references.iter().find(|name| is_variable(name)) {
        _ if !keys.is_empty() => Source::Vault(keys),
        Some(variable) => Source::Variable((*variable).to_owned()),
        None => place,
    }
}

/// Replaces `${NAME}` from the environment, and keeps `${vault:NAME}` for later. Values from the environment are not
/// expanded in turn.
fn expand(header: &str, value: &str, env: &Environment) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| Error::Unclosed(header.to_owned()))?;
        text.push_str(before);
        rest = after;
        if let Some(secret) = name.strip_prefix("vault:") {
            header_secrets::check_name(secret)
                .map_err(|_| Error::NoSecretName(header.to_owned()))?;
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Secret(secret.to_owned()));
            continue;
        }
        let unset = || match is_variable(name) {
            true => Error::Unset {
                header: header.to_owned(),
                variable: name.to_owned(),
            },
            false => Error::NotVariable(header.to_owned()),
        };
        text.push_str(env.variables.get(name).ok_or_else(unset)?);
    }
    text.push_str(rest);
    parts.push(Part::Text(text));
    Ok(parts)
}

/// Says whether a text is a name as variables have it; any other text is perhaps the value itself.
fn is_variable(name: &str) -> bool {
    name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Expands as [`expand`] does, for values that the vault has no part in.
///
/// # Errors
/// As [`read`]. A reference to the vault counts as a variable that is not set.
pub(super) fn expand_here(header: &str, value: &str, env: &Environment) -> Result<String, Error> {
    let parts = expand(header, value, env)?;
    let texts = parts.into_iter().map(|part| match part {
        Part::Text(text) => Ok(text),
        Part::Secret(name) => Err(Error::Unset {
            header: header.to_owned(),
            variable: format!("vault:{name}"),
        }),
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
