use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn remote(transport: Transport, url: &str, variables: &[&str], headers: &[&str]) -> Remote {
    Remote {
        transport,
        url: url.to_owned(),
        variables: variables.iter().map(ToString::to_string).collect(),
        headers: headers.iter().map(ToString::to_string).collect(),
    }
}

fn plain(url: &str) -> Remote {
    remote(Transport::StreamableHttp, url, &[], &[])
}

fn found(cards: &[Vec<Remote>]) -> Findings {
    found_with(cards, &Given::Names(vec!["x-given".to_owned()]))
}

fn found_with(cards: &[Vec<Remote>], given: &Given) -> Findings {
    let mut findings = Findings::default();
    for remotes in cards {
        let card = Card {
            name: String::new(),
            remotes: remotes.clone(),
        };
        let https = |url: &Url| url.scheme() == "https";
        findings.add(&card, "entry", &url("https://example.com/"), given, https);
    }
    findings
}

fn verdict(findings: &Findings) -> String {
    match findings.verdict(&url("https://example.com/"), None) {
        Verdict::Use(it) => format!("use {}", it.url),
        Verdict::Foreign(it) => format!("foreign {}", it.url),
        other => format!("{other:?}"),
    }
}

#[test]
fn one_endpoint_on_the_site_is_used_and_another_is_asked_about() {
    for (remotes, wanted) in [
        (
            vec![plain("https://mcp.example.com/mcp")],
            "use https://mcp.example.com/mcp",
        ),
        (
            vec![plain("https://other.example/mcp")],
            "foreign https://other.example/mcp",
        ),
        // The older transport of the same server.
        (
            vec![
                remote(Transport::Sse, "https://example.com/sse", &[], &[]),
                plain("https://example.com/mcp"),
            ],
            "use https://example.com/mcp",
        ),
        (
            vec![remote(Transport::Sse, "https://example.com/sse", &[], &[])],
            "use https://example.com/sse",
        ),
        // Endpoints by region.
        (
            vec![
                plain("https://eu.example.com/mcp"),
                plain("https://us.example.com/mcp"),
            ],
            "Several",
        ),
        // What may not be visited, what is no address, and what has answered 404 already.
        (
            vec![
                plain("http://example.com/mcp"),
                plain("no address"),
                plain("https://example.com/"),
            ],
            "Nothing",
        ),
        (
            vec![remote(
                Transport::StreamableHttp,
                "https://{a}.example.com/",
                &["a"],
                &[],
            )],
            "Incomplete",
        ),
        (
            vec![remote(
                Transport::StreamableHttp,
                "https://example.com/mcp",
                &[],
                &["X-Key"],
            )],
            "Incomplete",
        ),
        // The user gives that header, and signing in gives the other.
        (
            vec![remote(
                Transport::StreamableHttp,
                "https://example.com/mcp",
                &[],
                &["X-Given", "Authorization"],
            )],
            "use https://example.com/mcp",
        ),
    ] {
        assert_eq!(
            verdict(&found(std::slice::from_ref(&remotes))),
            wanted,
            "{remotes:?}"
        );
    }
}

#[test]
fn of_several_servers_none_is_chosen() {
    let wanting = remote(
        Transport::StreamableHttp,
        "https://{a}.example.com/",
        &["a"],
        &[],
    );
    let one = plain("https://example.com/mcp");
    assert_eq!(
        verdict(&found(&[vec![one.clone()], vec![wanting.clone()]])),
        "Several"
    );
    // Two entries for one endpoint are one server.
    let same = found(&[vec![one.clone()], vec![one.clone()]]);
    assert_eq!(verdict(&same), "use https://example.com/mcp");
    // A card that cannot be read at present may be another server's.
    let mut unread = found(&[vec![one.clone()]]);
    unread
        .unread
        .push("https://example.com/card: 503".to_owned());
    assert_eq!(verdict(&unread), "Several");
    // A second endpoint of one server that wants more changes nothing.
    assert_eq!(
        verdict(&found(&[vec![one, wanting]])),
        "use https://example.com/mcp"
    );
}

#[test]
fn a_person_s_choice_counts_for_that_endpoint_only() {
    let findings = found(&[vec![plain("https://other.example/mcp")]]);
    let target = url("https://example.com/");
    let chosen = url("https://other.example/mcp");
    let is_used = |chosen: &Url| matches!(findings.verdict(&target, Some(chosen)), Verdict::Use(it) if it.url == *chosen);
    assert!(is_used(&chosen));
    assert!(!is_used(&url("https://other.example/mcp2")));
    assert!(!is_used(&url("https://other.example/")));
}

#[test]
fn headers_of_unknown_names_count_as_given() {
    let remotes = vec![remote(
        Transport::StreamableHttp,
        "https://example.com/mcp",
        &[],
        &["X-Key"],
    )];
    let findings = found_with(std::slice::from_ref(&remotes), &Given::Unknown);
    assert_eq!(verdict(&findings), "use https://example.com/mcp");
    let wanting = found(&[remotes]).incomplete.pop().unwrap();
    assert_eq!(
        (wanting.name.as_str(), wanting.headers),
        ("entry", vec!["X-Key".to_owned()])
    );
}

#[test]
fn an_address_that_a_shell_would_read_as_a_command_is_not_used() {
    for address in [
        "https://example.com/$(id)",
        "https://example.com/`id`",
        "https://example.com/;id",
        "https://example.com/mcp?a&id",
        "https://example.com/|id",
        "https://example.com/'id'",
        "https://example.com/!id",
        "https://example.com/mcp?$(id)",
    ] {
        let findings = found(&[vec![plain(address)]]);
        // The URL parser escapes some of these characters, and the address is harmless then.
        let is_harmless = |it: &Endpoint| {
            !it.url
                .as_str()
                .contains(['$', '`', ';', '&', '|', '\'', '!'])
        };
        assert!(findings.endpoints.iter().all(is_harmless), "{findings:?}");
    }
    let odd = "https://user.example.com/a-b_c~d.e%20f?g=h,i+j@k";
    let findings = found(&[vec![plain(odd)]]);
    assert_eq!(verdict(&findings), format!("use {odd}"));
}
