use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| {
            let name = ::http::HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn page() -> StartPage {
    let page = StartPage::below("/cb/x", Duration::from_secs(600));
    page.leads_to(Url::parse("https://as.example.com/authorize?state=s").unwrap());
    page
}

fn get(page: &StartPage, headers: &HeaderMap) -> u16 {
    page.respond(&Method::GET, headers).status().as_u16()
}

#[test]
fn the_first_browser_gets_the_page_as_often_as_it_likes_and_a_second_one_ends_it() {
    let page = page();
    let first = page.respond(&Method::GET, &HeaderMap::new());
    assert_eq!(first.status(), 303);
    let cookie = first.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    for attribute in ["; Path=/cb/x;", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = format!("theme=dark; {}; x", cookie.split(';').next().unwrap());
    let own = headers(&[("cookie", &cookie)]);
    assert!(page.has_cookie(&own));
    assert_eq!((get(&page, &own), get(&page, &own)), (303, 303));
    let other = headers(&[("cookie", "theme=dark")]);
    assert_eq!(get(&page, &other), 409);
    assert_eq!(get(&page, &own), 200, "it is told, and sent nowhere");
}

#[test]
fn what_is_no_visit_of_a_person_neither_opens_nor_contests() {
    let page = page();
    let nothing = HeaderMap::new();
    for round in 0..2 {
        for (pairs, status) in [
            (&[("sec-purpose", "prefetch;prerender")][..], 503),
            (&[("purpose", "prefetch")], 503),
            (&[("x-moz", "prefetch")], 503),
            (
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
                403,
            ),
            (
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                403,
            ),
            (
                &[("sec-fetch-dest", "empty"), ("sec-fetch-mode", "cors")],
                403,
            ),
            (&[("origin", "https://evil.example")], 403),
        ] {
            assert_eq!(get(&page, &headers(pairs)), status, "{pairs:?}");
        }
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            assert_eq!(page.respond(&method, &nothing).status(), 405, "{method}");
        }
        assert!(!page.is_contested());
        if round == 0 {
            let person = headers(&[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ]);
            assert_eq!(get(&page, &person), 303);
        }
    }
}

#[test]
fn the_path_of_the_cookie_covers_callback_and_start_page() {
    for (callback, scope, start) in [
        ("/cb/x", "/cb/x", "/cb/x/"),
        ("/", "/", "/"),
        ("/oauth/callback/", "/oauth/callback/", "/oauth/callback/"),
        ("/a/b;c=d", "/a/", "/a/b;c=d/"),
        ("/\u{e4}", "/", "/\u{e4}/"),
    ] {
        let page = StartPage::below(callback, Duration::ZERO);
        assert!(
            page.attributes.starts_with(&format!("Path={scope};")),
            "{callback}"
        );
        assert!(page.path().starts_with(start), "{}", page.path());
        assert!(page.path().ends_with("/start"), "{}", page.path());
    }
}

#[test]
fn two_sign_ins_at_once_do_not_take_each_others_cookie() {
    let (one, other) = (page(), page());
    let cookie = |page: &StartPage| format!("{}={}", page.name, page.cookie.expose());
    let both = headers(&[("cookie", &format!("{}; {}", cookie(&one), cookie(&other)))]);
    assert!(one.has_cookie(&both) && other.has_cookie(&both));
    assert!(!one.has_cookie(&headers(&[("cookie", &cookie(&other))])));
    let renamed = format!("{}={}", one.name, other.cookie.expose());
    assert!(!one.has_cookie(&headers(&[("cookie", &renamed)])));
}
