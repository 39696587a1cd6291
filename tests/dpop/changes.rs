//! Tokens where one server knows DPoP and another does not, and where a server changes its policy.

use serde_json::json;

use super::*;
use crate::support::authority::Reply as Document;

#[tokio::test]
async fn auto_binds_where_both_servers_know_it_and_the_resource_may_say_so_in_either_way() {
    let algorithms = json!({ "dpop_signing_alg_values_supported": ["RS256", "ES256"] });
    let others = json!({ "dpop_signing_alg_values_supported": ["RS256"] });
    let required = json!({ "dpop_bound_access_tokens_required": true });
    for (what, challenges, metadata, offers, bound) in [
        ("by its challenge", true, &json!({}), true, true),
        ("by its metadata", false, &algorithms, true, true),
        ("by its metadata, insisting", false, &required, true, true),
        ("with other algorithms only", false, &others, true, false),
        ("not at all", false, &json!({}), true, false),
        ("but the authority does not", true, &required, false, false),
    ] {
        let guarded = Guarded::new().await;
        guarded
            .authority
            .configure(|options| options.offers_dpop = offers);
        let mut document = json!({
            "resource": guarded.server.url(),
            "authorization_servers": [guarded.authority.origin],
        });
        for (name, value) in metadata.as_object().unwrap() {
            document[name] = value.clone();
        }
        guarded.authority.serve(PLACE, Document::Json(document));
        let mut challenge = guarded.challenge();
        challenge.takes_dpop = challenges;
        let authorizer = guarded.authorizer(Dpop::Auto);
        let credential = authorizer.renew(None, &challenge).await.unwrap();

        assert_eq!(guarded.takes(&credential), 200, "{what}");
        assert_eq!(guarded.entry().await.is_bound(), bound, "{what}");
        let asked = &guarded.authority.at("/authorize")[0];
        assert_eq!(asked.field("dpop_jkt").is_some(), bound, "{what}");
        let token = &guarded.authority.at("/token")[0];
        assert_eq!(token.headers.contains_key("dpop"), bound, "{what}");
    }
}

/// `mcpipe login` at a server that asks for nothing at first: what it took before is all that is known.
#[tokio::test]
async fn a_server_that_says_nothing_is_taken_by_what_it_took_before() {
    let guarded = Guarded::new().await;
    let silent = mcpipe::auth::oauth::challenge::Challenge {
        status: 0,
        takes_dpop: false,
        ..guarded.challenge()
    };
    let authorizer = guarded.authorizer(Dpop::Auto);
    authorizer.login(&silent).await.unwrap();
    assert!(!guarded.entry().await.is_bound());
    authorizer.login(&guarded.challenge()).await.unwrap();
    assert!(guarded.entry().await.is_bound());
    authorizer.login(&silent).await.unwrap();
    assert!(guarded.entry().await.is_bound());
}

#[tokio::test]
async fn an_id_token_is_bound_to_nothing_and_nothing_is_asked_for_with_it() {
    let guarded = Guarded::new().await;
    let mut settings = guarded.settings(Dpop::Auto);
    settings.use_id_token = true;
    let authorizer = guarded.authorizer_with(settings);
    let challenge = guarded.challenge();
    authorizer.renew(None, &challenge).await.unwrap();
    let asked = &guarded.authority.at("/authorize")[0];
    assert_eq!(asked.field("dpop_jkt"), None);
    assert!(!guarded.entry().await.is_bound());
}

#[tokio::test]
async fn require_needs_no_word_of_the_resource_and_off_listens_to_nobody() {
    let guarded = Guarded::new().await;
    let mut challenge = guarded.challenge();
    challenge.takes_dpop = false;
    let authorizer = guarded.authorizer(Dpop::Require);
    authorizer.renew(None, &challenge).await.unwrap();
    assert!(guarded.entry().await.is_bound());

    let guarded = Guarded::new().await;
    guarded.signed_in(Dpop::Off).await;
    assert!(!guarded.entry().await.is_bound());
    assert!(
        !guarded.authority.at("/token")[0]
            .headers
            .contains_key("dpop")
    );
}

