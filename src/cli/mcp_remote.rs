//! mcpipe's reading of a command line of mcp-remote.

use clap::CommandFactory as _;

use crate::cli::arguments::{BridgeArgs, Cli};
use crate::cli::parse::parse;
use crate::cli::usage_error::ParseError;

/// Returns the bridge's arguments for the words of an mcp-remote command line. As in mcp-remote, unknown words are
/// passed over, flags of mcpipe's that mcp-remote does not have among them, and a value flag at the end counts for
/// nothing.
///
/// # Errors
/// A value that a flag cannot take.
pub fn as_bridge(words: &[String]) -> Result<BridgeArgs, ParseError> {
    let command = Cli::command();
    let known = |name: &str| {
        command.get_arguments().any(|argument| {
            argument.get_long() == Some(name)
                || argument
                    .get_all_aliases()
                    .is_some_and(|aliases| aliases.contains(&name))
        })
    };
    let mut arguments = vec!["mcpipe".to_owned()];
    let mut places = 0;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else {
            // The first place is the address; the second may be a port.
            let is_wanted = places == 0 || (places == 1 && word.parse::<u16>().is_ok());
            if is_wanted && !word.starts_with('-') {
                arguments.push(word.clone());
            }
            places += 1;
            continue;
        };
        if WITH_VALUES.contains(&name) {
            let value = words.next().filter(|_| known(name));
            arguments.extend(value.map(|value| format!("--{name}={value}")));
        } else if SWITCHES.contains(&name) && known(name) {
            arguments.push(word.clone());
        }
    }
    let cli = parse(arguments.into_iter().map(Into::into))?;
    Ok(cli.bridge)
}

/// mcp-remote's own flags with a value.
const WITH_VALUES: [&str; 19] = [
    "header",
    "header-file",
    "ignore-tool",
    "auth-timeout",
    "connect-timeout",
    "headers-timeout",
    "body-timeout",
    "ping-interval",
    "transport",
    "protocol",
    "host",
    "callback-path",
    "auth-success-url",
    "static-oauth-client-metadata",
    "static-oauth-client-info",
    "client-metadata-url",
    "token-endpoint",
    "resource",
    "authorize-param",
];

/// mcp-remote's own flags without a value.
const SWITCHES: [&str; 12] = [
    "allow-http",
    "clean",
    "client-credentials",
    "debug",
    "device-code",
    "disable-cookies",
    "disable-resource-parameter",
    "enable-proxy",
    "ipv4",
    "keep-alive",
    "silent",
    "use-id-token",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(line: &str) -> BridgeArgs {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        as_bridge(&words).unwrap()
    }

    #[test]
    fn a_command_line_of_mcp_remote_is_one_of_ours() {
        let read = bridge(
            "https://a.example/mcp 3334 --host 127.0.0.1 --resource https://r.example/ --header A:--b \
             --authorize-param a=b --enable-proxy --clean --allow-http --debug --transport sse-first --auth-timeout 60 \
             --callback-path /cb --client-metadata-url https://c.example/c.json --disable-cookies --ipv4 --keep-alive \
             --connect-timeout 5 --headers-timeout 6 --body-timeout 7 --ping-interval 8 --nonsense --header",
        );
        let sign_in = &read.target.sign_in;
        assert_eq!(read.target.url.as_deref(), Some("https://a.example/mcp"));
        assert_eq!(read.callback_port(), Some(3334));
        assert_eq!(sign_in.callback_host.as_deref(), Some("127.0.0.1"));
        assert_eq!(sign_in.callback_path.as_deref(), Some("/cb"));
        assert_eq!(sign_in.resource.as_deref(), Some("https://r.example/"));
        assert_eq!(sign_in.authorize_params, ["a=b"]);
        assert_eq!(read.target.network.headers, ["A:--b"]);
        assert!(read.compat.enable_proxy && read.compat.warning().is_some());
    }

    #[test]
    fn what_it_does_not_know_is_passed_over() {
        let read = bridge("https://a.example/mcp --foo bar --baz 17 x y");
        assert_eq!(read.target.url.as_deref(), Some("https://a.example/mcp"));
        assert_eq!(read.callback_port(), None);
    }
}
