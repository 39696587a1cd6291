//! Settings: the arguments, the environment and the files that these name, checked and made into values.
//!
//! The last place that can say "wrong usage": after this nothing is missing, contradictory or unsafe, and nothing has been sent anywhere.

mod address;
mod client;
pub mod config_file;
pub mod config_report;
mod configured;
pub mod environment;
mod error;
mod file_values;
mod grants;
mod headers;
pub mod policy;
mod redirect;
mod references;
mod reread_headers;
mod secret_files;
mod vault;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderName;
use http::header::AUTHORIZATION;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use url::Url;

use crate::auth::client::ClientKey;
use crate::auth::net::guard::Guard;
use crate::auth::oauth::scope::Scopes;
use crate::auth::user_key::UserKey;
use crate::auth::{self, Announce, Browser};
use crate::bridge;
use crate::cli::{BridgeOptions, KeyArgs, NetworkArgs, SignInArgs, TargetArgs};
use crate::clock::Clock;
use crate::header_secrets::Template;
use crate::policy::Rules;
use crate::process::argv::Argv;
use crate::proxy::Proxies;
use crate::random;
use crate::remote::header_command::HeaderCommand;
use crate::remote::https;
use crate::report::Failure;
use crate::result_store::ResultStore;
use crate::server_cache::ServerCache;
pub use crate::settings::environment::Environment;
use crate::stdio;
use crate::store::VaultPaths;
use crate::text::printable;
use crate::tls;
pub use address::{address, origin};
pub use configured::{configured, configured_beside};
pub use error::{Error, SERVER};
pub(crate) use headers::given;
pub use reread_headers::{Anew, keys_beside_signing_in};
pub use vault::{
    bridges_vault, export_passphrase, new_passphrase, opened_vault, passphrases, vault,
    vault_at_cost,
};

/// A server and the settings to reach it with.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address as typed, for messages and for the vault.
    pub typed: String,
    /// The settings of the HTTPS connection.
    pub https: https::Settings,
    /// The settings of TLS. Its roots are loading already; plain http needs none, but the sign-in may.
    pub tls: rustls::ClientConfig,
    /// True where the user's own Authorization header switches signing in off.
    pub brings_authorization: bool,
    /// Headers whose values have secrets from the vault in them.
    pub templates: Vec<Template>,
    /// Headers whose value stood in the open in the arguments, and is a secret.
    pub typed_secrets: Vec<HeaderName>,
    /// Headers whose value stands in the open in a configuration file that other users can read, and is a secret.
    pub open_secrets: Vec<HeaderName>,
    /// Headers that carry a key, each with its source.
    pub given: Vec<UserKey>,
    /// The function that reads the headers again, files included; set where the headers may have changed.
    pub anew: Option<Anew>,
}

/// Returns the time of this process's wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one clock, handed to whoever needs it"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The value of the `User-Agent` header.
pub const USER_AGENT: &str = concat!("mcpipe/", env!("CARGO_PKG_VERSION"));

/// Returns the certificates to trust beside the system's.
///
/// # Errors
/// A `--ca` file that holds no certificate.
fn roots(
    network: &NetworkArgs,
    env: &Environment,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let mut roots = Vec::new();
    for path in &network.ca {
        roots.extend(
            tls::certificates(path)
                .map_err(|error| Failure::usage(error).hint("--ca takes a PEM file"))?,
        );
    }
    // Hosts written for Node set this one; SSL_CERT_FILE is the platform loader's own.
    if let Some(path) = env.get("NODE_EXTRA_CA_CERTS").map(PathBuf::from) {
        match tls::certificates(&path) {
            Ok(found) => roots.extend(found),
            Err(error) => tracing::warn!(%error, "NODE_EXTRA_CA_CERTS is passed over"),
        }
    }
    Ok(roots)
}

/// Returns the TLS settings of this command, with the user's roots and certificate. With `is_wanted_soon` the system's
/// roots begin to load.
///
/// # Errors
/// A file that cannot be read, or holds no certificate or key.
pub fn tls(
    network: &NetworkArgs,
    env: &Environment,
    is_wanted_soon: bool,
) -> Result<rustls::ClientConfig, Failure> {
    let wrong = |error: tls::Error| {
        let hint = error.hint();
        Failure::usage(error).hint(hint)
    };
    let mut config = tls::config(roots(network, env)?, is_wanted_soon)
        .map_err(|error| Failure::new(crate::report::Kind::Failed, error))?;
    if let Some(certificate) = &network.client_cert {
        let key = network.client_cert_key.as_deref();
        tls::Identity::read(certificate, key)
            .map_err(wrong)?
            .show_in(&mut config);
        let path = key.unwrap_or(certificate);
        if !env.is_on("MCPIPE_ALLOW_LOOSE_PERMISSIONS") && secret_files::others_can_read(path) {
            let path = path.display();
            tracing::warn!(%path, "others can read this private key: `chmod 600` it");
        }
    }
    Ok(config)
}

