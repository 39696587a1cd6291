//! A client, as an authorization server knows one: its id and its way to authenticate.

use std::sync::{Arc, OnceLock};

use url::Url;

use crate::auth::oauth::jws::{self, Algorithm, Key};
use crate::clock::Clock;
use crate::header_secrets;
use crate::secret::Secret;
use crate::store::Vault;

/// A client id with its way to authenticate.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: Option<Secret>,
    /// The way in which the client sends its secret.
    pub method: Method,
    /// True to leave `client_id` out of the form where the secret is in the header. Servers of the official Python SDK
    /// want it in both places (RFC 6749 section 3.2.1 allows it), other servers take it for a second way of
    /// authenticating.
    pub header_only: bool,
    /// Another way in which the server takes secrets, for when it refuses the first.
    pub other: Option<Method>,
    /// The source of the client.
    pub source: ClientSource,
    /// The way in which the client's assertions are signed, where it authenticates with assertions.
    pub signing: Option<AssertionSigning>,
}

impl Client {
    /// Returns a client without an id, for a request that needs none.
    pub fn anonymous() -> Self {
        Self {
            id: String::new(),
            secret: None,
            method: Method::None,
            header_only: false,
            other: None,
            source: ClientSource::Given,
            signing: None,
        }
    }

    /// Says whether the client authenticates with a key that is not at hand.
    pub fn lacks_key(&self) -> bool {
        let signing = self.signing.as_ref();
        self.method == Method::PrivateKeyJwt && signing.is_none_or(|it| it.signer.is_none())
    }

    /// Returns the same client with its secret sent in the other way.
    pub fn alternate(&self) -> Option<Self> {
        self.secret.as_ref()?;
        let method = self.other.filter(|other| *other != self.method)?;
        Some(Self {
            method,
            other: Some(self.method),
            ..self.clone()
        })
    }

    /// Returns the same client in a form that a server may take after it has refused it with these words: without
    /// `client_id` beside the header if the words are about more than one way of authenticating, else in the other way.
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
        self.alternate()
    }

    /// Says whether `client_id` is in the form although the secret is in the header.
    pub fn repeats_id(&self) -> bool {
        self.method == Method::Basic && self.secret.is_some() && !self.header_only
    }

    /// Says whether both clients authenticate in the same way.
    pub fn authenticates_as(&self, other: &Self) -> bool {
        (self.method, self.header_only) == (other.method, other.header_only)
    }
}

