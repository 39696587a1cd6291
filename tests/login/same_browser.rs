//! A sign-in belongs to the browser that began it: who else comes, and what becomes of it.

mod machine; // the real binary, and another user of the machine
mod places; // places of the callback

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use url::Url;

use super::{World, unauthorized};
use crate::support::browser::{self, Browser, Page};

/// Where the start page sends this browser.
async fn begun(browser: &Browser, start: &Url) -> Url {
    let page = browser.visit(start).await;
    assert_eq!(page.status, 303, "{page:?}");
    Url::parse(page.header("location").unwrap()).unwrap()
}

fn says(page: &Page, status: u16, words: &str) {
    assert_eq!(page.status, status, "{page:?}");
    assert!(page.body.contains(words), "{}", page.body);
    assert!(page.header("location").is_none(), "{page:?}");
    assert!(!page.body.contains("code-canary"), "{}", page.body);
}

#[tokio::test]
async fn what_is_shown_leads_to_the_sign_in_page_and_does_not_hold_it() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person) = (unauthorized(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        assert!(start.path().ends_with("/start"), "{start}");
        assert_eq!((start.scheme(), start.query()), ("http", None), "{start}");
        let page = person.visit(&start).await;
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        let cookie = page.header("set-cookie").unwrap();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        assert!(value.len() >= 22, "at least 128 bits: {cookie}");
        assert!(!start.as_str().contains(value), "it is in no address");
        let request = Url::parse(page.header("location").unwrap()).unwrap();
        assert!(
            request
                .as_str()
                .starts_with(&format!("{}/authorize?", world.authority.origin))
        );
        assert!(!request.as_str().contains(value));
        person.follow(&request).await;
    });
    answer.unwrap();
}

/// The reader of an address who signs in with an account of its own, and shows the answer to mcpipe.
#[tokio::test]
async fn an_answer_from_another_browser_does_not_count_and_the_sign_in_goes_on() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person, thief) = (unauthorized(), Browser::new(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let request = begun(&person, &start).await;
        let planted = thief.sent_to(&request).await;
        let words = "did not begin the sign-in";
        says(&thief.visit(&planted).await, 403, words);
        let ahead = [("Sec-Purpose", "prefetch")];
        says(&thief.send(&planted, "GET", &ahead).await, 403, words);
        let mut bare = planted.clone();
        bare.set_query(None);
        let posted = thief.post_from_elsewhere(&bare, planted.query().unwrap());
        says(&posted.await, 403, words);
        let posted = thief.post_from_elsewhere(&planted, "consent=yes");
        says(&posted.await, 403, words);
        let own = person.cookies(&start);
        let (name, value) = own.split_once('=').unwrap();
        for guess in [
            format!("{name}="),
            format!("{name}={}", &value[1..]),
            format!("{name}={value}x"),
            format!("other={value}"),
        ] {
            let page = thief.send(&planted, "GET", &[("Cookie", &guess)]).await;
            says(&page, 403, words);
        }
        let mut refused = planted.clone();
        let state = planted.query_pairs().find(|(name, _)| name == "state");
        let state = state.unwrap().1;
        refused.set_query(Some(&format!("error=access_denied&state={state}")));
        says(&thief.visit(&refused).await, 403, words);

        let page = person.follow(&request).await;
        says(&page, 200, "You are signed in");
    });
    answer.unwrap();
    let spent = world.authority.at("/token");
    assert_eq!(spent.len(), 1);
    assert_eq!(spent[0].field("code"), Some("code-canary-3"));
}