/// Makes a target of the user's arguments.
///
/// # Errors
/// See [`Error`]; a `--ca` file that holds no certificate.
pub fn target(args: &TargetArgs, env: &Environment) -> Result<Target, Failure> {
    let typed = args.url.clone().unwrap_or_default();
    let url = address(&typed, SERVER, args.network.allow_http)?;
    let headers = headers::read(&args.network, env)?;
    let command = args.network.header_command.as_deref();
    let command = command
        .map(Argv::split)
        .transpose()
        .map_err(|error| {
            Failure::usage(error)
                .hint("--header-command takes a program and its arguments; no shell reads it")
        })?
        .map(|words| HeaderCommand::new(words, url.as_str()));
    let tls = tls(&args.network, env, url.scheme() == "https")?;
    let positive = |seconds: f64| (seconds > 0.0).then(|| Duration::from_secs_f64(seconds));
    Ok(Target {
        typed,
        brings_authorization: headers.have(&AUTHORIZATION),
        typed_secrets: headers.typed_secrets,
        open_secrets: headers.open_secrets,
        anew: (!headers.templates.is_empty() || headers.is_in_file)
            .then(|| Anew::new(&args.network, env)),
        given: given(&args.network),
        templates: headers.templates,
        tls,
        https: https::Settings {
            url,
            headers: headers.plain,
            deferred: None,
            command,
            max_message: size(args.network.max_message_size),
            connect_timeout: positive(args.network.connect_timeout)
                .unwrap_or(Duration::from_secs(10)),
            headers_timeout: positive(args.network.headers_timeout),
            body_timeout: positive(args.network.body_timeout),
            proxies: proxies(env),
            keeps_cookies: !args.network.disable_cookies,
            ipv4_only: args.network.ipv4,
            user_agent: USER_AGENT.to_owned(),
            now,
        },
    })
}

/// Returns the sign-in's settings. `announce` is told where to sign in.
///
/// # Errors
/// A parameter that is not `key=value` or that mcpipe sets itself; a secret whose file or variable cannot be read.
pub fn sign_in(
    target: &Target,
    network: &NetworkArgs,
    args: &SignInArgs,
    env: &Environment,
    announce: Announce,
) -> Result<auth::Settings, Failure> {
    let defaults = auth::Settings::new(target.typed.clone(), Clock::new(now))
        .map_err(|_| Error::NotUrl(SERVER))?;
    redirect::check(args)?;
    let identity = client::identity(args, env)?;
    let is_proved = identity.secret.is_some() || args.grant.key.client_key.is_some();
    let has = (identity.id.is_some(), is_proved);
    let (grant, token_endpoint) = grants::grant(args, has, network.allow_http, env)?;
    let client_key = grants::key(&args.grant.key, env)?;
    let redirect = identity.redirect.as_ref();
    let host = redirect.and_then(Url::host_str);
    let browser = match env.get("BROWSER") {
        // The browser is on the machine that the user has come from: a code typed there is the shortest way.
        _ if args.no_browser && env.is_over_ssh() => Browser::Nowhere,
        _ if args.no_browser => Browser::None,
        Some(command) => Browser::from_variable(command),
        None if env.can_show_a_page() => Browser::System,
        None => Browser::Nowhere,
    };
    Ok(auth::Settings {
        account: args.account.clone(),
        keys: keys_beside_signing_in(&target.given),
        allow_http: network.allow_http,
        allow_private: network.allow_private,
        client_id: identity.id,
        client_secret: identity.secret,
        client_key,
        grant,
        token_endpoint,
        client_method: identity.method,
        client_metadata: identity.metadata,
        registration_token: identity.registration_token,
        client_metadata_url: args.client_metadata_url.clone(),
        client_name: args.client_name.clone(),
        scope: args.scope.as_deref().map(Scopes::parse).or(identity.scope),
        resource_parameter: args
            .resource
            .clone()
            .filter(|resource| !resource.is_empty()),
        send_resource: (args.disable_resource_parameter || args.resource.as_deref() == Some(""))
            .then_some(false),
        authorize_params: params(&args.authorize_params, "--authorize-param")?,
        token_params: params(&args.token_params, "--token-param")?,
        refresh_params: params(&args.refresh_params, "--refresh-param")?,
        use_id_token: args.use_id_token,
        dpop: args.dpop.into(),
        select_account: args.select_account.into(),
        authorization_server: args.authorization_server.clone(),
        expected_issuer: args.expect_issuer.clone(),
        assume_pkce: args.assume_pkce,
        callback_port: args.callback_port.or(redirect.and_then(Url::port)),
        callback_host: args
            .callback_host
            .clone()
            .or(host.map(|host| host.trim_matches(['[', ']']).to_owned())),
        callback_path: args
            .callback_path
            .clone()
            .or(redirect.map(|uri| uri.path().to_owned())),
        redirect_uri: args.redirect_uri.clone(),
        browser,
        browser_environment: env.environment(),
        device_code: args.device_code,
        success_url: args
            .auth_success_url
            .as_deref()
            .map(|url| address(url, "--auth-success-url", true))
            .transpose()?,
        auth_timeout: Duration::from_secs_f64(args.auth_timeout),
        announce,
        ..defaults
    })
}

