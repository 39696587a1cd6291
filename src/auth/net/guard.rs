//! The decision on the addresses that a server may send us to.
//!
//! Every URL of a sign-in but the first comes from another party's document. Plain functions decide here if a URL may
//! be visited: by its text, and again by each address that its name resolves to. Resolves nothing and connects to
//! nothing; [`crate::auth::net::http`] does, and asks here first.
//!
//! RFC 9728 section 7.7, RFC 6890 for the special addresses.

use std::net::IpAddr;

use url::{Host, Url};

use crate::address_class::{Class, class_of, classify};

/// The reason why a place may not be visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The scheme is not `https`, and not `http` on this machine either.
    #[error("it is not https")]
    Scheme,
    /// The URL holds a user name or password.
    #[error("it holds a user name or password")]
    Userinfo,
    /// The URL has a fragment.
    #[error("it has a fragment")]
    Fragment,
    /// The URL is longer than 8 KiB, or has no host.
    #[error("it is not an address to visit")]
    Shape,
    /// The address is internal, and an external server named it.
    #[error(
        "it leads to a private, local or reserved address, which this server has no business to name"
    )]
    Inside,
}

/// The rules for one configured MCP server.
#[derive(Clone, Debug)]
pub struct Guard {
    home: Url,
    allow_http: bool,
    allow_private: bool,
}

impl Guard {
    /// Makes the rules for sign-ins of `home`, the URL that the user configured. `allow_http` admits plain `http` on
    /// that same host, if the configured URL has it; `allow_private` admits internal addresses from anywhere.
    pub fn new(home: &Url, allow_http: bool, allow_private: bool) -> Self {
        Self {
            home: home.clone(),
            allow_http,
            allow_private,
        }
    }

    /// Returns the same rules for sign-ins of another URL that the user configured.
    pub fn for_origin_of(&self, home: &Url) -> Self {
        Self::new(home, self.allow_http, self.allow_private)
    }

    /// Returns the URL that the user configured.
    pub fn home(&self) -> &Url {
        &self.home
    }

    /// Returns the configured host, if its class is known only after resolution.
    pub fn unknown_home(&self) -> Option<&str> {
        match (class_of(&self.home), self.home.host()) {
            (None, Some(Host::Domain(name))) => Some(name),
            _ => None,
        }
    }

    /// Judges a URL by its text.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        if url.as_str().len() > MAX_URL || !url.has_host() {
            return Err(Error::Shape);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(Error::Fragment);
        }
        let class = class_of(url);
        let loopback = class == Some(Class::Loopback)
            && (class_of(&self.home) == Some(Class::Loopback) || self.allow_private);
        let as_configured =
            self.allow_http && self.home.scheme() == "http" && self.home.host() == url.host();
        match url.scheme() {
            "https" => {}
            "http" if loopback || as_configured => {}
            _ => return Err(Error::Scheme),
        }
        // A name's class is known, and judged, once it is resolved.
        if url.host() == self.home.host() {
            return Ok(());
        }
        class.map_or(Ok(()), |class| self.admit(class, None))
    }

    /// Judges an address that a name resolved to. `home` is the class of the address from which the configured host has
    /// answered.
    ///
    /// # Errors
    /// [`Error::Inside`].
    pub fn check_address(&self, address: IpAddr, home: Option<Class>) -> Result<(), Error> {
        self.admit(classify(address), home)
    }

    fn admit(&self, class: Class, home: Option<Class>) -> Result<(), Error> {
        let home = class_of(&self.home).or(home);
        match class {
            Class::Global => Ok(()),
            Class::Private | Class::Loopback if self.allow_private || home == Some(class) => Ok(()),
            _ => Err(Error::Inside),
        }
    }
}

const MAX_URL: usize = 8 * 1024;

#[cfg(test)]
mod tests {
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
}
