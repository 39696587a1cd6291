use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;

const HOSTILE: &str = "\"><script>alert('&1')</script><img src=x onerror=y>{{content}}`a`";

fn about() -> About {
    About {
        server: "https://mcp.example.com/mcp".to_owned(),
        host: "mcp.example.com".to_owned(),
        account: None,
        authority: "auth.example.com".to_owned(),
        application: Some("Claude Code".to_owned()),
        is_command: false,
        is_kept: true,
    }
}

fn ended_by(reason: Reason, hint: Option<&str>) -> Page {
    let hint = hint.map(str::to_owned);
    failed(&about(), &Ending { reason, hint })
}

fn refused_with(code: &str, description: &str, hint: Option<&str>) -> Page {
    let (code, description) = (code.to_owned(), Some(description.to_owned()));
    ended_by(Reason::Refused { code, description }, hint)
}

/// Every page, under the name of its file in `fixtures/pages`.
fn samples() -> Vec<(&'static str, Page)> {
    let about = about();
    let command = About {
        account: Some("work".to_owned()),
        is_command: true,
        ..about.clone()
    };
    let unnamed = About {
        server: format!("https://a.example/{}", "a-long-path/".repeat(12)),
        application: None,
        is_kept: false,
        ..about.clone()
    };
    let no_network = "https://auth.example.com/token cannot be reached";
    vec![
        ("signed-in", signed_in(&about)),
        ("signed-in-by-command", signed_in(&command)),
        ("signed-in-for-an-unnamed-host", signed_in(&unnamed)),
        (
            "declined",
            refused_with(
                "access_denied",
                "The resource owner denied the request.",
                None,
            ),
        ),
        (
            "refused",
            refused_with(
                "invalid_scope",
                "The requested scope is invalid, unknown, or malformed.",
                Some("--scope says what to ask for; '' asks for none"),
            ),
        ),
        ("spent", refused_with("invalid_grant", "", None)),
        (
            "failed",
            ended_by(Reason::Other(no_network.to_owned()), None),
        ),
        ("opened-twice", ended_by(Reason::OpenedTwice, None)),
        ("too-late", ended_by(Reason::TooLate, None)),
        ("opened-before", opened_before(&about)),
        ("over", over(&about)),
        ("other-browser", other_browser(&about)),
        ("not-the-answer", texts::not_the_answer()),
        ("not-here", texts::not_here()),
        ("ended", ended()),
        ("other-address", other_address()),
        ("no-navigation", no_navigation()),
        ("on-the-way", on_the_way()),
    ]
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is for the person who runs the tests"
)]
fn is_written_anew() -> bool {
    std::env::var_os("MCPIPE_PIN").is_some()
}

/// `MCPIPE_PIN=1 cargo test --lib loopback::pages` writes them anew. `tests/outside/pages.test.mjs` shows them in a browser.
#[test]
fn the_pages_are_those_of_the_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pages");
    let headers = page_of(StatusCode::OK, on_the_way()).headers().clone();
    let headers = headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap();
        format!("{name}: {value}\n")
    });
    let headers: String = headers.collect();
    let pages = samples().into_iter();
    let pages = pages.map(|(name, page)| (format!("{name}.html"), page.into_html()));
    let files: Vec<_> = pages.chain([("headers.txt".to_owned(), headers)]).collect();
    if is_written_anew() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &files {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in &files {
        let kept = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(&kept, text, "fixtures/pages/{name}");
    }
    let kept: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    assert_eq!(kept.len(), files.len(), "{kept:?}");
}

/// The only attributes are those of the layout: no word from outside opens an element or leaves one.
#[test]
fn words_from_outside_are_text_and_nothing_else() {
    let hostile = || HOSTILE.to_owned();
    let about = About {
        server: hostile(),
        host: hostile(),
        account: Some(hostile()),
        authority: hostile(),
        application: Some(hostile()),
        is_command: false,
        is_kept: true,
    };
    let refused = Reason::Refused {
        code: hostile(),
        description: Some(hostile()),
    };
    let ending = |reason| Ending {
        reason,
        hint: Some(hostile()),
    };
    for page in [
        signed_in(&about),
        failed(&about, &ending(refused)),
        failed(&about, &ending(Reason::Other(hostile()))),
        failed(&about, &ending(Reason::TooLate)),
        failed(&about, &ending(Reason::OpenedTwice)),
        opened_before(&about),
        over(&about),
        other_browser(&about),
    ] {
        let html = page.into_html();
        for part in ["<script", "<img", "onerror=y>", "alert('"] {
            assert!(!html.contains(part), "{html}");
        }
        assert!(html.contains("&lt;script&gt;alert(&#39;"), "{html}");
        assert_eq!(
            html.matches("<main").count(),
            1,
            "names are not filled in twice"
        );
    }
}

#[test]
fn the_policy_allows_the_style_of_the_page_and_nothing_else() {
    for (name, page) in samples() {
        let response = page_of(StatusCode::OK, page.clone());
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        let html = page.into_html();
        let (_, style) = html.split_once("<style>").unwrap();
        let (style, rest) = style.split_once("</style>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
            )
        );
        for word in [
            "style=", "<style", "<script", "href", "src=", "url(", "@import",
        ] {
            assert!(
                !rest.contains(word) && !style.contains(word),
                "{name}: {word}"
            );
        }
    }
}

/// A command holds the address as one word for a shell.
#[test]
fn commands_can_be_typed() {
    for (server, command) in [
        (
            "https://a.example/mcp",
            "mcpipe login https://a.example/mcp",
        ),
        ("http://[::1]:1/mcp", "mcpipe login 'http://[::1]:1/mcp'"),
        (
            "https://a.example/it's;$(x)",
            r"mcpipe login 'https://a.example/it'\''s;$(x)'",
        ),
    ] {
        let about = About {
            server: server.to_owned(),
            ..About::default()
        };
        assert_eq!(about.login(), command);
    }
}