#[tokio::test]
async fn a_second_browser_at_the_start_page_is_told_and_ends_it() {
    for thief_is_first in [true, false] {
        let mut world = World::new().await;
        let authorizer = world.authorizer_with(world.watched());
        let (challenge, person, thief) = (unauthorized(), Browser::new(), Browser::new());
        let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
            let start = world.shown.recv().await.unwrap();
            let (first, second) = match thief_is_first {
                true => (&thief, &person),
                false => (&person, &thief),
            };
            begun(first, &start).await;
            let page = second.visit(&start).await;
            says(&page, 409, "opened this sign-in first");
            assert!(page.header("set-cookie").is_none());
        });
        let error = answer.unwrap_err().to_bridge_error();
        assert!(
            error
                .message
                .contains("opened by another browser or program first"),
            "{error:?}"
        );
        assert_eq!((error.kind, error.retryable), ("sign_in_needed", false));
        let command = format!("`mcpipe login {}`", world.resource());
        assert!(error.hint.unwrap().contains(&command));
        assert!(world.authority.at("/token").is_empty());
        let kept = mcpipe::auth::flow::accounts::status(&world.vault)
            .await
            .unwrap();
        assert!(kept.is_empty());

        let again = authorizer.renew(None, &challenge).await.unwrap_err();
        assert!(again.to_string().contains("no new window"), "{again}");
        assert_eq!(world.windows(), 1);
        // The user says `login`, and begins anew.
        world.authorizer().login(&challenge).await.unwrap();
    }
}

/// The answer of the first browser is being redeemed when the second one opens the page.
#[tokio::test]
async fn a_second_browser_that_comes_while_the_code_is_spent_ends_it_too() {
    let mut world = World::new().await;
    world.authority.configure(|options| options.gated = true);
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person, thief) = (unauthorized(), Browser::new(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let meanwhile = async {
            world.authority.waits_at_the_gate(1).await;
            let page = person.visit(&start).await;
            says(&page, 409, "opened this sign-in first");
            world.authority.open_gate();
        };
        let (page, ()) = tokio::join!(thief.follow(&start), meanwhile);
        says(&page, 200, "did not work");
    });
    answer.unwrap_err();
    let kept = mcpipe::auth::flow::accounts::status(&world.vault)
        .await
        .unwrap();
    assert!(kept.is_empty());
}

#[tokio::test]
async fn what_no_person_does_neither_takes_the_start_page_nor_ends_the_sign_in() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person, other) = (unauthorized(), Browser::new(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let mut icon = start.clone();
        icon.set_path("/favicon.ico");
        for round in 0..2 {
            for (method, headers) in [
                ("HEAD", &[][..]),
                ("OPTIONS", &[]),
                ("POST", &[]),
                ("GET", &[("Sec-Purpose", "prefetch;prerender")]),
                ("GET", &[("Purpose", "prefetch")]),
                ("GET", &[("X-Purpose", "preview")]),
                ("GET", &[("X-Moz", "prefetch")]),
                ("GET", &[("Origin", "https://evil.example")]),
                ("GET", &[("Host", "evil.example")]),
                (
                    "GET",
                    &[("Sec-Fetch-Dest", "iframe"), ("Sec-Fetch-Mode", "navigate")],
                ),
                (
                    "GET",
                    &[("Sec-Fetch-Dest", "image"), ("Sec-Fetch-Mode", "no-cors")],
                ),
                (
                    "GET",
                    &[("Sec-Fetch-Dest", "empty"), ("Sec-Fetch-Mode", "cors")],
                ),
            ] {
                let page = other.send(&start, method, headers).await;
                let is_nothing = page.status >= 400 && page.header("set-cookie").is_none();
                assert!(is_nothing, "{round} {method} {headers:?}: {page:?}");
                assert!(page.header("location").is_none(), "{method} {headers:?}");
            }
            assert_eq!(other.visit(&icon).await.status, 404);
            if round == 0 {
                // A person who follows a link in a chat window that is a web page.
                let headers = [
                    ("Sec-Fetch-Site", "cross-site"),
                    ("Sec-Fetch-Mode", "navigate"),
                    ("Sec-Fetch-Dest", "document"),
                ];
                assert_eq!(person.send(&start, "GET", &headers).await.status, 303);
            }
        }
        says(&person.follow(&start).await, 200, "You are signed in");
    });
    answer.unwrap();
}

