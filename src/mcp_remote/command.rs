//! A command line of mcp-remote, read as mcp-remote reads it.
//!
//! mcp-remote names its files for a hash of the typed arguments, so this file follows its behaviour, sensible or not:
//! the address is the first word left when headers are taken out, a value flag takes the next word whatever that is,
//! only the first of two counts (except headers and parameters, where the last does), and unknown words are passed
//! over. Touches no file: the caller reads header files.

use std::io;
use std::path::{Path, PathBuf};

use crate::text::{may_be_secret, printable};
use url::Url;

/// The command line of mcp-remote, as far as its files depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The server, exactly as typed.
    pub url: String,
    /// The callback port, if one was given.
    pub port: Option<u16>,
    /// Headers, the later of two with one name; values unexpanded, names as typed.
    pub headers: Vec<(String, String)>,
    /// `--resource`, trimmed.
    pub resource: Option<String>,
    /// True where no resource parameter is sent.
    pub omits_resource: bool,
    /// `--authorize-param`, the later of two with one name.
    pub authorize_params: Vec<(String, String)>,
    /// `--client-metadata-url`, where it is one.
    pub client_metadata_url: Option<String>,
    /// `--token-endpoint`, as a URL prints.
    pub token_endpoint: Option<String>,
    /// `--static-oauth-client-info`: the client was registered beforehand, and no file keeps it.
    pub static_client: Option<String>,
    /// True where mcp-remote shows the server the ID token.
    pub use_id_token: bool,
}

/// The reason why mcp-remote would not have started, and so has no files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command only prints something.
    #[error("it only asks for help or the version")]
    Help,
    /// The command line has no address.
    #[error("it names no server")]
    NoUrl,
    /// The first word is no address.
    #[error("{0} is not a URL")]
    NotUrl(String),
    /// A header file cannot be read.
    #[error("cannot read the header file {}", path.display())]
    HeaderFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// mcp-remote refuses the value of a flag.
    #[error("mcp-remote refuses its {0}")]
    Value(&'static str),
}

/// Reads the words after the program's name. `file` reads a header file.
///
/// # Errors
/// See [`Error`].
pub fn read(
    words: &[String],
    file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Invocation, Error> {
    let asks = |flags: &[&str]| words.iter().any(|word| flags.contains(&word.as_str()));
    if asks(&["--help", "-h", "--version"]) {
        return Err(Error::Help);
    }
    let (headers, rest) = without_headers(words, file)?;
    let has = |flag: &str| rest.contains(&flag);
    let value = |flag: &str| {
        let at = rest.iter().position(|word| *word == flag)?;
        rest.get(at + 1).copied()
    };
    let url = rest.first().copied().filter(|url| !url.is_empty());
    let url = url.ok_or(Error::NoUrl)?;
    if Url::parse(url).is_err() {
        return Err(Error::NotUrl(match may_be_secret(url) {
            true => "what stands in the place of the server's address".to_owned(),
            // The query may hold a key.
            false => {
                let url = url.split('?').next().unwrap_or_default();
                format!("`{}`", printable(url, 200))
            }
        }));
    }
    let resource = value("--resource").map(trimmed);
    let omits_resource = has("--disable-resource-parameter") || resource == Some("");
    let resource = resource.filter(|resource| !omits_resource && !resource.is_empty());
    if resource.is_some_and(|resource| Url::parse(resource).is_err()) {
        return Err(Error::Value("--resource"));
    }
    let document = value("--client-metadata-url").map(trimmed).filter(|url| {
        Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.path() != "/")
    });
    Ok(Invocation {
        url: url.to_owned(),
        port: rest.get(1).and_then(|word| port(word)),
        headers,
        resource: resource.map(str::to_owned),
        omits_resource,
        authorize_params: parameters(&rest)?,
        client_metadata_url: document.map(str::to_owned),
        token_endpoint: token_endpoint(&rest)?,
        static_client: value("--static-oauth-client-info").map(str::to_owned),
        use_id_token: has("--use-id-token"),
    })
}

type Pairs = Vec<(String, String)>;