#[tokio::test]
async fn require_where_it_is_not_offered_says_so_before_anybody_is_asked() {
    let guarded = Guarded::new().await;
    guarded
        .authority
        .configure(|options| options.offers_dpop = false);
    let authorizer = guarded.authorizer(Dpop::Require);
    let error = authorizer
        .renew(None, &guarded.challenge())
        .await
        .unwrap_err();
    let bridge_error = error.to_bridge_error();
    assert!(
        bridge_error.message.contains("does not offer DPoP"),
        "{}",
        bridge_error.message
    );
    assert!(
        bridge_error
            .hint
            .unwrap()
            .contains("leave out --dpop require")
    );
    assert!(!bridge_error.retryable);
    assert_eq!(guarded.windows(), 0);
    assert!(guarded.authority.at("/token").is_empty());
}

#[tokio::test]
async fn a_kept_sign_in_of_the_wrong_kind_is_a_new_sign_in() {
    for (before, after, is_new) in [
        (Dpop::Auto, Dpop::Off, true),
        (Dpop::Off, Dpop::Require, true),
        (Dpop::Off, Dpop::Auto, false),
        (Dpop::Auto, Dpop::Require, false),
        (Dpop::Require, Dpop::Auto, false),
    ] {
        let guarded = Guarded::new().await;
        guarded.signed_in(before).await;
        guarded.later(100);
        let next = guarded.authorizer(after);
        let held = next.current().await.unwrap();
        assert_eq!(held.is_none(), is_new, "{before:?} {after:?}");
        if is_new {
            let fresh = next.renew(None, &guarded.challenge()).await.unwrap();
            assert_eq!(guarded.takes(&fresh), 200);
            let kept = status(&guarded.vault).await.unwrap();
            let latest = kept.iter().max_by_key(|kept| kept.obtained_at).unwrap();
            assert_eq!(latest.is_bound, after == Dpop::Require);
        }
        assert_eq!(
            guarded.windows(),
            1 + usize::from(is_new),
            "{before:?} {after:?}"
        );
        assert!(guarded.authority.grants("refresh_token").is_empty());
    }
}

/// Two hosts with another `--dpop` each: what one keeps is not what the other takes the place of.
#[tokio::test]
async fn those_who_differ_about_dpop_keep_a_sign_in_each() {
    for (one, other) in [
        (Dpop::Require, Dpop::Off),
        (Dpop::Off, Dpop::Require),
        (Dpop::Auto, Dpop::Off),
    ] {
        let guarded = Guarded::new().await;
        guarded.signed_in(one).await;
        guarded.later(100);
        guarded.signed_in(other).await;
        assert_eq!(guarded.windows(), 2);
        for _ in 0..2 {
            guarded.later(4000);
            for dpop in [one, other] {
                let held = guarded.authorizer(dpop).current().await.unwrap();
                assert_eq!(guarded.takes(&held.unwrap()), 200, "{one:?} {other:?}");
            }
        }
        assert_eq!(guarded.windows(), 2, "{one:?} {other:?}");
        let kept = status(&guarded.vault).await.unwrap();
        let bound = kept.iter().filter(|kept| kept.is_bound).count();
        assert_eq!((kept.len(), bound), (2, 1), "{one:?} {other:?}");
        let renewed = guarded.authority.grants("refresh_token");
        assert_eq!(renewed.len(), 4, "each its own");
    }
}

