//! Wherever the callback is, the start page is on the same host, and one cookie is for both.

use mcpipe::auth::{Browser as Shown, Settings};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{begun, says};
use crate::login::{World, unauthorized};
use crate::support::browser::Browser;

type Change = fn(&mut Settings, u16);

async fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap().port()
}

#[tokio::test]
async fn each_callback_that_leads_straight_here_has_a_start_page_beside_it() {
    let places: [(&str, &str, Change); 8] = [
        ("127.0.0.1", "/cb/", |_, _| {}),
        ("127.0.0.1", "/mine", |it, _| {
            it.callback_path = Some("/mine".to_owned());
        }),
        ("127.0.0.1", "/", |it, _| {
            it.callback_path = Some("/".to_owned());
        }),
        ("127.0.0.1", "/a/b;c=d/", |it, _| {
            it.callback_path = Some("/a/b;c=d/".to_owned());
        }),
        ("localhost", "/cb/", |it, _| {
            it.callback_host = Some("localhost".to_owned());
        }),
        ("[::1]", "/cb/", |it, _| {
            it.callback_host = Some("::1".to_owned());
        }),
        ("127.0.0.1", "/cb/", |it, port| {
            it.callback_port = Some(port);
        }),
        // A redirect URI that is ours, though the user has written it.
        ("localhost", "/x", |it, port| {
            it.redirect_uri = Some(format!("http://localhost:{port}/x"));
        }),
    ];
    for (host, path, change) in places {
        let mut world = World::new().await;
        let mut settings = world.watched();
        change(&mut settings, free_port().await);
        let authorizer = world.authorizer_with(settings);
        let (challenge, person, thief) = (unauthorized(), Browser::new(), Browser::new());
        let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
            let start = world.shown.recv().await.unwrap();
            assert_eq!(start.host_str(), Some(host), "{path}");
            assert!(start.path().starts_with(path), "{start}");
            assert!(start.path().ends_with("/start"), "{start}");
            let request = begun(&person, &start).await;
            let planted = thief.sent_to(&request).await;
            assert!(planted.as_str().starts_with(&format!("http://{host}:")));
            says(&thief.visit(&planted).await, 403, "did not begin");
            says(&person.follow(&request).await, 200, "You are signed in");
        });
        answer.unwrap();
    }
}

/// The redirect URI is an address of something that forwards to us: nothing of ours can set a cookie there.
#[tokio::test]
async fn a_redirect_uri_of_something_that_forwards_keeps_the_request_for_its_address() {
    let mut world = World::new().await;
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (outside, inside) = (front.local_addr().unwrap().port(), free_port().await);
    let forwarding = tokio_util::task::TaskTracker::new();
    forwarding.spawn(async move {
        while let Ok((mut from, _)) = front.accept().await {
            let mut to = TcpStream::connect(("127.0.0.1", inside)).await.unwrap();
            let _ = copy_bidirectional(&mut from, &mut to).await;
        }
    });
    let mut settings = world.watched();
    settings.redirect_uri = Some(format!("http://127.0.0.1:{outside}/from/outside"));
    settings.callback_port = Some(inside);
    let authorizer = world.authorizer_with(settings);
    let challenge = unauthorized();
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let page = world.shown.recv().await.unwrap();
        assert!(page.as_str().contains("/authorize?"), "{page}");
        says(
            &Browser::new().follow(&page).await,
            200,
            "You are signed in",
        );
    });
    answer.unwrap();
}

/// `ssh -L PORT:127.0.0.1:PORT`: the browser is on another machine, and its own port of that number leads here. A port of
/// another number is said to be one.
#[tokio::test]
async fn a_forwarded_port_works_under_its_own_number_and_another_number_is_said() {
    let mut world = World::new().await;
    let authorizer = world.authorizer_with(world.watched());
    let (challenge, person) = (unauthorized(), Browser::new());
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let start = world.shown.recv().await.unwrap();
        let mut other = start.clone();
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = start.port().unwrap();
        other
            .set_port(Some(far.local_addr().unwrap().port()))
            .unwrap();
        let forwarder = async {
            let (mut from, _) = far.accept().await.unwrap();
            let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = copy_bidirectional(&mut from, &mut to).await;
        };
        let (page, ()) = tokio::join!(person.visit(&other), forwarder);
        says(&page, 421, "not the address that mcpipe shows");

        // The same port of the other address family, as on another machine.
        let far = TcpListener::bind(("::1", port)).await.unwrap();
        let forwarder = async {
            for _ in 0..2 {
                let (mut from, _) = far.accept().await.unwrap();
                let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        };
        let visiting = async {
            let there = |url: &Url| {
                let mut there = url.clone();
                there.set_host(Some("[::1]")).unwrap();
                there
            };
            let host = format!("127.0.0.1:{port}");
            let page = person.send(&there(&start), "GET", &[("Host", &host)]).await;
            let cookie = page
                .header("set-cookie")
                .unwrap()
                .split(';')
                .next()
                .unwrap();
            let request = Url::parse(page.header("location").unwrap()).unwrap();
            let back = Browser::new().sent_to(&request).await;
            let headers = [("Host", host.as_str()), ("Cookie", cookie)];
            person.send(&there(&back), "GET", &headers).await
        };
        let (page, ()) = tokio::join!(visiting, forwarder);
        says(&page, 200, "You are signed in");
    });
    answer.unwrap();
}

/// A pasted answer is the user's own word, and needs no cookie.
#[tokio::test]
async fn what_is_pasted_needs_no_cookie() {
    let mut world = World::new().await;
    let (typed, lines) = tokio::sync::mpsc::channel(1);
    let mut settings = world.settings();
    let show = world.show.clone();
    settings.browser = Shown::None;
    settings.pasted = Some(mcpipe::auth::Pasted::new(lines));
    settings.announce = mcpipe::auth::Announce::new(move |notice| {
        if let mcpipe::auth::Notice::Elsewhere { request, .. } = notice {
            show.send(Url::parse(request).unwrap()).unwrap();
        }
    });
    let authorizer = world.authorizer_with(settings);
    let challenge = unauthorized();
    let (answer, ()) = tokio::join!(authorizer.renew(None, &challenge), async {
        let request = world.shown.recv().await.unwrap();
        let far = Browser::new();
        let back = far.sent_to(&request).await;
        says(
            &far.visit(&back).await,
            403,
            "copy the address of this page",
        );
        typed.send(back.to_string()).await.unwrap();
    });
    answer.unwrap();
    assert_eq!(world.authority.at("/token").len(), 1);
}
