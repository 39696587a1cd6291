//! A client, as an authorization server knows one: its id, and how it proves that it is it.

use crate::auth::oauth::client_auth::Signing;
use crate::secret::Secret;

/// A client id, and how it is proved.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: Option<Secret>,
    /// The way in which the secret is shown.
    pub method: Method,
    /// True to leave `client_id` out of the form where the secret is in the header. Servers of the official Python SDK
    /// want it in both places (RFC 6749 section 3.2.1 allows it), others take it for a second way of authenticating.
    pub header_only: bool,
    /// Another way the server takes secrets, for when it does not take this one.
    pub other: Option<Method>,
    /// The source of the client.
    pub source: Source,
    /// The way in which its assertions are signed, where it is proved by those.
    pub signing: Option<Signing>,
}

impl Client {
    /// A client without an id: the request says all there is to know.
    pub fn nobody() -> Self {
        Self {
            id: String::new(),
            secret: None,
            method: Method::None,
            header_only: false,
            other: None,
            source: Source::Given,
            signing: None,
        }
    }

    /// Says whether it is proved by a key that is not at hand.
    pub fn lacks_key(&self) -> bool {
        let signing = self.signing.as_ref();
        self.method == Method::PrivateKeyJwt && signing.is_none_or(|it| it.signer.is_none())
    }

    /// Returns the same client, its secret shown in the other way.
    pub fn otherwise(&self) -> Option<Self> {
        self.secret.as_ref()?;
        let method = self.other.filter(|other| *other != self.method)?;
        Some(Self {
            method,
            other: Some(self.method),
            ..self.clone()
        })
    }

    /// Returns the same client as a server may take it that has refused it with these words: without `client_id` beside
    /// the header if the words are of more than one way of authenticating, else in the other way.
    pub fn after_refusal(&self, code: &str, description: Option<&str>) -> Option<Self> {
        if self.repeats_id() && speaks_of_several(description.unwrap_or_default()) {
            return Some(Self {
                header_only: true,
                ..self.clone()
            });
        }
        if code != "invalid_client" {
            return None;
        }
        self.otherwise()
    }

    /// Says whether `client_id` is in the form although the secret is in the header.
    pub fn repeats_id(&self) -> bool {
        self.method == Method::Basic && self.secret.is_some() && !self.header_only
    }

    /// Says whether both are shown in the same way.
    pub fn is_shown_as(&self, other: &Self) -> bool {
        (self.method, self.header_only) == (other.method, other.header_only)
    }
}

/// Says whether these words of a refusal mean that the client has proved itself twice. RFC 6749 section 5.2 has
/// `invalid_request` for it ("utilizes more than one mechanism for authenticating the client"), some servers
/// `invalid_client`, so that only the words tell.
fn speaks_of_several(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let says = |some: &[&str]| some.iter().any(|word| words.contains(word));
    says(&["multiple", "more than one", "several", "two ", "both"])
        && says(&["auth", "credential", "mechanism", "header"])
}

/// The way in which a client authenticates at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The client only says its id.
    None,
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt`.
    PrivateKeyJwt,
}

impl Method {
    /// Its name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of this name, if it is one of ours.
    pub fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post, Self::PrivateKeyJwt]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// The source of a client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user brought it.
    Given,
    /// The id is the address of our metadata document.
    Document,
    /// We registered it, and may do so again.
    Registered,
}

impl Source {
    /// Its name in the vault.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Document => "document",
            Self::Registered => "registered",
        }
    }

    /// The source of this name; anything unknown is taken for the user's.
    pub fn named(name: &str) -> Self {
        [Self::Document, Self::Registered]
            .into_iter()
            .find(|source| source.name() == name)
            .unwrap_or(Self::Given)
    }
}
