//! The first entry of a recording and of a log at debug: the facts that its reader needs.

use serde_json::{Value, json};
use url::Url;

use crate::cli::{BridgeOptions, given_flags};

/// Returns version and system, the server by its origin, and the flags by their names.
pub fn about(url: Option<&str>) -> Value {
    #[expect(
        clippy::disallowed_methods,
        reason = "the names are told of what was given in words and variables, and no values"
    )]
    let flags = given_flags(
        std::env::args_os().skip(1),
        std::env::vars_os().filter_map(|(name, value)| (!value.is_empty()).then_some(name)),
    );
    let url = url.and_then(|url| Url::parse(url).ok());
    json!({
        "mcpipe": env!("CARGO_PKG_VERSION"),
        "platform": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "server": url.map(|url| url.origin().ascii_serialization()),
        "flags": flags,
    })
}

/// Returns the facts of [`about`] for a recording, with the eras that the bridge is to speak and whether contents are kept.
pub(super) fn recorded(url: &Url, options: &BridgeOptions) -> Value {
    let mut about = about(Some(url.as_str()));
    if let Some(about) = about.as_object_mut() {
        let protocol = format!("{:?}", options.protocol).to_lowercase();
        let content = if options.record_content {
            "kept"
        } else {
            "shapes"
        };
        about.insert("protocol".to_owned(), protocol.into());
        about.insert("content".to_owned(), content.into());
    }
    about
}