/// Says whether these words of a refusal mean that the client has authenticated twice. RFC 6749 section 5.2 has
/// `invalid_request` for it ("utilizes more than one mechanism for authenticating the client"), some servers answer
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
    /// No authentication: the client sends its id alone.
    None,
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt`.
    PrivateKeyJwt,
}

impl Method {
    /// Returns the method's name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Returns the method of this name, if mcpipe knows it.
    pub fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post, Self::PrivateKeyJwt]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// The source of a client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSource {
    /// A client id from the user.
    Given,
    /// A client id that is the address of mcpipe's metadata document.
    Document,
    /// A client id from a registration, which mcpipe may repeat.
    Registered,
}

impl ClientSource {
    /// Returns the source's name in the vault.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Document => "document",
            Self::Registered => "registered",
        }
    }

    /// Returns the source of this name; an unknown name counts as the user's.
    pub fn named(name: &str) -> Self {
        [Self::Document, Self::Registered]
            .into_iter()
            .find(|source| source.name() == name)
            .unwrap_or(Self::Given)
    }
}

/// The user's key for assertions, with its algorithm and audience.
#[derive(Clone, Debug)]
pub struct ClientKey {
    place: KeySource,
    /// The algorithm; `None` leaves the choice to the server's metadata.
    pub algorithm: Option<Algorithm>,
    /// The audience of assertions.
    pub audience: Audience,
}

#[derive(Clone, Debug)]
enum KeySource {
    Here(Key),
    Vault {
        name: String,
        found: Arc<OnceLock<Key>>,
    },
}

/// The audience of an assertion (`aud`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// The issuer, as rfc7523bis demands.
    #[default]
    Issuer,
    /// The token endpoint, as RFC 7523 allowed.
    TokenEndpoint,
    /// The text that the user gives.
    Fixed(String),
}

/// The way in which a client's assertions are signed.
#[derive(Clone, Debug)]
pub struct AssertionSigning {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The audience of the assertions.
    pub audience: String,
    /// The key and the clock; `None` in what was read from the vault, until the user's key is put in.
    pub signer: Option<(Key, Clock)>,
}

/// The reason why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A vault that does not give out the key.
    #[error(transparent)]
    Vault(#[from] header_secrets::Error),
    /// A secret of that name in the vault that is no usable key.
    #[error("the secret {name:?} is {source}")]
    Key {
        /// The name.
        name: String,
        /// The fault of the key.
        source: jws::Error,
    },
}

impl Error {
    pub(in crate::auth) fn hint(&self) -> Option<String> {
        match self {
            Self::Vault(error) => error.hint(),
            Self::Key { name, .. } => Some(format!(
                "`mcpipe vault put {name}` replaces it; --client-alg says how it signs"
            )),
        }
    }
}

impl ClientKey {
    /// Returns a key that is at hand.
    ///
    /// # Errors
    /// [`jws::Error::OtherKind`] for a key that does not sign with the algorithm.
    pub fn new(
        key: Key,
        algorithm: Option<Algorithm>,
        audience: Audience,
    ) -> Result<Self, jws::Error> {
        check(&key, algorithm)?;
        Ok(Self {
            place: KeySource::Here(key),
            algorithm,
            audience,
        })
    }

    /// Returns a key that the vault holds under this name.
    pub fn in_vault(name: String, algorithm: Option<Algorithm>, audience: Audience) -> Self {
        let found = Arc::default();
        Self {
            place: KeySource::Vault { name, found },
            algorithm,
            audience,
        }
    }

    /// Says whether the key is in the vault.
    pub fn is_in_vault(&self) -> bool {
        matches!(self.place, KeySource::Vault { .. })
    }

    /// Fetches the key from the vault, unless that is done. The key belongs to one server, like every secret of the
    /// user's.
    ///
    /// # Errors
    /// See [`Error`].
    pub(in crate::auth) async fn fetch(
        &self,
        vault: &Vault,
        server: &Url,
        now: &Clock,
    ) -> Result<(), Error> {
        let KeySource::Vault { name, found } = &self.place else {
            return Ok(());
        };
        if found.get().is_some() {
            return Ok(());
        }
        let origin = server.origin().ascii_serialization();
        let text = header_secrets::secret_for(vault, name, &origin, now.now()).await?;
        let broken = |source| Error::Key {
            name: name.clone(),
            source,
        };
        let key = Key::read(&text).map_err(broken)?;
        check(&key, self.algorithm).map_err(broken)?;
        // Another task may have fetched the same key first.
        let _ = found.set(key);
        Ok(())
    }

    fn key(&self) -> Option<&Key> {
        match &self.place {
            KeySource::Here(key) => Some(key),
            KeySource::Vault { found, .. } => found.get(),
        }
    }

    /// Returns the signing for a server: with the algorithm that the user names, else with the first of the key's
    /// algorithms that the server lists. `None` if the server lists none of them, or if the key has not been fetched.
    pub(in crate::auth) fn signing(
        &self,
        issuer: &str,
        token_endpoint: &Url,
        listed: Option<&[String]>,
        now: &Clock,
    ) -> Option<AssertionSigning> {
        let key = self.key()?;
        let is_listed = |algorithm: &Algorithm| {
            listed.is_none_or(|all| {
                all.iter()
                    .any(|name| Algorithm::named(name) == Some(*algorithm))
            })
        };
        let algorithm = match self.algorithm {
            Some(algorithm) => algorithm,
            None => key.algorithms().iter().copied().find(is_listed)?,
        };
        Some(AssertionSigning {
            algorithm,
            audience: match &self.audience {
                Audience::Issuer => issuer.to_owned(),
                Audience::TokenEndpoint => token_endpoint.to_string(),
                Audience::Fixed(audience) => audience.clone(),
            },
            signer: Some((key.clone(), now.clone())),
        })
    }
}

fn check(key: &Key, algorithm: Option<Algorithm>) -> Result<(), jws::Error> {
    match algorithm {
        Some(algorithm) if !key.algorithms().contains(&algorithm) => {
            Err(jws::Error::OtherKind(algorithm.name()))
        }
        _ => Ok(()),
    }
}
