//! The grant that brings the tokens, and the key that proves the client, as the user gives them.

use std::io;
use std::path::PathBuf;

use url::Url;

use crate::auth::client::{Audience, ClientKey};
use crate::auth::grant::Assertions;
use crate::auth::grant::GrantConfig;
use crate::auth::grant::Provider;
use crate::auth::oauth::jws::{self, Algorithm, Key};
use crate::cli::{GrantArgs, KeyArgs, SignInArgs};
use crate::named_file;
use crate::process::argv::{self, Argv};
use crate::report::Failure;
use crate::secret::Secret;
use crate::settings::address::address;
use crate::settings::environment::Environment;
use crate::settings::error::Error;
use crate::settings::references::{Reference, SecretFlags};
use crate::settings::secret_files::warn_if_others_read;

/// A mistake in the flags of a grant.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// Two grants, or two proofs of a client, at once.
    #[error("{0} and {1} are two ways to the same thing: one of them is one too many")]
    Two(&'static str, &'static str),
    /// A flag that has a meaning only beside another flag.
    #[error("{0} means nothing without {1}")]
    Alone(&'static str, &'static str),
    /// A grant that lacks another flag.
    #[error("{0} needs {1}")]
    Needs(&'static str, &'static str),
    /// A file that holds no key, or a key that does not sign with the algorithm wanted.
    #[error("--client-key: in {} is {source}", path.display())]
    Key {
        /// The path of the file.
        path: PathBuf,
        /// The fault of the key.
        source: jws::Error,
    },
    /// A text that no secret can have as its name.
    #[error("--client-key names a secret of the vault by what is no name")]
    Name,
    /// A command that cannot be run.
    #[error("--assertion-command: {0}")]
    Command(#[from] argv::Error),
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        let hint = match &mistake {
            Mistake::Key {
                source: jws::Error::Encrypted,
                ..
            } => {
                "`openssl pkcs8 -in KEY -out PLAIN.pem` opens it; `mcpipe vault put NAME` keeps it encrypted, for vault:NAME"
            }
            Mistake::Key {
                source: jws::Error::OtherKind(_),
                ..
            } => "leave --client-alg out: what the server lists and the key can is found",
            Mistake::Key { .. } => {
                "`openssl ecparam -name prime256v1 -genkey -noout` makes one for ES256"
            }
            Mistake::Name => "`mcpipe vault put NAME` keeps a key; it is then vault:NAME",
            Mistake::Command(_) => {
                "write --assertion-command 'program argument'; no shell reads it"
            }
            _ => "`mcpipe --help` tells which flags belong together, under \"Without a user\"",
        };
        Self::usage(mistake).hint(hint)
    }
}

/// Returns the key of the client; `None` if the client has none.
///
/// # Errors
/// The file cannot be read, holds no key, or holds one that does not sign with the algorithm wanted.
pub(super) fn key(args: &KeyArgs, env: &Environment) -> Result<Option<ClientKey>, Failure> {
    let Some(given) = &args.client_key else {
        return Ok(None);
    };
    // clap lets no other algorithms past.
    let algorithm = args.client_alg.as_deref().and_then(Algorithm::named);
    let audience = match args.client_assertion_audience.as_deref() {
        None | Some("issuer") => Audience::Issuer,
        Some("token-endpoint") => Audience::TokenEndpoint,
        // The text is kept to the letter: the authorization server compares it as text.
        Some(url) => address(url, "--client-assertion-audience", true)
            .map(|_| Audience::Fixed(url.to_owned()))?,
    };
    let reference = given
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(given);
    let reference = match Reference::read(reference, "--client-key") {
        Err(Error::NoSecretName(_)) => return Err(Mistake::Name.into()),
        reference => reference?,
    };
    let (place, text) = match reference {
        Some(Reference::Vault(name)) => {
            return Ok(Some(ClientKey::in_vault(name, algorithm, audience)));
        }
        Some(Reference::File(path)) => (path.clone(), text_of_key(path)?),
        None => (PathBuf::from(given), text_of_key(PathBuf::from(given))?),
        // The name of a variable may be the key itself.
        Some(other) => {
            let text = other.secret_at_once("--client-key", env)?;
            (PathBuf::from("what it names"), text)
        }
    };
    let wrong = |source| wrong_key(place.clone(), source);
    let key = Key::read(&text).map_err(wrong)?;
    let key = ClientKey::new(key, algorithm, audience).map_err(wrong)?;
    Ok(Some(key))
}

/// Returns the text of a file with a key.
fn text_of_key(path: PathBuf) -> Result<Secret, Failure> {
    warn_if_others_read(&path, "--client-key");
    match named_file::read_text(&path) {
        Ok(text) => Ok(Secret::new(text)),
        // The file may be DER; in any case it is not text.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(wrong_key(path, jws::Error::NotAKey))
        }
        Err(source) => Err(Error::Unreadable { path, source }.into()),
    }
}

fn wrong_key(path: PathBuf, source: jws::Error) -> Failure {
    Mistake::Key { path, source }.into()
}

