use super::*;

#[test]
fn names_with_control_characters_are_none() {
    let url = Url::parse("https://a.example/mcp").unwrap();
    for odd in ["\n", "\r", "\t", "\0", "\u{1b}[31m", "\u{7f}", "\u{85}"] {
        for name in [
            format!("https://a.example/mcp{odd}"),
            format!("https://a.exa{odd}mple/mcp"),
            format!("{odd}https://a.example/mcp"),
        ] {
            assert!(issuer_places(&name).is_none(), "{name:?}");
            assert!(!covers(&name, &url), "{name:?}");
        }
    }
    assert!(issuer_places(url.as_str()).is_some() && covers(url.as_str(), &url));
}

fn paths(places: &[Url]) -> Vec<String> {
    places
        .iter()
        .map(|url| url[url::Position::BeforePath..].to_owned())
        .collect()
}

#[test]
fn resource_metadata_is_looked_for_in_order() {
    let places = |text: &str| paths(&resource_places(&Url::parse(text).unwrap()));
    let root = "/.well-known/oauth-protected-resource";
    assert_eq!(places("https://h.example"), [root]);
    assert_eq!(places("https://h.example/"), [root]);
    assert_eq!(
        places("https://h.example/a/mcp/"),
        [format!("{root}/a/mcp"), root.to_owned()]
    );
    assert_eq!(
        places("https://h.example/mcp?t=1"),
        [format!("{root}/mcp?t=1"), root.to_owned()]
    );
}

