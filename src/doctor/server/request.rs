//! The first request, without anything of the user's: the status, the redirects and the body of what comes back.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};

use super::exchange::{Exchange, Failure, Identity, Prober, patience};
use super::greeting::{Greeting, greet};
use super::redirects::redirects;
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::network::{PROXY_FAILED, TLS_CLIENT_CERT_REFUSED, TLS_FAILED};
use crate::doctor::codes::server as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::http_fields::innermost_cause;
use crate::remote::{Speaks, refusal_text, spoken_at};
use crate::text::printable;
use crate::tls::ClientCertRefused;
use crate::tls::untrusted::Untrusted;

/// The client, and the outcome of the first questions without an identity.
#[derive(Debug)]
pub(super) struct First {
    pub(super) prober: Prober,
    pub(super) greeting: Greeting,
}

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let is_https = context.url().scheme() == "https";
    let is_direct = context.target.https.proxies.to(context.url()).is_none();
    let is_reached = context.known::<crate::doctor::network::Reached>().is_some();
    let is_trusted = context.known::<crate::doctor::network::Trusted>().is_some();
    if is_direct && (!is_reached || is_https && !is_trusted) {
        return vec![Finding::skipped(
            &SKIPPED,
            "nothing is sent, because there is no connection that can be trusted",
        )];
    }
    let Some(prober) = Prober::new(context) else {
        return Vec::new();
    };
    match greet(context, &prober, Identity::Nobody).await {
        Ok(greeting) => {
            let findings = judged(context, &greeting);
            context.learn(First { prober, greeting });
            findings
        }
        Err(failure) => vec![unanswered(context, &failure).await],
    }
}

/// Returns the finding for a request that got no answer.
pub(super) async fn unanswered(context: &Context, failure: &Failure) -> Finding {
    let url = context.url();
    let host = url.host_str().unwrap_or_default();
    let error = match failure {
        Failure::Client(error) => error,
        Failure::Silent => {
            return Finding::fail(
                &codes::HTTP_SILENT,
                format!("{host} takes the request and has not begun an answer within {} s", patience(context).as_secs_f64()),
            )
            .remedy("ask the operator: the program behind the address hangs, or a proxy before it keeps the answer back");
        }
        Failure::Setup => {
            return Finding::fail(
                &codes::HTTP_CUT,
                "the request cannot be made of these settings",
            );
        }
    };
    let proxy = context.target.https.proxies.failure(url, error);
    if let Some(proxy) = proxy.filter(|_| error.is_connect()) {
        let hint = proxy.hint();
        return Finding::fail(&PROXY_FAILED, proxy.to_string()).remedy(hint);
    }
    if let Some(why) = ClientCertRefused::among(error) {
        return Finding::fail(&TLS_CLIENT_CERT_REFUSED, format!("{host} {why}")).remedy(format!(
            "show it a certificate of an authority that it trusts: {}",
            context.typed.line(
                "doctor",
                &["--client-cert", "FILE", "--client-cert-key", "FILE"]
            )
        ));
    }
    if let Some(why) = Untrusted::among(error).filter(|_| error.is_before_sending()) {
        return Finding::fail(&TLS_FAILED, format!("{host} is not trusted: {why}"))
            .remedy(why.hint());
    }
    if url.scheme() == "http" && spoken_at(url).await == Some(Speaks::Tls) {
        return wrong_scheme(context);
    }
    let why = innermost_cause(error).unwrap_or_else(|| error.to_string());
    let sentence = match error.is_before_sending() {
        true => format!("no connection to {host} is made: {why}"),
        false => {
            format!("{host} takes the request and ends the connection without an answer: {why}")
        }
    };
    Finding::fail(&codes::HTTP_CUT, sentence)
        .remedy("ask the operator: the program behind the address crashes, or a device before it refuses the request")
}

fn wrong_scheme(context: &Context) -> Finding {
    let url = context.target.typed.replacen("http://", "https://", 1);
    Finding::fail(
        &codes::WRONG_SCHEME,
        "the address says http, and the server speaks https (TLS) there",
    )
    .remedy(context.typed.line_to(&url, "doctor", &[]))
}

