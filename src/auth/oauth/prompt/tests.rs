use super::*;
use serde_json::{Value, json};

fn prompts(issuer: &str, over: &Value, scope: &str, settings: &Settings) -> Vec<String> {
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
    });
    for (name, value) in over.as_object().unwrap() {
        metadata[name.as_str()] = value.clone();
    }
    let guard = crate::auth::net::guard::Guard::new(&settings.url, false, false);
    let tls = crate::tls::config(Vec::new(), false).unwrap();
    let http = crate::auth::net::http::Http::new(tls, guard);
    let server = AuthorizationServer::of_document(&http, &metadata);
    let scope = Scopes::parse(scope);
    Prompts::new(&server, settings, Some(&scope), true)
        .wanted
        .into()
}

fn settings() -> Settings {
    let now = crate::clock::Clock::new(|| std::time::SystemTime::UNIX_EPOCH);
    Settings::new("https://mcp.example.com/mcp", now).unwrap()
}

#[test]
fn a_second_account_is_chosen_where_the_server_understands_it() {
    let openid = json!({"subject_types_supported": ["public"]});
    let listed = |values: &[&str]| json!({"subject_types_supported": ["public"], "prompt_values_supported": values});
    let plain = "https://as.example.com";
    for (issuer, over, scope, wanted) in [
        (plain, json!({}), "a", vec![""]),
        (
            plain,
            openid.clone(),
            "a",
            vec!["select_account", "login", ""],
        ),
        (
            plain,
            json!({}),
            "openid",
            vec!["select_account", "login", ""],
        ),
        (
            plain,
            json!({"scopes_supported": ["a", "openid"]}),
            "a",
            vec!["select_account", "login", ""],
        ),
        (
            plain,
            openid.clone(),
            "a offline_access",
            vec![
                "select_account consent",
                "login consent",
                "login",
                "consent",
                "",
            ],
        ),
        (
            plain,
            listed(&["none", "login", "consent"]),
            "a offline_access",
            vec!["login consent", "login", "consent", ""],
        ),
        (plain, listed(&["none"]), "a offline_access", vec![""]),
        (plain, listed(&[]), "a", vec!["select_account", "login", ""]),
        // The server speaks OAuth alone, and its list says so.
        (
            plain,
            json!({"prompt_values_supported": ["select_account"]}),
            "a",
            vec!["select_account", ""],
        ),
        (
            "https://accounts.google.com",
            openid.clone(),
            "a",
            vec![
                "select_account consent",
                "login consent",
                "login",
                "consent",
                "",
            ],
        ),
        // Entra takes one value only (AADSTS90023).
        (
            "https://login.microsoftonline.com/common/v2.0",
            openid,
            "a offline_access",
            vec!["select_account", "login", "consent", ""],
        ),
        (
            "https://github.com/login/oauth",
            json!({}),
            "repo",
            vec!["select_account", "login", ""],
        ),
    ] {
        let found = prompts(issuer, &over, scope, &settings());
        assert_eq!(found, wanted, "{issuer} {over} {scope}");
    }
}

#[test]
fn the_users_word_goes_before_all_that() {
    let openid = json!({"subject_types_supported": ["public"]});
    let issuer = "https://as.example.com";
    let always = Settings {
        select_account: SelectAccount::Always,
        ..settings()
    };
    let found = prompts(issuer, &json!({}), "a", &always);
    assert_eq!(found, ["select_account", "login", ""]);
    let never = Settings {
        select_account: SelectAccount::Never,
        ..settings()
    };
    assert_eq!(prompts(issuer, &openid, "a", &never), [""]);
    let own = Settings {
        authorize_params: vec![("prompt".to_owned(), "create".to_owned())],
        ..always
    };
    assert!(prompts(issuer, &openid, "a", &own).is_empty());
}

#[test]
fn a_refusal_leads_to_the_next_value_if_it_may_be_of_the_prompt() {
    let of = |wanted: &[&str]| Prompts {
        wanted: wanted.iter().map(|it| (*it).to_owned()).collect(),
        selects: true,
    };
    let all = ["select_account consent", "login consent", "consent", ""];
    for (code, words, wanted) in [
        (
            "invalid_request",
            Some("unsupported prompt value requested"),
            Some("login consent"),
        ),
        ("account_selection_required", None, Some("login consent")),
        ("invalid_request", None, Some("consent")),
        ("access_denied", Some("the user closed the prompt"), None),
        ("server_error", None, None),
    ] {
        let mut prompts = of(&all);
        let goes_on = prompts.refused(code, words);
        assert_eq!(goes_on.then(|| prompts.value()).flatten(), wanted, "{code}");
    }
    let mut bare = of(&["login", "consent", ""]);
    assert!(bare.refused("invalid_request", Some("prompt")));
    assert_eq!(bare.value(), None);
    let mut consent = of(&["consent", ""]);
    assert!(!consent.refused("invalid_request", None));
    assert!(consent.refused("invalid_request", Some("prompt")));
    assert_eq!(consent.value(), None);
    assert!(!consent.refused("invalid_request", Some("prompt")));
}