/// Returns the key that proves the client, which a sign-out needs too.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub fn client_key(args: &KeyArgs, env: &Environment) -> Result<Option<ClientKey>, Failure> {
    grants::key(args, env)
}

/// Returns the HTTP client of the sign-in, which goes only to addresses that `url` may lead to.
pub fn sign_in_http(
    tls: rustls::ClientConfig,
    settings: &auth::Settings,
    proxies: Proxies,
) -> auth::net::http::Http {
    let guard = Guard::new(&settings.url, settings.allow_http, settings.allow_private);
    auth::net::http::Http::new(tls, guard).through(proxies)
}

/// Returns the proxies that the environment names.
pub fn proxies(env: &Environment) -> Proxies {
    Proxies::new(|name| env.get(name))
}

/// Names of parameters that the sign-in sets itself.
const OURS: [&str; 13] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
    "code",
    "grant_type",
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "code_verifier",
    "dpop_jkt",
];

fn params(given: &[String], flag: &'static str) -> Result<Vec<(String, String)>, Failure> {
    given
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() && !OURS.contains(&key) => {
                if crate::secret::shapes::is_secret_name(key) {
                    tracing::warn!(
                        "{flag} puts the value of {} into the arguments, which every user of this machine can read",
                        printable(key, 100)
                    );
                }
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => Err(Failure::usage(Error::NotParameter(flag))
                .hint("write key=value; what the sign-in sets itself cannot be set")),
        })
        .collect()
}

/// The time for which a request waits for the user to sign in: hosts give up after a minute.
const SIGN_IN_PATIENCE: Duration = Duration::from_secs(45);

/// Returns the bridge's limits and preferences.
pub fn bridge(
    args: &BridgeOptions,
    target: &Target,
    account: &str,
    env: &Environment,
) -> bridge::Settings {
    let positive = |seconds: f64| (seconds > 0.0).then(|| Duration::from_secs_f64(seconds));
    let default_ping = args.keep_alive.then_some(30.0);
    bridge::Settings {
        transport: args.transport.into(),
        protocol: args.protocol.into(),
        grace: Duration::from_secs_f64(args.grace),
        max_in_flight: args.max_in_flight as usize,
        sign_in_patience: (!args.wait_for_login).then_some(SIGN_IN_PATIENCE),
        has_user: env.can_reach_a_user(),
        is_reader_gone: stdio::is_reader_gone,
        awaits_sign_in: watch::Sender::new(false),
        server: target.https.url.host_str().unwrap_or_default().to_owned(),
        facts: ServerCache::about(
            env.get("MCPIPE_HOME").map(Path::new),
            target.https.url.as_str(),
            account,
        ),
        ping_interval: args.ping_interval.or(default_ping).and_then(positive),
        extensions: Vec::new(),
        cache_ttl: args.cache_ttl.filter(|ttl| !ttl.is_zero()),
        audit: None,
        policy: Rules::default(),
        results: Arc::new(ResultStore::about(
            env.get("MCPIPE_HOME").map(Path::new),
            target.https.url.as_str(),
            account,
        )),
        limits_stem: VaultPaths::new(env.get("MCPIPE_HOME").map(Path::new))
            .ok()
            .map(|paths| paths.limits(target.https.url.as_str(), account)),
        pins: None,
        elsewhere: None,
        now,
        random_fraction: random::fraction,
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
