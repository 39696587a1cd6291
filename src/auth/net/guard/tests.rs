use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn outside() -> Guard {
    Guard::new(&url("https://mcp.example.com/mcp"), false, false)
}

#[test]
fn a_public_server_may_not_name_an_inside_address() {
    for text in [
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::]/",
        "https://0.0.0.0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://192.168.0.1/",
        "https://100.64.0.1/",
        "https://100.127.255.255/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[ff02::1]/",
        "https://[2001:db8::1]/",
        "https://[2002:7f00:1::]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b:1::1]/",
        "https://192.0.0.1/",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://203.0.113.9/",
    ] {
        assert_eq!(outside().check(&url(text)), Err(Error::Inside), "{text}");
    }
}

#[test]
fn other_refusals_have_their_reasons() {
    for (text, why) in [
        ("http://as.example.com/", Error::Scheme),
        ("http://127.0.0.1/", Error::Scheme),
        ("ftp://as.example.com/", Error::Scheme),
        ("file:///etc/passwd", Error::Shape),
        ("javascript:alert(1)", Error::Shape),
        ("data:text/html,x", Error::Shape),
        ("https://u@as.example.com/", Error::Userinfo),
        ("https://u:p@as.example.com/", Error::Userinfo),
        ("https://as.example.com/#f", Error::Fragment),
    ] {
        assert_eq!(outside().check(&url(text)), Err(why), "{text}");
    }
    let long = format!("https://as.example.com/{}", "a".repeat(9000));
    assert_eq!(outside().check(&url(&long)), Err(Error::Shape));
}

#[test]
fn places_on_the_internet_are_fine() {
    for text in [
        "https://as.example.com/x?y=z",
        "https://8.8.8.8:8443/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://[2606:4700::1111]/",
        "https://[64:ff9b::808:808]/",
    ] {
        assert_eq!(outside().check(&url(text)), Ok(()), "{text}");
    }
}

#[test]
fn a_server_on_this_machine_may_name_this_machine_only() {
    let guard = Guard::new(&url("http://localhost:3000/mcp"), false, false);
    for fine in [
        "http://localhost:9/",
        "http://127.0.0.1:9/",
        "http://[::1]:9/",
        "https://as.example.com/",
    ] {
        assert_eq!(guard.check(&url(fine)), Ok(()), "{fine}");
    }
    assert_eq!(guard.check(&url("https://10.0.0.1/")), Err(Error::Inside));
    assert_eq!(
        guard.check(&url("https://169.254.169.254/")),
        Err(Error::Inside)
    );
    assert_eq!(guard.check(&url("http://10.0.0.1/")), Err(Error::Scheme));
}

#[test]
fn a_server_inside_may_name_the_inside_but_not_the_cloud() {
    let guard = Guard::new(&url("https://10.0.0.5/mcp"), false, false);
    assert_eq!(guard.check(&url("https://192.168.1.1/")), Ok(()));
    assert_eq!(guard.check(&url("https://127.0.0.1/")), Err(Error::Inside));
    for cloud in CLOUDS {
        assert_eq!(guard.check(&url(cloud)), Err(Error::Inside), "{cloud}");
    }
}

/// The addresses at which clouds keep the credentials of their machines.
const CLOUDS: [&str; 5] = [
    "https://169.254.169.254/",
    "https://[fd00:ec2::254]/",
    "https://[fd20:ce::254]/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
];

#[test]
fn what_the_user_allows_is_allowed() {
    let guard = Guard::new(&url("http://mcp.corp/mcp"), true, false);
    assert_eq!(guard.check(&url("http://mcp.corp:81/as")), Ok(()));
    assert_eq!(guard.check(&url("http://as.corp/")), Err(Error::Scheme));
    let guard = Guard::new(&url("https://mcp.example.com/mcp"), false, true);
    assert_eq!(guard.check(&url("https://10.0.0.1/")), Ok(()));
    for cloud in CLOUDS {
        assert_eq!(guard.check(&url(cloud)), Err(Error::Inside), "{cloud}");
    }
}

#[test]
fn a_name_is_judged_by_each_address_it_has() {
    let inside: IpAddr = "10.0.0.1".parse().unwrap();
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    let out: IpAddr = "1.1.1.1".parse().unwrap();
    let guard = outside();
    assert_eq!(guard.unknown_home(), Some("mcp.example.com"));
    assert_eq!(guard.check_address(out, None), Ok(()));
    assert_eq!(guard.check_address(inside, None), Err(Error::Inside));
    assert_eq!(
        guard.check_address(inside, Some(Class::Global)),
        Err(Error::Inside)
    );
    assert_eq!(guard.check_address(inside, Some(Class::Private)), Ok(()));
    assert_eq!(
        guard.check_address(here, Some(Class::Private)),
        Err(Error::Inside)
    );
}