/// Judges what came back.
pub(super) fn judged(context: &Context, greeting: &Greeting) -> Vec<Finding> {
    let exchange = &greeting.exchange;
    let mut findings = redirects(context, greeting);
    if exchange.stop.is_none() {
        let finding = match greeting.spoken {
            Some(spoken) => answered(exchange, spoken.words()),
            None => refused(context, greeting),
        };
        let asked = greeting
            .asked
            .iter()
            .map(|(what, status)| format!("{what} {status}"));
        findings.push(
            finding
                .fact("status", exchange.status)
                .fact("asked", asked.collect::<Vec<_>>().join(", ")),
        );
    }
    findings.extend(coding(exchange));
    findings.extend(label(greeting));
    findings
}

fn answered(exchange: &Exchange, how: &str) -> Finding {
    let server = exchange
        .headers
        .get("server")
        .and_then(|it| it.to_str().ok());
    let finding = Finding::ok(
        &codes::HTTP_ANSWERED,
        format!("the server answers without a sign-in, in {how}"),
    );
    match server {
        Some(server) => finding.fact("server", printable(server, 100)),
        None => finding,
    }
}

/// Judges an answer that is none of MCP's.
fn refused(context: &Context, greeting: &Greeting) -> Finding {
    let exchange = &greeting.exchange;
    let words = refusal_text::of_body(&exchange.body);
    let finding = by_status(context, greeting, words.as_deref());
    match words {
        Some(words) => finding.fact("said", words),
        None => finding,
    }
}

fn by_status(context: &Context, greeting: &Greeting, words: Option<&str>) -> Finding {
    let exchange = &greeting.exchange;
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    let who = greeting.identity.words();
    if exchange.headers.get("cf-mitigated").is_some() {
        return Finding::fail(
            &codes::BOT_CHALLENGE,
            "Cloudflare shows a page that tests for a browser in the place of the server's answer",
        )
        .remedy("ask the operator to except the address of the server from the bot protection");
    }
    match exchange.status {
        401 => unauthorized(context, greeting),
        403 | 421 if exchange.status == 421 || is_about_host(&exchange.body) => {
            wrong_host(context, exchange.status, &said)
        }
        403 => Finding::fail(&codes::HTTP_FORBIDDEN, format!("the server refuses {who} (HTTP 403){said}"))
            .remedy(format!("sign in, or as another account: {}", context.typed.line("login", &[]))),
        404 => Finding::fail(&codes::HTTP_NOT_FOUND, format!("nothing of MCP is at this address (HTTP 404){said}"))
            .remedy("check the path in the server's documentation: /mcp, /sse and / are usual"),
        405 => Finding::fail(&codes::HTTP_METHOD, format!("the address takes no POST (HTTP 405){said}"))
            .remedy("check the path in the server's documentation: this address is for pages, or for another transport"),
        406 => Finding::fail(&codes::HTTP_NOT_ACCEPTABLE, format!("the server cannot answer in JSON or events (HTTP 406){said}"))
            .remedy("check the path: something other than an MCP server answers there"),
        410 => Finding::fail(&codes::HTTP_GONE, format!("the server says that this address is gone for good (HTTP 410){said}"))
            .remedy("look for the new address in the server's documentation"),
        407 => Finding::fail(&PROXY_FAILED, "the proxy wants a name and a password (HTTP 407)")
            .remedy("put them into the variable that names the proxy: http://NAME:PASSWORD@HOST:PORT"),
        429 => too_many(exchange, &said),
        511 => portal("the network wants a sign-in of its own (HTTP 511)"),
        400 if exchange.body.contains("plain HTTP request was sent to HTTPS port") => wrong_scheme(context),
        500.. => server_error(exchange, &said),
        400..500 => Finding::fail(
            &codes::HTTP_BAD_REQUEST,
            format!("the server refuses the request (HTTP {}){said}", exchange.status),
        )
        .remedy("check the address; if it is right, show the operator these words"),
        _ => body(context, greeting),
    }
}