#[tokio::test]
async fn the_same_browser_may_go_back_reload_and_open_it_in_a_second_tab() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person) = (unauthorized(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let first = begun(&person, &start).await;
        assert_eq!(begun(&person, &start).await, first);
        assert_eq!(begun(&person, &start).await, first);
        says(&person.follow(&first).await, 200, "You are signed in");
        // Once it is over, it says so to whom it belongs and to everybody else.
        says(&person.visit(&start).await, 200, "You are signed in");
        says(&Browser::new().visit(&start).await, 410, "is over");
    });
    answer.unwrap();
    assert_eq!(world.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn two_sign_ins_in_one_browser_do_not_disturb_each_other() {
    let (mut one, mut other) = (World::new().await, World::new().await);
    let (first, second) = (
        one.authorizer_with(one.watched()),
        other.authorizer_with(other.watched()),
    );
    let (challenge, person) = (unauthorized(), Browser::new());
    let (first, second, ()) = tokio::join!(
        first.renew(None, &challenge),
        second.renew(None, &challenge),
        async {
            let starts = [
                one.shown.recv().await.unwrap(),
                other.shown.recv().await.unwrap(),
            ];
            let requests = [
                begun(&person, &starts[0]).await,
                begun(&person, &starts[1]).await,
            ];
            for request in requests {
                says(&person.follow(&request).await, 200, "You are signed in");
            }
        }
    );
    first.unwrap();
    second.unwrap();
}

/// Cookies do not tell ports apart: whatever else was developed on this machine has left some.
#[tokio::test]
async fn a_browser_with_many_cookies_for_this_machine_is_no_stranger() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person) = (unauthorized(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let back = person.sent_to(&start).await;
        let names: String = (0..100).map(|nth| format!("c{nth}=1; ")).collect();
        let many = format!(
            "session={}; {names}name=J\u{fc}rgen \u{1f36a}; {}",
            "x".repeat(24_000),
            person.cookies(&back)
        );
        let page = person.send(&back, "GET", &[("Cookie", &many)]).await;
        says(&page, 200, "You are signed in");
    });
    answer.unwrap();
}

/// What a refusal teaches is asked again in the same window, at another address of ours.
#[tokio::test]
async fn the_window_in_which_a_refusal_is_put_right_still_belongs_to_its_browser() {
    let mut world = World::new().await;
    world.authority.configure(|options| {
        let lost = r#"{"error":"invalid_client"}"#.to_owned();
        options.token_answers.push_back((401, lost));
    });
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person, thief) = (unauthorized(), Browser::new(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let back = person.sent_to(&world.shown.recv().await.unwrap()).await;
        let page = person.visit(&back).await;
        let second = Url::parse(page.header("location").unwrap()).unwrap();
        assert!(second.path().ends_with("/start"), "{second}");
        let request = begun(&person, &second).await;
        let planted = thief.sent_to(&request).await;
        says(&thief.visit(&planted).await, 403, "did not begin");
        says(&person.follow(&request).await, 200, "You are signed in");
    });
    answer.unwrap();
    assert_eq!(world.windows(), 1);
}

/// Connections that send nothing are let go for those that do.
#[tokio::test]
async fn silent_visitors_make_room_for_a_browser() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person) = (unauthorized(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let address = ("127.0.0.1", start.port().unwrap());
        let mut silent = Vec::new();
        for _ in 0..150 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let begun = tokio::time::Instant::now();
        says(&person.follow(&start).await, 200, "You are signed in");
        // Two rounds of a second each, and not the five that a head may take where there is room.
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(4500), "{took:?}");
        let mut bytes = [0; 64];
        let gone = silent[0].read(&mut bytes);
        let gone = tokio::time::timeout(Duration::from_secs(1), gone).await;
        assert!(matches!(gone, Ok(Ok(0) | Err(_))), "{gone:?}");
    });
    answer.unwrap();
}

/// The functions of the tests' browser are one browser.
#[tokio::test]
async fn no_browser_of_the_tests_is_exempt() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let back = browser::sent_to(&start).await;
        let bare = browser::send(&back, "GET", &[("Cookie", "")]).await;
        says(&bare, 403, "did not begin the sign-in");
        says(&browser::visit(&back).await, 200, "You are signed in");
    });
    answer.unwrap();
}