/// The renewal of a bound sign-in brings a bearer token: no process uses it, not once.
#[tokio::test]
async fn a_server_that_stops_offering_dpop_is_an_error_under_require_and_a_new_sign_in_under_auto()
{
    for (dpop, ends_well) in [(Dpop::Require, false), (Dpop::Auto, true)] {
        let guarded = Guarded::new().await;
        let bound = guarded.signed_in(dpop).await;
        guarded
            .authority
            .configure(|options| options.offers_dpop = false);
        guarded.later(4000);

        let authorizer = guarded.authorizer(dpop);
        let held = authorizer.current().await.unwrap();
        assert!(
            held.is_none(),
            "{dpop:?}: a bearer token in the place of a bound one"
        );
        assert_eq!(guarded.authority.grants("refresh_token").len(), 1);
        let downgraded = guarded.authority.access_tokens().pop().unwrap();
        let entry = guarded.entry().await;
        assert!(
            entry.is_bound() && !entry.access.same_as(&downgraded),
            "{dpop:?}"
        );
        assert_eq!(guarded.windows(), 1);

        let ended = authorizer.renew(Some(&bound), &guarded.challenge()).await;
        let entry = guarded.entry().await;
        match ended {
            Ok(credential) => {
                assert!(ends_well);
                assert_eq!(guarded.takes(&credential), 200);
                assert!(!entry.is_bound());
            }
            Err(error) => {
                assert!(!ends_well, "{error}");
                let bridge_error = error.to_bridge_error();
                assert!(
                    bridge_error.message.contains("does not offer DPoP"),
                    "{error}"
                );
                assert!(bridge_error.hint.unwrap().contains("--dpop require"));
                assert!(entry.is_bound());
            }
        }
        assert_eq!(guarded.windows(), 1 + usize::from(ends_well));
        // The spent refresh token is not tried again.
        assert_eq!(guarded.authority.grants("refresh_token").len(), 1);
        assert!(
            !entry.access.same_as(&downgraded),
            "{dpop:?}: it came unasked for"
        );
    }
}

/// The same, met by a challenge while the access token ought to be good.
#[tokio::test]
async fn a_resource_that_takes_bearer_tokens_only_from_now_on_gets_one_by_a_new_sign_in() {
    let guarded = Guarded::new().await;
    let authorizer = guarded.authorizer(Dpop::Auto);
    let bound = authorizer.renew(None, &guarded.challenge()).await.unwrap();
    guarded.later(100);
    let mut challenge = guarded.challenge();
    challenge.takes_dpop = false;

    // First another token of the same kind; then, as that is refused too, a person.
    let renewed = authorizer.renew(Some(&bound), &challenge).await.unwrap();
    assert!(guarded.entry().await.is_bound());
    assert_eq!(guarded.windows(), 1);
    let bearer = authorizer.renew(Some(&renewed), &challenge).await.unwrap();
    assert_eq!(guarded.windows(), 2);
    assert!(!guarded.entry().await.is_bound());
    assert_eq!(guarded.takes(&bearer), 200);
}

#[tokio::test]
async fn a_bearer_token_for_a_proof_is_taken_under_auto_and_refused_under_require() {
    for (dpop, is_taken) in [(Dpop::Auto, true), (Dpop::Require, false)] {
        let guarded = Guarded::new().await;
        guarded.authority.configure(|options| options.binds = false);
        let authorizer = guarded.authorizer(dpop);
        let ended = authorizer.renew(None, &guarded.challenge()).await;
        match ended {
            Ok(credential) => {
                assert!(is_taken);
                assert!(!guarded.entry().await.is_bound());
                assert_eq!(guarded.takes(&credential), 200);
                guarded.later(4000);
                let next = guarded.authorizer(dpop);
                next.current().await.unwrap().unwrap();
                let refresh = &guarded.authority.grants("refresh_token")[0];
                assert!(!refresh.headers.contains_key("dpop"), "the key was dropped");
            }
            Err(error) => {
                assert!(!is_taken, "{error}");
                assert!(error.to_string().contains("bearer token"), "{error}");
                assert!(error.hint().unwrap().contains("--dpop require"));
                assert!(status(&guarded.vault).await.unwrap().is_empty());
            }
        }
    }
}

/// An entry of before there were keys.
#[tokio::test]
async fn an_entry_without_a_key_is_read_as_before() {
    let guarded = Guarded::new().await;
    guarded.signed_in(Dpop::Off).await;
    let text = guarded.entry().await.write();
    assert!(!text.expose().contains("dpop"), "{}", text.expose());
    assert!(text.expose().contains(r#""token_type":"Bearer""#));
    assert!(!TokenRecord::read(&text).unwrap().is_bound());
}
