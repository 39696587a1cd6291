//! Who may end a sign-in that a helper does.

use serde_json::json;

use super::{Machine, answer, session};
use crate::support::browser;
use crate::support::host::INITIALIZE;

#[tokio::test]
async fn forged_callbacks_are_turned_away_and_the_sign_in_completes() {
    let machine = Machine::new().await;
    let mut host = machine.start();
    let person = async {
        let back = browser::sent_to(&machine.page(1).await).await;
        let with_query = |query: &str| {
            let mut forged = back.clone();
            forged.set_query(Some(query));
            forged
        };
        let mut elsewhere = back.clone();
        elsewhere.set_path("/cb/guess");
        let posted = browser::send(&with_query("code=x&state=y"), "POST", &[]).await;
        assert_eq!(posted.status, 400);
        for (name, forged) in [
            ("no state", with_query("code=x")),
            ("wrong state", with_query("code=x&state=y")),
            ("an error of somebody's", with_query("error=access_denied")),
            ("another path", elsewhere),
        ] {
            let page = browser::visit(&forged).await;
            assert!((400..500).contains(&page.status), "{name}: {}", page.status);
        }
        for (name, method, headers) in [
            ("put", "PUT", &[][..]),
            ("another host", "GET", &[("Host", "evil.example")][..]),
            (
                "from a page",
                "GET",
                &[("Origin", "https://evil.example")][..],
            ),
        ] {
            let page = browser::send(&back, method, headers).await;
            assert!((400..500).contains(&page.status), "{name}: {}", page.status);
        }
        browser::visit(&back).await
    };
    let (answer, page) = tokio::join!(session(&mut host), person);
    assert!(answer["result"].is_object(), "{answer}");
    assert!(page.body.contains("You are signed in"), "{}", page.body);
    assert_eq!(machine.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn an_answer_with_our_state_from_another_issuer_ends_it_and_its_code_is_never_spent() {
    for (name, iss) in [("wrong", Some("https://evil.example")), ("missing", None)] {
        let machine = Machine::new().await;
        machine.authority.configure(|options| {
            options.iss = iss.map(str::to_owned);
            options.metadata = json!({"authorization_response_iss_parameter_supported": true});
        });
        let mut host = machine.start();
        host.send(INITIALIZE).await;
        let page = browser::follow(&machine.page(1).await).await;
        assert!(page.body.contains("did not work"), "{name}: {}", page.body);
        let refused = answer(&mut host, 0).await;
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("did not come from"), "{name}: {message}");
        assert!(machine.authority.at("/token").is_empty(), "{name}");
    }
}
