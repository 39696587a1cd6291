use super::*;

fn pending(sends_issuer: bool) -> PendingAuthorization {
    PendingAuthorization {
        url: Url::parse("https://as.example.com/authorize").unwrap(),
        state: Secret::new("s3cret"),
        verifier: Secret::new("v"),
        nonce: None,
        issuer: "https://as.example.com".to_owned(),
        sends_issuer,
        host: "as.example.com".to_owned(),
        redirect_uri: "http://127.0.0.1:1/cb".to_owned(),
    }
}

fn outcome(sends_issuer: bool, query: &str) -> &'static str {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    word(&pending(sends_issuer).verify(&pairs))
}

fn word(callback: &Callback) -> &'static str {
    match callback {
        Callback::NotOurs => "not ours",
        Callback::Code(_) => "code",
        Callback::Failed(Error::ForeignAnswer { .. }) => "foreign",
        Callback::Failed(Error::Denied { .. }) => "denied",
    }
}

/// Returns the parameters of a request to a provider that a test cannot visit.
fn asked(issuer: &str, host: &str, scope: &str) -> Vec<(String, String)> {
    let metadata = serde_json::json!({
        "issuer": issuer,
        "authorization_endpoint": format!("https://{host}/o/oauth2/v2/auth?hl=en"),
        "token_endpoint": format!("https://{host}/token"),
    });
    let now = crate::clock::Clock::new(|| std::time::SystemTime::UNIX_EPOCH);
    let settings = Settings::new("https://mcp.example.com/mcp", now).unwrap();
    let guard = crate::auth::net::guard::Guard::new(&settings.url, false, false);
    let http =
        crate::auth::net::http::Http::new(crate::tls::config(Vec::new(), false).unwrap(), guard);
    let server = AuthorizationServer::of_document(&http, &metadata);
    let client = Client {
        id: "desktop".to_owned(),
        secret: None,
        method: crate::auth::client::Method::None,
        header_only: false,
        other: None,
        source: crate::auth::oauth::registration::ClientSource::Given,
        signing: None,
    };
    let scope = Scopes::parse(scope);
    let prompts = crate::auth::oauth::prompt::Prompts::new(&server, &settings, Some(&scope), false);
    let request = AuthorizationRequest {
        server: &server,
        client: &client,
        redirect_uri: "http://127.0.0.1:1/oauth/callback",
        resource: None,
        scope: Some(&scope),
        key: None,
        prompt: prompts.value(),
    };
    let pending = begin(&request, &settings, Secret::new("state")).unwrap();
    pending.url().query_pairs().into_owned().collect()
}

#[test]
fn google_is_asked_for_offline_access_without_any_flag() {
    let asked = asked("https://accounts.google.com", "accounts.google.com", "a");
    for (name, value) in [
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("scope", "a"),
        ("hl", "en"),
        ("code_challenge_method", "S256"),
    ] {
        let pair = (name.to_owned(), value.to_owned());
        assert_eq!(
            asked.iter().filter(|one| **one == pair).count(),
            1,
            "{name}"
        );
    }
}

#[test]
fn openid_comes_with_a_nonce_and_only_then() {
    let issuer = "https://login.microsoftonline.com/common/v2.0";
    for (scope, wanted) in [("openid api://x/y", 1), ("api://x/y", 0)] {
        let asked = asked(issuer, "login.microsoftonline.com", scope);
        let nonces = asked.iter().filter(|(name, _)| name == "nonce");
        assert_eq!(nonces.count(), wanted, "{scope}");
    }
}

#[test]
fn what_is_pasted_is_judged_as_what_comes_by_itself() {
    let here = "http://127.0.0.1:1/cb";
    for (advertised, text, wanted) in [
        (false, format!("{here}?code=c&state=s3cret"), "code"),
        (false, format!("  '{here}?code=c&state=s3cret'\n"), "code"),
        (false, "code=c&state=s3cret".to_owned(), "code"),
        (false, "?code=c&state=s3cret".to_owned(), "code"),
        (false, "0.AXoA-code".to_owned(), "code"),
        (true, "0.AXoA-code".to_owned(), "not ours"),
        (true, format!("{here}?code=c&state=s3cret"), "foreign"),
        (
            true,
            format!("{here}?code=c&state=s3cret&iss=https://as.example.com"),
            "code",
        ),
        (false, format!("{here}?code=c&state=other"), "not ours"),
        (false, format!("{here}?code=c"), "not ours"),
        (false, "code=c".to_owned(), "not ours"),
        (false, format!("{here}2?code=c&state=s3cret"), "not ours"),
        (
            false,
            "http://127.0.0.1:2/cb?code=c&state=s3cret".to_owned(),
            "not ours",
        ),
        (
            false,
            "https://as.example.com/authorize?state=s3cret".to_owned(),
            "not ours",
        ),
        (false, String::new(), "not ours"),
        (false, "two words".to_owned(), "not ours"),
    ] {
        let callback = pending(advertised).verify_pasted(&text);
        assert_eq!(word(&callback), wanted, "{advertised} {text}");
    }
}

#[test]
fn state_comes_before_iss_and_iss_before_all_else() {
    let iss = "iss=https%3A%2F%2Fas.example.com";
    for (advertised, query, wanted) in [
        (true, format!("code=c&state=s3cret&{iss}"), "code"),
        (true, "code=c&state=s3cret".to_owned(), "foreign"),
        (false, format!("code=c&state=s3cret&{iss}"), "code"),
        (false, "code=c&state=s3cret".to_owned(), "code"),
        (
            false,
            "code=c&state=s3cret&iss=https://as.example.com/".to_owned(),
            "foreign",
        ),
        (
            false,
            "code=c&state=s3cret&iss=https://AS.example.com".to_owned(),
            "foreign",
        ),
        (
            false,
            "code=c&state=s3cret&iss=https://as.example.com:443".to_owned(),
            "foreign",
        ),
        (false, "code=c&state=s3cret&iss=".to_owned(), "foreign"),
        (true, format!("code=c&state=s3cret&{iss}&{iss}"), "foreign"),
        (
            false,
            "error=access_denied&state=s3cret&iss=https://evil.example".to_owned(),
            "foreign",
        ),
        (
            false,
            "error=access_denied&state=s3cret".to_owned(),
            "denied",
        ),
        (
            false,
            "error=access_denied&code=c&state=s3cret".to_owned(),
            "denied",
        ),
        (false, "error=&code=c&state=s3cret".to_owned(), "code"),
        (false, "error=null&code=c&state=s3cret".to_owned(), "code"),
        (false, "error=&code=&state=s3cret".to_owned(), "denied"),
        (false, "error=&state=s3cret".to_owned(), "denied"),
        (
            false,
            "error=&error=access_denied&code=c&state=s3cret".to_owned(),
            "denied",
        ),
        (false, "state=s3cret".to_owned(), "denied"),
        (false, "code=a&code=b&state=s3cret".to_owned(), "denied"),
        (false, "code=c".to_owned(), "not ours"),
        (false, "code=c&state=".to_owned(), "not ours"),
        (false, "code=c&state=s3creT".to_owned(), "not ours"),
        (
            false,
            "code=c&state=s3cret&state=s3cret".to_owned(),
            "not ours",
        ),
        (false, "error=access_denied".to_owned(), "not ours"),
        (true, format!("error=access_denied&{iss}"), "not ours"),
    ] {
        assert_eq!(outcome(advertised, &query), wanted, "{advertised} {query}");
    }
}