/// Removes `--header` and `--header-file`, each with the word after it.
fn without_headers<'a>(
    words: &'a [String],
    file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<(Pairs, Vec<&'a str>), Error> {
    let mut headers = Pairs::new();
    let mut rest = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), words.as_slice().first()) {
            ("--header", Some(line)) => {
                words.next();
                if let Some((name, value)) = header(line) {
                    put(&mut headers, name, value);
                }
            }
            ("--header-file", Some(path)) => {
                words.next();
                let text = file(Path::new(path)).map_err(|source| Error::HeaderFile {
                    path: path.into(),
                    source,
                })?;
                let lines = text.split('\n').map(|line| {
                    // Lines of the file end in "
                    // " or "\r
                    // "; a remaining "\r" goes with the spaces.
                    trimmed(line)
                });
                for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                    if let Some((name, value)) = header(line) {
                        put(&mut headers, name, value);
                    }
                }
            }
            (word, _) => rest.push(word),
        }
    }
    Ok((headers, rest))
}

/// Matches `^([A-Za-z0-9_-]+):\s*(.*)$`, whose dot is no line end.
fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let value = value.trim_start_matches(is_space);
    let ends_line = |c: char| matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}');
    let fits = !name.is_empty() && name.chars().all(is_name) && !value.contains(ends_line);
    fits.then_some((name, value))
}

fn parameters(rest: &[&str]) -> Result<Pairs, Error> {
    let mut params = Pairs::new();
    // Every word after such a flag counts, even one that was itself taken for a value.
    for pair in rest.windows(2) {
        let [flag, value] = pair else { continue };
        if *flag != "--authorize-param" {
            continue;
        }
        let (key, value) = match value.split_once('=') {
            Some((key, value)) if !key.is_empty() => (trimmed(key), value),
            _ => return Err(Error::Value("--authorize-param")),
        };
        if RESERVED.contains(&key) {
            return Err(Error::Value("--authorize-param"));
        }
        put(&mut params, key, value);
    }
    Ok(params)
}

const RESERVED: [&str; 6] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
];

fn token_endpoint(rest: &[&str]) -> Result<Option<String>, Error> {
    const FLAG: &str = "--token-endpoint";
    let Some(at) = rest.iter().position(|word| *word == FLAG) else {
        return Ok(None);
    };
    let refused = || Error::Value(FLAG);
    let value = rest.get(at + 1).filter(|value| !value.starts_with("--"));
    let url = Url::parse(trimmed(value.ok_or_else(refused)?)).map_err(|_| refused())?;
    let is_near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near);
    let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !(is_safe && is_bare && rest.contains(&"--client-credentials")) {
        return Err(refused());
    }
    Ok(Some(url.into()))
}

/// Reads a port as JavaScript's `parseInt` does: the digits at the beginning, ignoring the rest.
fn port(word: &str) -> Option<u16> {
    let word = word.trim_start_matches(is_space);
    let word = word.strip_prefix('+').unwrap_or(word);
    let end = word.find(|c: char| !c.is_ascii_digit());
    let digits = word.get(..end.unwrap_or(word.len()))?;
    digits.parse().ok().filter(|port| *port > 0)
}

fn put(pairs: &mut Pairs, name: &str, value: &str) {
    match pairs.iter_mut().find(|(held, _)| held == name) {
        Some((_, held)) => value.clone_into(held),
        None => pairs.push((name.to_owned(), value.to_owned())),
    }
}