fn unauthorized(context: &Context, greeting: &Greeting) -> Finding {
    let exchange = &greeting.exchange;
    let has_challenge = exchange.headers.contains_key(WWW_AUTHENTICATE);
    if !matches!(greeting.identity, Identity::Nobody) {
        return Finding::fail(
            &codes::SIGN_IN_REFUSED,
            format!(
                "the server refuses {} (HTTP 401)",
                greeting.identity.words().trim_start_matches("with ")
            ),
        )
        .remedy(match greeting.identity {
            Identity::Token(..) => format!("sign in again: {}", context.typed.line("login", &[])),
            _ => "check the value of the header: it may have expired, or lack its scheme (Bearer)"
                .to_owned(),
        });
    }
    match has_challenge {
        true => Finding::ok(&codes::SIGN_IN_WANTED, "the server asks for a sign-in (HTTP 401)"),
        false => Finding::warn(
            &codes::CHALLENGE_MISSING,
            "the server asks for a sign-in and does not say how: its 401 has no WWW-Authenticate",
        )
        .remedy("mcpipe looks for the metadata at the usual places; if there are none, the server wants a key: --header 'Authorization: Bearer KEY'"),
    }
}

/// Says whether a refusal is about the name under which the server is asked, as the SDKs word it.
fn is_about_host(body: &str) -> bool {
    let body: String = body.chars().take(1000).collect();
    let body = body.to_ascii_lowercase();
    body.contains("invalid host")
        || body.contains("host not allowed")
        || body.contains("blocked request")
}

fn wrong_host(context: &Context, status: u16, said: &str) -> Finding {
    let finding = Finding::fail(
        &codes::HTTP_WRONG_HOST,
        format!("the server does not answer to this host name (HTTP {status}){said}"),
    );
    let other = match context.url().host_str() {
        Some("localhost") => Some(("localhost", "127.0.0.1")),
        Some("127.0.0.1") => Some(("127.0.0.1", "localhost")),
        _ => None,
    };
    finding.remedy(match other {
        Some((this, other)) => {
            let url = context.target.typed.replacen(this, other, 1);
            format!(
                "add the name to the server's allowed hosts, or: {}",
                context.typed.line_to(&url, "doctor", &[])
            )
        }
        None => "the operator has to add the name to the server's allowed hosts".to_owned(),
    })
}

fn too_many(exchange: &Exchange, said: &str) -> Finding {
    let after = exchange
        .headers
        .get(RETRY_AFTER)
        .and_then(|it| it.to_str().ok());
    let after = after.map(|it| printable(it, 40));
    let when = after
        .as_ref()
        .map(|it| format!("; it names a time: {it}"))
        .unwrap_or_default();
    Finding::fail(
        &codes::HTTP_TOO_MANY,
        format!("the server takes no more requests for now (HTTP 429){said}{when}"),
    )
    .remedy("wait; --rate-limit keeps a host below a server's limit")
}

fn server_error(exchange: &Exchange, said: &str) -> Finding {
    let status = exchange.status;
    let (code, who) = match status {
        502 | 504 => (
            &codes::HTTP_GATEWAY,
            "a proxy before the server gets no answer from it",
        ),
        503 => (&codes::HTTP_UNAVAILABLE, "the server is down or overloaded"),
        _ => (
            &codes::HTTP_SERVER_ERROR,
            "the server has failed on its own side",
        ),
    };
    Finding::fail(code, format!("{who} (HTTP {status}){said}"))
        .remedy("try again later; the operator's log has the reason")
}

fn portal(sentence: &str) -> Finding {
    Finding::fail(&codes::CAPTIVE_PORTAL, sentence)
        .remedy("open any http page in a browser and sign in to the network there")
}