/// Returns the grant, and the token endpoint if that is not looked up. `has` says whether the client has an id, and
/// whether anything proves the client. `allow_http` is the user's, for addresses that the user gives.
///
/// # Errors
/// Flags that contradict each other, or lack each other.
pub(super) fn grant(
    args: &SignInArgs,
    has: (bool, bool),
    allow_http: bool,
    env: &Environment,
) -> Result<(GrantConfig, Option<Url>), Failure> {
    let given = &args.grant;
    refuse_two_grants(args)?;
    refuse_two_proofs(args, has)?;
    let grant = configured(args, has, allow_http, env)?;
    if !matches!(grant, GrantConfig::Enterprise(_)) {
        refuse_provider_flags(given)?;
    }
    let endpoint = match &given.token_endpoint {
        Some(_) if matches!(grant, GrantConfig::User) => {
            let others = "--client-credentials, an assertion or a provider";
            return Err(Mistake::Alone("--token-endpoint", others).into());
        }
        endpoint => endpoint
            .as_deref()
            .map(|url| address(url, "--token-endpoint", allow_http))
            .transpose()?,
    };
    Ok((grant, endpoint))
}

/// Refuses flags of two grants.
fn refuse_two_grants(args: &SignInArgs) -> Result<(), Mistake> {
    let given = &args.grant;
    let chosen: Vec<&'static str> = [
        ("--client-credentials", given.client_credentials),
        ("--assertion-file", given.assertion_file.is_some()),
        ("--assertion-command", given.assertion_command.is_some()),
        ("--idp-issuer", given.idp_issuer.is_some()),
        ("--device-code", args.device_code),
    ]
    .into_iter()
    .filter_map(|(flag, is_given)| is_given.then_some(flag))
    .collect();
    match chosen.as_slice() {
        [one, other, ..] => Err(Mistake::Two(one, other)),
        _ => Ok(()),
    }
}

/// Refuses a key beside a secret, and a key of no client.
fn refuse_two_proofs(args: &SignInArgs, (has_id, _): (bool, bool)) -> Result<(), Mistake> {
    let given = &args.grant;
    let secrets = [
        ("--client-secret", args.client_secret.is_some()),
        ("--client-secret-file", args.client_secret_file.is_some()),
        ("--client-secret-env", args.client_secret_env.is_some()),
    ];
    if let (Some((flag, _)), Some(_)) = (secrets.iter().find(|it| it.1), &given.key.client_key) {
        return Err(Mistake::Two("--client-key", flag));
    }
    if given.key.client_key.is_some() && !has_id && args.client_metadata_url.is_none() {
        return Err(Mistake::Alone("--client-key", "--client-id"));
    }
    Ok(())
}

/// Returns the grant that the flags configure.
fn configured(
    args: &SignInArgs,
    (has_id, is_proved): (bool, bool),
    allow_http: bool,
    env: &Environment,
) -> Result<GrantConfig, Failure> {
    let given = &args.grant;
    Ok(if given.client_credentials {
        if !has_id {
            return Err(Mistake::Needs("--client-credentials", "--client-id").into());
        }
        if !is_proved {
            let proof =
                "what proves the client: --client-key, --client-secret-env or --client-secret-file";
            return Err(Mistake::Needs("--client-credentials", proof).into());
        }
        GrantConfig::ClientCredentials
    } else if let Some(path) = &given.assertion_file {
        GrantConfig::Workload(Assertions::File(path.clone()))
    } else if let Some(command) = &given.assertion_command {
        GrantConfig::Workload(Assertions::Command(
            Argv::split(command).map_err(Mistake::from)?,
        ))
    } else if let Some(issuer) = &given.idp_issuer {
        if !has_id && args.client_metadata_url.is_none() {
            return Err(
                Mistake::Needs("--idp-issuer", "--client-id, the client at the server").into(),
            );
        }
        GrantConfig::Enterprise(provider(issuer, given, allow_http, env)?.into())
    } else {
        GrantConfig::User
    })
}

/// Refuses flags of an identity provider without the provider.
fn refuse_provider_flags(given: &GrantArgs) -> Result<(), Mistake> {
    let strays = [
        ("--idp-client-secret", given.idp_client_secret.is_some()),
        ("--idp-token-endpoint", given.idp_token_endpoint.is_some()),
        ("--idp-client-id", given.idp_client_id.is_some()),
        (
            "--idp-client-secret-file",
            given.idp_client_secret_file.is_some(),
        ),
        (
            "--idp-client-secret-env",
            given.idp_client_secret_env.is_some(),
        ),
        ("--idp-id-token", given.idp_id_token.is_some()),
    ];
    match strays.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Mistake::Alone(flag, "--idp-issuer")),
        None => Ok(()),
    }
}

fn provider(
    issuer: &str,
    given: &GrantArgs,
    allow_http: bool,
    env: &Environment,
) -> Result<Provider, Failure> {
    let Some(client_id) = given.idp_client_id.clone() else {
        return Err(Mistake::Needs("--idp-issuer", "--idp-client-id").into());
    };
    let endpoint = given.idp_token_endpoint.as_deref();
    let client_secret = SecretFlags {
        flag: "--idp-client-secret",
        reference: given.idp_client_secret.as_deref(),
        file: given.idp_client_secret_file.as_deref(),
        variable_flag: "--idp-client-secret-env",
        variable: given.idp_client_secret_env.as_deref(),
    };
    Ok(Provider {
        issuer: address(issuer, "--idp-issuer", allow_http)?,
        name: issuer.to_owned(),
        token_endpoint: endpoint
            .map(|url| address(url, "--idp-token-endpoint", allow_http))
            .transpose()?,
        client_id,
        client_secret: client_secret.secret(env)?,
        id_token: given.idp_id_token.clone(),
    })
}
