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
mod tests;
