//! What a browser may do at the end of a sign-in.

use std::time::Duration;

use mcpipe::auth::{Credential, Error};
use url::Url;

use crate::coordination::{Machine, answer};
use crate::login::{World, unauthorized};
use crate::support::browser;
use crate::support::host::{INITIALIZE, Process};

/// Plays the person as far as the redirect, and hands it to `then`.
async fn at_the_redirect<T, F: Future<Output = T>>(
    world: &mut World,
    then: impl FnOnce(Url) -> F,
) -> (Result<Credential, Error>, T) {
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let person = async {
        let url = world.shown.recv().await.unwrap();
        then(browser::sent_to(&url).await).await
    };
    tokio::join!(authorizer.renew(None, &challenge), person)
}

#[tokio::test]
async fn a_consent_page_that_makes_the_browser_post_is_an_answer_too() {
    for name in ["the query of a 307", "a form"] {
        let mut world = World::new().await;
        let (credential, pages) = at_the_redirect(&mut world, |back| async move {
            let mut forged = back.clone();
            forged.set_query(Some("code=x&state=y"));
            let forged = browser::post_from_elsewhere(&forged, "consent=yes").await;
            // A browser that asks whether a page may talk to this machine says the same query first.
            let preflight = browser::send(&back, "OPTIONS", &[]).await;
            assert_eq!(preflight.status, 405, "{name}");
            let real = if name == "a form" {
                let mut bare = back.clone();
                bare.set_query(None);
                browser::post_from_elsewhere(&bare, back.query().unwrap()).await
            } else {
                browser::post_from_elsewhere(&back, "consent=yes&state=canary&password=canary")
                    .await
            };
            (forged, real)
        })
        .await;
        let (forged, real) = pages;
        assert_eq!(forged.status, 400, "{name}: {forged:?}");
        assert_eq!(real.status, 200, "{name}: {real:?}");
        assert!(real.body.contains("You are signed in") && !real.body.contains("canary"));
        credential.unwrap();
        assert_eq!(world.authority.at("/token").len(), 1, "{name}");
    }
}

#[tokio::test]
async fn after_a_browser_that_looked_ahead_the_person_finds_the_page_and_so_does_a_reload() {
    for header in ["Sec-Purpose", "Purpose", "X-Moz"] {
        let mut world = World::new().await;
        let (credential, ()) = at_the_redirect(&mut world, |back| async move {
            let ahead = browser::send(&back, "GET", &[(header, "prefetch;prerender")]).await;
            assert_eq!(ahead.status, 200, "{header}");
            for visit in ["own", "reload", "another reload"] {
                let page = browser::visit(&back).await;
                assert!(page.body.contains("You are signed in"), "{header} {visit}");
            }
            let mut forged = back.clone();
            forged.set_query(Some("code=x&state=y"));
            assert_eq!(browser::visit(&forged).await.status, 400, "{header}");
        })
        .await;
        credential.unwrap();
        assert_eq!(world.authority.at("/token").len(), 1, "{header}");
    }
}

#[tokio::test]
async fn the_page_is_there_again_although_the_host_has_its_answer_and_left() {
    let machine = Machine::new().await;
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    let back = browser::sent_to(&machine.page(1).await).await;
    browser::send(&back, "GET", &[("Sec-Purpose", "prefetch")]).await;
    assert!(answer(&mut host, 0).await["result"].is_object());
    let left = host.closed().await;
    assert!(left.took < Duration::from_secs(4), "{:?}", left.took);
    let page = browser::visit(&back).await;
    assert!(page.body.contains("You are signed in"), "{}", page.body);
}

/// A listener that stays does not stop the next sign-in.
#[tokio::test]
async fn the_next_attempt_gets_the_port_of_a_listener_that_stays() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let machine = Machine::new().await;
    for nth in 1..=2 {
        let mut host = machine.start_with(&["--callback-port", &port]);
        host.send(INITIALIZE).await;
        let page = browser::follow(&machine.page(nth).await).await;
        assert!(
            page.body.contains("You are signed in"),
            "{nth}: {}",
            page.body
        );
        assert!(answer(&mut host, 0).await["result"].is_object());
        let name = machine.entry().await.0;
        machine.vault().remove(&name).await.unwrap();
    }
    assert_eq!(machine.authority.at("/register").len(), 1);
}

#[tokio::test]
async fn login_ends_when_the_person_has_seen_the_page() {
    for is_ahead in [false, true] {
        let machine = Machine::new().await;
        let url = machine.remote.url();
        let browser = machine.browser().display().to_string();
        let variables = [("BROWSER", browser.as_str())];
        let login = Process::start_in(machine.home.path(), &["login", &url], &variables);
        let back = browser::sent_to(&machine.page(1).await).await;
        if is_ahead {
            browser::send(&back, "GET", &[("Sec-Purpose", "prefetch")]).await;
        }
        let page = browser::visit(&back).await;
        assert!(page.body.contains("You are signed in"), "{}", page.body);
        let left = login.closed().await;
        assert!(left.status.success(), "{}", left.stderr);
        assert!(left.took < Duration::from_secs(4), "{:?}", left.took);
    }
}