/// Judges the body of an answer whose status is well.
fn body(context: &Context, greeting: &Greeting) -> Finding {
    let exchange = &greeting.exchange;
    let start: String = exchange.body.chars().take(4096).collect();
    let lower = start.to_lowercase();
    if exchange.is_page() {
        let is_portal = [
            "captive portal",
            "hotspot",
            "wi-fi login",
            "wifi login",
            "network login",
        ]
        .iter()
        .any(|words| lower.contains(words));
        if is_portal {
            return portal("a page of the network's answers in the place of the server");
        }
        let title = title(&start)
            .map(|it| format!(", \"{it}\""))
            .unwrap_or_default();
        return Finding::fail(
            &codes::HTML_PAGE,
            format!("a web page answers{title}, and no MCP server (HTTP {})", exchange.status),
        )
        .remedy("check the path in the server's documentation: the MCP endpoint often ends in /mcp or /sse");
    }
    if let Some((code, words)) = exchange.error() {
        let revisions = exchange
            .message
            .as_ref()
            .and_then(|it| it.pointer("/error/data/supported"));
        return match revisions {
            Some(revisions) => Finding::fail(
                &codes::REVISION_REFUSED,
                format!(
                    "the server speaks other revisions of MCP: {}",
                    printable(&revisions.to_string(), 200)
                ),
            )
            .remedy(format!(
                "leave --protocol out: {}",
                context.typed.line("doctor", &["--protocol", "auto"])
            )),
            None => Finding::fail(
                &codes::HANDSHAKE_REFUSED,
                format!("the server refuses the handshake: {words} ({code})"),
            )
            .remedy("show the operator these words"),
        };
    }
    if exchange.result().is_some() {
        return Finding::fail(
            &codes::HANDSHAKE_INVALID,
            "the server answers the handshake with a result that is none of MCP's",
        )
        .remedy("check the path: another JSON-RPC service answers there");
    }
    if exchange.body.trim().is_empty() && !exchange.is_unended {
        return Finding::fail(
            &codes::EMPTY_ANSWER,
            format!("the server answers the handshake with nothing (HTTP {})", exchange.status),
        )
        .remedy("check the path; a server that sends its answer elsewhere is of an older kind: --transport sse-first");
    }
    if exchange.is_unended {
        return Finding::fail(
            &codes::ANSWER_UNENDED,
            format!("the answer to the handshake begins and does not come within {} s", patience(context).as_secs_f64()),
        )
        .remedy("a proxy that collects answers keeps it back: it has to pass events on (X-Accel-Buffering: no)");
    }
    if exchange.is_broken {
        return Finding::fail(
            &codes::HTTP_CUT,
            "the answer to the handshake breaks off, or cannot be decoded",
        )
        .remedy("try again; if it happens again, show the operator this finding");
    }
    let label = exchange
        .headers
        .get(CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    Finding::fail(
        &codes::NOT_MCP,
        format!(
            "the answer is no message of MCP (Content-Type: {})",
            printable(label.unwrap_or("none"), 100)
        ),
    )
    .remedy("check the path in the server's documentation")
}

/// Returns the title of a page.
fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    let words: Vec<_> = page.get(start..end)?.split_whitespace().collect();
    Some(printable(&words.join(" "), 80)).filter(|it| !it.is_empty())
}

fn coding(exchange: &Exchange) -> Option<Finding> {
    let coding = exchange.headers.get(CONTENT_ENCODING)?.to_str().ok()?;
    let coding = printable(coding, 40);
    if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
        return None;
    }
    Some(
        Finding::warn(
            &codes::COMPRESSED_UNASKED,
            format!("the server compresses its answers ({coding}) although it is asked not to"),
        )
        .remedy("nothing: mcpipe reads them; a stream of events may come late, in large pieces"),
    )
}

/// Returns a warning for an answer of MCP's that is labelled as something else.
fn label(greeting: &Greeting) -> Option<Finding> {
    let exchange = &greeting.exchange;
    let media = crate::http_fields::media_type(&exchange.headers);
    let is_usual = matches!(media.as_str(), "application/json" | "text/event-stream");
    greeting.spoken.filter(|_| !is_usual)?;
    Some(
        Finding::warn(
            &codes::WRONG_CONTENT_TYPE,
            format!(
                "the server labels its JSON as {}",
                if media.is_empty() { "nothing" } else { &media }
            ),
        )
        .remedy("nothing: mcpipe reads it; other clients may not, so tell the operator"),
    )
}
