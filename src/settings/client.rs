//! The client's identity at the authorization server, as the user gives it: flags, files, variables, and mcp-remote's
//! two JSON flags.

use std::path::PathBuf;

use serde_json::{Map, Value};
use url::Url;

use crate::auth::client::Method;
use crate::auth::oauth::scope::Scopes;
use crate::cli::SignInArgs;
use crate::secret::Secret;
use crate::settings::address::is_loopback;
use crate::settings::environment::Environment;
use crate::settings::error::Error;
use crate::settings::headers::expand_here;
use crate::settings::references::SecretFlags;
use crate::settings::secret_files::read;
use crate::text::without_mark;

/// The client's identity, as the user gives it.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) id: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) method: Option<Method>,
    /// The redirect address for which that client is registered, if the address is on this machine.
    pub(super) redirect: Option<Url>,
    /// Members for a registration.
    pub(super) metadata: Map<String, Value>,
    /// The scope among those members.
    pub(super) scope: Option<Scopes>,
    pub(super) registration_token: Option<Secret>,
}

/// Reads the identity from flags, files and variables.
///
/// # Errors
/// A file that cannot be read, a variable that is not set, a text that is not JSON.
pub(super) fn identity(args: &SignInArgs, env: &Environment) -> Result<Identity, Error> {
    let secret = SecretFlags {
        flag: "--client-secret",
        reference: args.client_secret.as_deref(),
        file: args.client_secret_file.as_deref(),
        variable_flag: "--client-secret-env",
        variable: args.client_secret_env.as_deref(),
    };
    let registration_token = SecretFlags {
        flag: "--dcr-token",
        reference: args.dcr_token.as_deref(),
        file: args.dcr_token_file.as_deref(),
        variable_flag: "--dcr-token-env",
        variable: args.dcr_token_env.as_deref(),
    };
    let mut identity = Identity {
        id: args.client_id.clone(),
        secret: secret.secret(env)?,
        registration_token: registration_token.secret(env)?,
        ..Identity::default()
    };
    if let Some(given) = &args.static_oauth_client_info {
        identity.take_info(&object(given, INFO)?, env, !given.starts_with('@'))?;
    }
    if let Some(given) = &args.static_oauth_client_metadata {
        let mut metadata = object(given, METADATA)?;
        let scope = metadata.remove("scope");
        identity.scope = scope.as_ref().and_then(Value::as_str).map(Scopes::parse);
        identity.metadata = metadata;
    }
    Ok(identity)
}

const INFO: &str = "--static-oauth-client-info";
const METADATA: &str = "--static-oauth-client-metadata";

impl Identity {
    fn take_info(
        &mut self,
        info: &Map<String, Value>,
        env: &Environment,
        is_typed: bool,
    ) -> Result<(), Error> {
        let text = |name: &str| -> Result<Option<String>, Error> {
            match info.get(name) {
                Some(Value::String(text)) => expand_here(INFO, text, env).map(Some),
                Some(Value::Number(number)) => Ok(Some(number.to_string())),
                _ => Ok(None),
            }
        };
        let id = text("client_id")?.filter(|id| !id.is_empty());
        self.id = Some(id.ok_or(Error::NotObject(INFO))?);
        let secret = text("client_secret")?.filter(|secret| !secret.is_empty());
        let written = info.get("client_secret").and_then(Value::as_str);
        if is_typed && secret.is_some() && secret.as_deref() == written {
            tracing::warn!(
                "a client secret on the command line is seen by every program on this machine: \
                 write ${{NAME}} for it, or @FILE for the whole"
            );
        }
        self.secret = secret.map(Secret::new);
        self.method = text("token_endpoint_auth_method")?.and_then(|name| Method::named(&name));
        let uris = info.get("redirect_uris").and_then(Value::as_array);
        let uris = uris.into_iter().flatten().filter_map(Value::as_str);
        self.redirect = uris.filter_map(|uri| Url::parse(uri).ok()).find(|uri| {
            uri.scheme() == "http" && uri.host().is_some_and(|host| is_loopback(&host))
        });
        Ok(())
    }
}

/// Reads a JSON object from the text, or from the file that the text names after an `@`.
fn object(given: &str, flag: &'static str) -> Result<Map<String, Value>, Error> {
    let text = match given.strip_prefix('@') {
        Some(path) => read(PathBuf::from(path))?,
        None => given.to_owned(),
    };
    // The text may be a secret, and serde_json's error may quote it.
    serde_json::from_str(without_mark(&text)).map_err(|_| Error::NotObject(flag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;

    fn env() -> Environment {
        let variables = [("ID", "abc"), ("SECRET", "s3\"cret"), ("EMPTY", "")];
        crate::settings::environment::env(&variables)
    }

    fn info(text: &str) -> Result<Identity, Error> {
        let args = SignInArgs {
            static_oauth_client_info: Some(text.to_owned()),
            ..SignInArgs::default()
        };
        identity(&args, &env())
    }

    #[test]
    fn client_info_is_read_as_mcp_remote_reads_it() {
        let read = info(
            r#"{"client_id":"${ID}","client_secret":"${SECRET}","token_endpoint_auth_method":"client_secret_post",
                "redirect_uris":["https://x.example/cb","http://localhost:3334/oauth/callback"]}"#,
        )
        .unwrap();
        assert_eq!(read.id.as_deref(), Some("abc"));
        assert_eq!(read.secret.unwrap().expose(), "s3\"cret");
        assert_eq!(read.method, Some(Method::Post));
        assert_eq!(read.redirect.unwrap().port(), Some(3334));

        let file = tempfile::NamedTempFile::new().unwrap();
        let written = "\u{feff}{\"client_id\":\"from a file\"}";
        std::fs::write(file.path(), written).unwrap();
        let read = info(&format!("@{}", file.path().display())).unwrap();
        assert_eq!(read.id.as_deref(), Some("from a file"));
        assert!(read.secret.is_none());
    }

    #[test]
    fn client_info_that_cannot_be_right_is_refused_without_showing_it() {
        for text in [
            "s3cret",
            r#"["s3cret"]"#,
            r#"{"client_secret":"s3cret"}"#,
            r#"{"client_id":"","client_secret":"s3cret"}"#,
            r#"{"client_id":"${UNSET}","client_secret":"s3cret"}"#,
            "@/nowhere/at/all",
        ] {
            let error = info(text).unwrap_err();
            assert!(!Failure::from(error).text().contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn client_metadata_pins_the_scope_and_is_not_expanded() {
        let args = SignInArgs {
            static_oauth_client_metadata: Some(
                r#"{"scope":"a b","client_name":"${ID}","software_id":"x"}"#.to_owned(),
            ),
            ..SignInArgs::default()
        };
        let read = identity(&args, &env()).unwrap();
        assert_eq!(read.scope, Some(Scopes::parse("a b")));
        assert_eq!(read.metadata["client_name"], "${ID}");
        assert!(!read.metadata.contains_key("scope"));
    }
}
