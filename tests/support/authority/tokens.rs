//! The token endpoint: who may come, what is taken for tokens, and what they are bound to.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::Response;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Authority, Body, Options, Seen, State, grants, json_reply, text_reply};

impl Authority {
    pub(super) fn token(&self, seen: &Seen) -> Response<Body> {
        let issuer = self.issuer();
        let mut state = self.state();
        if let Some((status, body)) = state.options.token_answers.pop_front() {
            return text_reply(status, "application/json", &body);
        }
        let refuse = |code: &str, why: &str| {
            let body = json!({ "error": code, "error_description": why });
            json_reply(if code == "invalid_client" { 401 } else { 400 }, &body)
        };
        if !state.options.echoes.is_empty() {
            let shown = state.options.echoes.iter().filter_map(|it| seen.field(it));
            let shown: Vec<_> = shown.collect();
            return refuse("invalid_grant", &format!("not {}", shown.join(" ")));
        }
        let client = grants::nobody(seen);
        let client = client.or_else(|| authenticated(&mut state, &issuer, seen));
        let Some(client) = client else {
            return refuse("invalid_client", "who are you");
        };
        let proof = if state.options.offers_dpop {
            let at = format!("{}/token", self.origin);
            match state.verifier.judge("POST", &at, &seen.headers, None) {
                Ok(proof) => proof,
                Err(code) => return refuse(code, "of the proof"),
            }
        } else {
            None
        };
        let key = proof.filter(|_| state.options.binds).map(|proof| proof.key);
        if let (Some((code, text)), Some(_)) =
            (state.options.refuses_resource, seen.field("resource"))
        {
            return refuse(code, text);
        }
        let wanted = state.options.resource.clone();
        if wanted.is_some() && seen.field("resource") != wanted.as_deref() {
            return refuse("invalid_target", "another resource");
        }
        let family = match seen.field("grant_type") {
            Some("authorization_code") => {
                let code = seen.field("code").unwrap_or_default();
                let Some(held) = state.codes.remove(code) else {
                    return refuse("invalid_grant", &format!("code {code} is spent or unknown"));
                };
                let verifier = seen.field("code_verifier").unwrap_or_default();
                let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
                let fits = held.client == client
                    && held.challenge == hash
                    && (43..=128).contains(&verifier.len())
                    && seen.field("redirect_uri") == Some(&held.redirect_uri)
                    && (held.key.is_none() || key.is_none() || held.key == key);
                if !fits {
                    return refuse(
                        "invalid_grant",
                        &format!("verifier {verifier} does not fit"),
                    );
                }
                state.counter
            }
            Some("refresh_token") => {
                let token = seen.field("refresh_token").unwrap_or_default();
                let Some(&(family, is_spent)) = state.refreshes.get(token) else {
                    return refuse("invalid_grant", &format!("{token} is unknown"));
                };
                let wanted = state.bound.get(token).filter(|_| state.options.offers_dpop);
                if state.options.binds && wanted.is_some_and(|wanted| key.as_ref() != Some(wanted))
                {
                    return refuse("invalid_grant", "another key");
                }
                if is_spent {
                    state.dead_families.push(family);
                }
                if state.dead_families.contains(&family) {
                    return refuse("invalid_grant", &format!("{token} was revoked"));
                }
                if state.options.rotates {
                    state.refreshes.insert(token.to_owned(), (family, true));
                }
                family
            }
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                assert_eq!(seen.field("device_code"), Some("device-canary"));
                if let Some(error) = state.options.device_answers.pop_front() {
                    return refuse(error, "as told");
                }
                state.counter
            }
            Some("client_credentials") => state.counter,
            Some(grants::JWT_BEARER) => {
                if !grants::is_taken(&state, seen) {
                    return refuse("invalid_grant", "an assertion of somebody else");
                }
                state.counter
            }
            Some(grants::TOKEN_EXCHANGE) => {
                return match grants::exchanged(&mut state, &client, seen) {
                    Ok(answer) => json_reply(200, &answer),
                    Err(why) => refuse("invalid_grant", &why),
                };
            }
            other => panic!("a grant of type {other:?}"),
        };
        state.counter += 1;
        let access = format!("access-canary-{}", state.counter);
        state.access.push(access.clone());
        let kind = if key.is_some() { "DPoP" } else { "Bearer" };
        let mut answer = json!({ "access_token": access, "token_type": kind });
        if let Some(key) = &key {
            state.bound.insert(access, key.clone());
        }
        if let Some(lifetime) = state.options.lifetime {
            answer["expires_in"] = lifetime.into();
        }
        if let Some(id_token) = grants::id_token(&mut state, &issuer, &client) {
            answer["id_token"] = id_token.into();
        }
        if let Some(granted) = &state.options.granted {
            answer["scope"] = granted.clone().into();
        }
        let is_first = seen.field("grant_type") != Some("refresh_token");
        if state.options.gives_refresh && (is_first || state.options.rotates) {
            let refresh = format!("refresh-canary-{}", state.counter);
            state.refreshes.insert(refresh.clone(), (family, false));
            if let Some(key) = key {
                state.bound.insert(refresh.clone(), key);
            }
            answer["refresh_token"] = refresh.into();
        }
        let (status, extra) = &state.options.token_extra;
        for (name, value) in extra.as_object().unwrap() {
            answer[name.as_str()] = value.clone();
        }
        json_reply(*status, &answer)
    }
}

/// What a form is refused with for where its `client_id` is.
pub(super) fn refused_form(options: &Options, seen: &Seen) -> Option<Response<Body>> {
    let has_id = seen.field("client_id").is_some();
    let has_header = seen.headers.contains_key("authorization");
    let (code, why) = match options.refuses_id_beside_header {
        Some(refusal) if has_id && has_header => refusal,
        _ if options.wants_id_in_form && !has_id => ("invalid_client", "Missing client_id"),
        _ => return None,
    };
    let body = json!({ "error": code, "error_description": why });
    Some(json_reply(
        if code == "invalid_client" { 401 } else { 400 },
        &body,
    ))
}

/// The client, if it proved itself the one way it is registered for.
pub(super) fn authenticated(state: &mut State, issuer: &str, seen: &Seen) -> Option<String> {
    if seen.field("client_assertion").is_some() {
        return grants::proved(state, issuer, seen);
    }
    let basic = seen.headers.get("authorization").map(|value| {
        let pair = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(BASE64_STANDARD.decode(pair).unwrap()).unwrap();
        let decode = |text: &str| {
            let text = format!("x={text}");
            let mut pairs = url::form_urlencoded::parse(text.as_bytes());
            pairs.next().unwrap().1.into_owned()
        };
        let (id, secret) = pair.split_once(':').unwrap();
        (decode(id), decode(secret))
    });
    let posted = seen.field("client_secret").map(str::to_owned);
    assert!(basic.is_none() || posted.is_none(), "two ways at once");
    let (method, id, secret) = match basic {
        Some((id, secret)) => ("client_secret_basic", id, Some(secret)),
        None if posted.is_some() => (
            "client_secret_post",
            seen.field("client_id")?.to_owned(),
            posted,
        ),
        None => ("none", seen.field("client_id")?.to_owned(), None),
    };
    let client = state.clients.get(&id)?;
    let wanted = state.options.takes.unwrap_or(&client.method);
    (wanted == method && client.secret == secret).then_some(id)
}