/// Says whether JavaScript counts the character as white space.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(words: &[&str], file: &str) -> Result<Invocation, Error> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        read(&words, &|_| Ok(file.to_owned()))
    }

    fn of(words: &[&str]) -> Invocation {
        read_with(words, "").unwrap()
    }

    fn pairs(list: &[(&str, &str)]) -> Pairs {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        list.iter().map(owned).collect()
    }

    const URL: &str = "https://a.example/mcp";

    #[test]
    fn the_address_is_the_first_word_that_is_no_header() {
        let read = of(&["--header", "A: 1", URL, "--header", "B:2", "3334x"]);
        assert_eq!(read.url, URL);
        assert_eq!(read.port, Some(3334));
        assert_eq!(read.headers, pairs(&[("A", "1"), ("B", "2")]));
        assert_eq!(
            of(&["HTTPS://A.example:443/mcp"]).url,
            "HTTPS://A.example:443/mcp"
        );
        for (words, wanted) in [
            (&["--allow-http", URL][..], "is not a URL"),
            (&[], "no server"),
            (&["--header", "A: 1"], "no server"),
            (&[URL, "--help"], "help"),
        ] {
            let error = read_with(words, "").unwrap_err().to_string();
            assert!(error.contains(wanted), "{words:?}: {error}");
        }
    }

    #[test]
    fn ports_are_read_as_parse_int_reads() {
        for (word, wanted) in [
            ("3334", Some(3334)),
            (" 12", Some(12)),
            ("0", None),
            ("--host", None),
            ("70000", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(of(&[URL, word]).port, wanted, "{word:?}");
        }
    }

    #[test]
    fn headers_are_lines_of_one_kind_only() {
        for (line, wanted) in [
            ("A:b", Some(("A", "b"))),
            ("A:  b ", Some(("A", "b "))),
            ("A:\u{feff}\u{a0}b", Some(("A", "b"))),
            ("A:\n b", Some(("A", "b"))),
            ("A: ${X}:y", Some(("A", "${X}:y"))),
            ("A:", Some(("A", ""))),
            (" A: b", None),
            ("A B: c", None),
            (": c", None),
            ("A", None),
            ("A: b\nc", None),
            ("Ä: b", None),
        ] {
            assert_eq!(header(line), wanted, "{line:?}");
        }
        // Of two headers of the same name and case the later counts. A name in another case is another header.
        let read = of(&[
            URL, "--header", "A: 1", "--header", "a: 2", "--header", "A: 3",
        ]);
        assert_eq!(read.headers, pairs(&[("A", "3"), ("a", "2")]));
        let file = "# no\r\n A: 4 \r\n\r\nnot one\nB: 5";
        let read = read_with(&["--header-file", "f", URL, "--header", "B: 6"], file).unwrap();
        assert_eq!(read.headers, pairs(&[("A", "4"), ("B", "6")]));
        let words = ["--header-file".to_owned(), "f".to_owned(), URL.to_owned()];
        let missing = super::read(&words, &|_| Err(io::ErrorKind::NotFound.into()));
        assert!(matches!(missing, Err(Error::HeaderFile { .. })));
    }

    #[test]
    fn a_value_flag_takes_the_next_word_and_the_first_flag_counts() {
        let read = of(&[
            URL,
            "--resource",
            " https://r.example/ ",
            "--resource",
            "https://s.example/",
        ]);
        assert_eq!(read.resource.as_deref(), Some("https://r.example/"));
        assert_eq!(of(&[URL, "--resource"]).resource, None);
        assert!(of(&[URL, "--resource", ""]).omits_resource);
        let both = of(&[
            URL,
            "--resource",
            "https://r.example/",
            "--disable-resource-parameter",
        ]);
        assert!(both.omits_resource && both.resource.is_none());
        assert!(read_with(&[URL, "--resource", "--debug"], "").is_err());
        // mcp-remote does not know --flag=value.
        assert_eq!(of(&[URL, "--resource=https://r.example/"]).resource, None);
        assert_eq!(of(&[URL, "--unknown", "x", "--header"]).headers, []);
        // Headers are taken out first, which joins words that were apart.
        let joined = of(&[URL, "--resource", "--header", "A: 1", "https://r.example/"]);
        assert_eq!(joined.resource.as_deref(), Some("https://r.example/"));
    }

    #[test]
    fn parameters_are_pairs_and_some_are_reserved() {
        let read = of(&[
            URL,
            "--authorize-param",
            "b=1=2",
            "--authorize-param",
            " a =",
            "--authorize-param",
            "b=3",
        ]);
        assert_eq!(read.authorize_params, pairs(&[("b", "3"), ("a", "")]));
        for bad in ["x", "=y", "state=1", " code_challenge =1"] {
            assert!(
                read_with(&[URL, "--authorize-param", bad], "").is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn addresses_in_the_key_are_checked_as_it_checks_them() {
        for (url, is_one) in [
            ("https://c.example/cimd.json", true),
            (" https://c.example/x ", true),
            ("https://c.example/", false),
            ("http://c.example/x", false),
            ("x", false),
        ] {
            let read = of(&[URL, "--client-metadata-url", url]);
            assert_eq!(read.client_metadata_url.is_some(), is_one, "{url}");
        }
        let endpoint = |url: &str| {
            let words = [URL, "--client-credentials", "--token-endpoint", url];
            read_with(&words, "").map(|read| read.token_endpoint.unwrap_or_default())
        };
        assert_eq!(
            endpoint("HTTPS://Auth.example.com").unwrap(),
            "https://auth.example.com/"
        );
        assert_eq!(endpoint("http://[::1]:1/t").unwrap(), "http://[::1]:1/t");
        for bad in [
            "http://a.example/t",
            "https://u@a.example/t",
            "https://a.example/t#x",
            "--x",
            "x",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        assert!(read_with(&[URL, "--token-endpoint", "https://a.example/t"], "").is_err());
    }
}
