//! The choice among the endpoints that cards name: one is used without a question, or none is.

use url::Url;

use crate::server_card::card::{Card, Remote, Transport};
use crate::server_card::site::is_same_site;
use crate::text::printable;

/// The longest address that a message shows, in characters.
const LONGEST_SHOWN: usize = 300;

/// The endpoints that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The endpoints that can be used as they are, each once.
    pub endpoints: Vec<Endpoint>,
    /// The servers that can be used with something that the user has to bring.
    pub incomplete: Vec<Incomplete>,
    /// Cards that were not read now and may be readable later, each with the reason.
    pub unread: Vec<String>,
}

/// An endpoint that can be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The server's name, for people; may be empty.
    pub name: String,
    /// The address.
    pub url: Url,
}

/// A server whose card wants something of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The server's name, for people; may be empty.
    pub name: String,
    /// The address with its variables, printable.
    pub address: String,
    /// The names of the variables in the address.
    pub variables: Vec<String>,
    /// The names of the headers that the user has not given.
    pub headers: Vec<String>,
}

/// The names of the headers that the user gives.
#[derive(Clone, Debug)]
pub enum Given {
    /// These, in any case of letters.
    Names(Vec<String>),
    /// Names that are not known before the first request, so that none counts as missing.
    Unknown,
}

/// The decision about the endpoints of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// This endpoint is used: it is the only one and on the target's site, or a person has confirmed it.
    Use(&'a Endpoint),
    /// The only endpoint is on another site, and no person has confirmed it.
    Foreign(&'a Endpoint),
    /// There are several servers.
    Several,
    /// There are servers, and each wants something of its user.
    Incomplete,
    /// There is none.
    Nothing,
}

impl Findings {
    /// Adds what a card names. `target` is the address that has shown itself to be no endpoint, `may_visit` says whether an
    /// address may be connected to.
    pub fn add(
        &mut self,
        card: &Card,
        entry_name: &str,
        target: &Url,
        given: &Given,
        may_visit: impl Fn(&Url) -> bool,
    ) {
        let name = match card.name.is_empty() {
            true => entry_name,
            false => &card.name,
        };
        let usable: Vec<(Transport, Url)> = card
            .remotes
            .iter()
            .filter(|remote| remote.variables.is_empty() && missing(remote, given).is_empty())
            .filter_map(|remote| {
                let mut url = Url::parse(&remote.url).ok()?;
                url.set_fragment(None);
                let is_usable = is_plain(&url) && url != *target && may_visit(&url);
                is_usable.then_some((remote.transport, url))
            })
            .collect();
        // Both transports are of one server, and the newer one is spoken here.
        let has_newer = usable
            .iter()
            .any(|(transport, _)| *transport == Transport::StreamableHttp);
        for (transport, url) in &usable {
            let is_known = self.endpoints.iter().any(|it| it.url == *url);
            if is_known || has_newer && *transport == Transport::Sse {
                continue;
            }
            self.endpoints.push(Endpoint {
                name: name.to_owned(),
                url: url.clone(),
            });
        }
        if !usable.is_empty() {
            return;
        }
        let wanting = card.remotes.iter().find_map(|remote| {
            let headers = missing(remote, given);
            (!remote.variables.is_empty() || !headers.is_empty()).then(|| Incomplete {
                name: name.to_owned(),
                address: printable(&remote.url, LONGEST_SHOWN),
                variables: remote.variables.clone(),
                headers,
            })
        });
        let is_known = |it: &Incomplete| self.incomplete.contains(it);
        if let Some(wanting) = wanting.filter(|it| !is_known(it)) {
            self.incomplete.push(wanting);
        }
    }

    /// Decides for a target. `confirmed` is the endpoint that a person has chosen for it before.
    pub fn verdict(&self, target: &Url, confirmed: Option<&Url>) -> Verdict<'_> {
        let mut endpoints = self.endpoints.iter();
        if let Some(endpoint) = endpoints.find(|it| Some(&it.url) == confirmed) {
            return Verdict::Use(endpoint);
        }
        match self.endpoints.as_slice() {
            [] if self.unread.is_empty() && self.incomplete.is_empty() => Verdict::Nothing,
            [] if self.unread.is_empty() => Verdict::Incomplete,
            [endpoint] if self.unread.is_empty() && self.incomplete.is_empty() => {
                match is_same_site(target, &endpoint.url) {
                    true => Verdict::Use(endpoint),
                    false => Verdict::Foreign(endpoint),
                }
            }
            _ => Verdict::Several,
        }
    }
}

/// Says whether a shell reads the address as one word and nothing else, whichever shell it is: messages name the address in
/// commands that are copied, and the site that has written it is not to be run there.
fn is_plain(url: &Url) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%?=@+,[]".contains(&byte);
    url.as_str().bytes().all(is_plain)
}

/// Returns the names of the headers that the user has not given. `Authorization` is not among them: signing in brings it.
fn missing(remote: &Remote, given: &Given) -> Vec<String> {
    let Given::Names(given) = given else {
        return Vec::new();
    };
    let is_given = |name: &&String| {
        name.eq_ignore_ascii_case("authorization")
            || given.iter().any(|given| given.eq_ignore_ascii_case(name))
    };
    let names = remote.headers.iter();
    names.filter(|name| !is_given(name)).cloned().collect()
}

#[cfg(test)]
mod tests;