#[test]
fn issuer_metadata_is_looked_for_in_order_and_never_at_the_root_of_a_path() {
    let places = |text: &str| paths(&issuer_places(text).unwrap());
    let bare = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ];
    assert_eq!(places("https://h.example"), bare);
    assert_eq!(places("https://h.example/"), bare);
    for issuer in ["https://h.example/t1", "https://h.example/t1/"] {
        assert_eq!(
            places(issuer),
            [
                "/.well-known/oauth-authorization-server/t1",
                "/.well-known/openid-configuration/t1",
                "/t1/.well-known/openid-configuration",
                "/t1/.well-known/oauth-authorization-server",
            ]
        );
    }
    for bad in [
        "h.example",
        "https://h.example/?x",
        "https://h.example/#x",
        "mailto:x",
    ] {
        assert!(issuer_places(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_resource_covers_whole_segments_of_its_own_origin() {
    for (name, wanted) in [
        ("https://h.example/a/mcp", true),
        ("https://h.example/a", true),
        ("https://h.example/a/", true),
        ("https://h.example", true),
        ("https://H.example:443/", true),
        ("https://h.example/a/mc", false),
        ("https://h.example/a/mcp/more", false),
        ("https://h.example:444", false),
        ("http://h.example", false),
        ("https://evil.example/a/mcp", false),
        ("https://h.example/a#f", false),
        ("https://h.example/a?q", false),
        ("", false),
    ] {
        let url = Url::parse("https://h.example/a/mcp").unwrap();
        assert_eq!(covers(name, &url), wanted, "{name}");
    }
}

#[test]
fn issuers_are_compared_by_character() {
    for (asked, found, wanted) in [
        ("https://h.example", "https://h.example", true),
        ("https://h.example/", "https://h.example", true),
        ("https://h.example", "https://h.example/", true),
        ("https://h.example/t/", "https://h.example/t", true),
        ("https://h.example/t", "https://h.example/t/", true),
        ("https://h.example/t", "https://h.example/t//", false),
        ("https://h.example/t", "https://h.example/", false),
        ("https://h.example", "/", false),
        ("https://h.example", "https://H.example", false),
        ("https://h.example", "https://h.example:443", false),
        ("https://h.example", "", false),
    ] {
        assert_eq!(same_issuer(asked, found), wanted, "{asked} {found}");
    }
    let entra = "https://login.microsoftonline.com/common/v2.0";
    assert!(names_itself(
        entra,
        "https://login.microsoftonline.com/{tenantid}/v2.0"
    ));
    assert!(!names_itself(
        "https://h.example/common",
        "https://h.example/{tenantid}"
    ));
}

const NUMBER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn microsoft_calls_a_tenant_by_its_number_whatever_it_was_asked_for_by() {
    for (asked, found) in [
        ("login.microsoftonline.com/N/v2.0", "sts.windows.net/N/"),
        ("login.microsoftonline.com/N", "sts.windows.net/N/"),
        (
            "login.microsoftonline.com/N/",
            "login.microsoftonline.com/N/v2.0",
        ),
        ("sts.windows.net/N/", "login.microsoftonline.com/N/v2.0"),
        ("login.windows.net/N", "sts.windows.net/N/"),
        (
            "login.microsoftonline.com/contoso.com/v2.0",
            "login.microsoftonline.com/N/v2.0",
        ),
        (
            "login.microsoftonline.com/contoso.onmicrosoft.com",
            "sts.windows.net/N/",
        ),
        (
            "login.microsoftonline.com/consumers/v2.0",
            "login.microsoftonline.com/N/v2.0",
        ),
        (
            "login.microsoftonline.com/common/v2.0",
            "login.microsoftonline.com/{tenantid}/v2.0",
        ),
        (
            "login.microsoftonline.com/organizations/v2.0",
            "login.microsoftonline.com/{tenantid}/v2.0",
        ),
        (
            "login.microsoftonline.com/common",
            "sts.windows.net/{tenantid}/",
        ),
        (
            "login.microsoftonline.us/N/v2.0",
            "login.microsoftonline.us/N/v2.0/",
        ),
        (
            "login.partner.microsoftonline.cn/N",
            "sts.chinacloudapi.cn/N/",
        ),
        (
            "contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0",
            "N.ciamlogin.com/N/v2.0",
        ),
        ("contoso.ciamlogin.com/N/v2.0", "N.ciamlogin.com/N/v2.0"),
        (
            "contoso.ciamlogin.com/N/v2.0",
            "contoso.ciamlogin.com/N/v2.0",
        ),
        (
            "contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_in/v2.0",
            "contoso.b2clogin.com/N/v2.0/",
        ),
        (
            "contoso.b2clogin.com/tfp/contoso.onmicrosoft.com/B2C_1_in/v2.0",
            "contoso.b2clogin.com/tfp/N/b2c_1_in/v2.0/",
        ),
        (
            "contoso.b2clogin.com/tfp/N/B2C_1_in/v2.0",
            "contoso.b2clogin.com/N/v2.0/",
        ),
    ] {
        let of = |text: &str| {
            format!(
                "https://{}",
                text.replace("N.", &format!("{NUMBER}."))
                    .replace("/N", &format!("/{NUMBER}"))
            )
        };
        assert!(names_itself(&of(asked), &of(found)), "{asked} {found}");
    }
}

#[test]
fn nobody_else_is_called_so_and_no_tenant_is_another() {
    for (asked, found) in [
        ("login.microsoftonline.com/N/v2.0", "sts.windows.net/O/"),
        (
            "login.microsoftonline.com/N/v2.0",
            "login.microsoftonline.com/O/v2.0",
        ),
        (
            "login.microsoftonline.com/contoso.com/v2.0",
            "login.microsoftonline.com/fabrikam.com/v2.0",
        ),
        ("login.microsoftonline.com/N/v2.0", "evil.example/N/v2.0"),
        (
            "login.microsoftonline.com/N/v2.0",
            "login.microsoftonline.com.evil.example/N/v2.0",
        ),
        (
            "login.microsoftonline.com/N/v2.0",
            "login.microsoftonline.us/N/v2.0",
        ),
        (
            "login.microsoftonline.us/N/v2.0",
            "sts.windows.net.evil.example/N/",
        ),
        ("evil.example/N/v2.0", "sts.windows.net/N/"),
        ("login.microsoftonline.com/N/v2.0", "sts.windows.net/N/more"),
        ("contoso.ciamlogin.com/N/v2.0", "O.ciamlogin.com/N/v2.0"),
        (
            "contoso.ciamlogin.com/contoso.com/v2.0",
            "O.ciamlogin.com/N/v2.0",
        ),
        (
            "contoso.ciamlogin.com/N/v2.0",
            "fabrikam.ciamlogin.com/N/v2.0",
        ),
        (
            "contoso.b2clogin.com/contoso.com/B2C_1_in/v2.0",
            "fabrikam.b2clogin.com/N/v2.0/",
        ),
        (
            "contoso.b2clogin.com/N/B2C_1_in/v2.0",
            "contoso.b2clogin.com/O/v2.0/",
        ),
        ("a.contoso.ciamlogin.com/N/v2.0", "N.ciamlogin.com/N/v2.0"),
    ] {
        let of = |text: &str| {
            let text = text
                .replace("N.", &format!("{NUMBER}."))
                .replace("/N", &format!("/{NUMBER}"));
            format!(
                "https://{}",
                text.replace("O.", &format!("{OTHER}."))
                    .replace("/O/", &format!("/{OTHER}/"))
            )
        };
        assert!(!names_itself(&of(asked), &of(found)), "{asked} {found}");
    }
    let plain = |text: &str| text.replacen("https", "http", 1);
    let asked = format!("https://login.microsoftonline.com/{NUMBER}/v2.0");
    let found = format!("https://sts.windows.net/{NUMBER}/");
    assert!(names_itself(&asked, &found));
    assert!(!names_itself(&plain(&asked), &found));
    assert!(!names_itself(&asked, &plain(&found)));
}

#[test]
fn a_well_known_place_tells_whose_it_is() {
    for (place, issuer) in [
        ("/.well-known/oauth-authorization-server", Some("")),
        ("/.well-known/openid-configuration", Some("")),
        ("/.well-known/oauth-authorization-server/t1", Some("/t1")),
        ("/t1/.well-known/openid-configuration", Some("/t1")),
        ("/t1/.well-known/oauth-authorization-server", Some("/t1")),
        ("/.well-known/oauth-authorization-servers", None),
        ("/.well-known/oauth-protected-resource", None),
        ("/.well-known/openid-configuration?x=y", None),
        ("/login", None),
    ] {
        let place = Url::parse(&format!("https://h.example{place}")).unwrap();
        let wanted = issuer.map(|path| format!("https://h.example{path}"));
        assert_eq!(issuer_of_place(&place), wanted, "{place}");
    }
}
