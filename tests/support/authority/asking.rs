//! Up to the code: who is registered, who is sent back to where with what, and which code is typed in elsewhere.

use http::Response;
use serde_json::{Value, json};

use super::tokens::authenticated;
use super::{Authority, Body, Code, Registered, Seen, json_reply, overlay, redirect, text_reply};

impl Authority {
    pub(super) fn register(&self, seen: &Seen) -> Response<Body> {
        let mut state = self.state();
        if let Some((status, body)) = state.options.register_answers.pop_front() {
            let mut reply = text_reply(status, "application/json", &body);
            if let Some(wait) = state.options.register_retry_after {
                reply
                    .headers_mut()
                    .insert("retry-after", wait.parse().unwrap());
            }
            return reply;
        }
        let asked: Value = serde_json::from_str(&seen.body).unwrap();
        assert!([json!("native"), Value::Null].contains(&asked["application_type"]));
        state.counter += 1;
        let id = format!("client-{}", state.counter);
        let mut answer = asked.clone();
        answer["client_id"] = id.clone().into();
        overlay(&mut answer, &state.options.registration.clone());
        let id = match &answer["client_id"] {
            Value::Number(number) => number.to_string(),
            other => other.as_str().map_or(id, str::to_owned),
        };
        let uris = answer["redirect_uris"].as_array();
        let uris = uris.or(asked["redirect_uris"].as_array()).unwrap().iter();
        let client = Registered {
            redirect_uris: uris.map(|uri| uri.as_str().unwrap().to_owned()).collect(),
            secret: answer["client_secret"].as_str().map(str::to_owned),
            method: answer["token_endpoint_auth_method"]
                .as_str()
                .unwrap_or("none")
                .to_owned(),
        };
        state.clients.insert(id, client);
        json_reply(201, &answer)
    }

    pub(super) fn authorize(&self, seen: &Seen) -> Response<Body> {
        let issuer = self.issuer();
        let mut state = self.state();
        let field = |name: &str| seen.field(name).unwrap_or_default().to_owned();
        let (id, redirect_uri) = (field("client_id"), field("redirect_uri"));
        let is_known = state.clients.get(&id).is_some_and(|client| {
            client.redirect_uris.is_empty() || client.redirect_uris.contains(&redirect_uri)
        });
        if !is_known {
            return text_reply(400, "text/plain", "unknown client or redirect URI");
        }
        if let Some(page) = state
            .options
            .page
            .filter(|_| seen.field("allowed").is_none())
        {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query
                .extend_pairs(&seen.fields)
                .append_pair("allowed", "yes");
            let link = format!("{}?{}", seen.path, query.finish());
            return text_reply(200, "text/html; charset=utf-8", &page(&link));
        }
        let mut back = url::Url::parse(&redirect_uri).unwrap();
        back.query_pairs_mut()
            .extend_pairs(&state.options.callback_extra)
            .append_pair("state", &field("state"));
        if let Some(iss) = &state.options.iss {
            back.query_pairs_mut().append_pair("iss", iss);
        }
        let error = state.options.authorize_errors.pop_front().or_else(|| {
            let wanted = state.options.resource.as_deref();
            let is_wrong = field("response_type") != "code"
                || field("code_challenge_method") != "S256"
                || field("state").len() < 22
                || wanted.is_some_and(|wanted| seen.field("resource") != Some(wanted));
            is_wrong.then(|| "invalid_request".to_owned())
        });
        let mut why = format!("because of {issuer}");
        let mut error = error;
        if let (Some((code, text)), Some(_)) =
            (state.options.refuses_resource, seen.field("resource"))
            && !state.options.page_takes_resource
        {
            (error, why) = (Some(code.to_owned()), text.to_owned());
        }
        let prompt = seen.field("prompt").unwrap_or_default();
        if let Some(taken) = state.options.prompts
            && prompt.split_whitespace().any(|one| !taken.contains(&one))
        {
            error = Some("invalid_request".to_owned());
            why = "unsupported prompt value requested".to_owned(); // as `oidc-provider` says it
        }
        let scope = seen.field("scope").unwrap_or_default();
        let unknown = state.options.unknown_scope;
        if unknown.is_some_and(|unknown| scope.split(' ').any(|one| one == unknown)) {
            error = Some("invalid_scope".to_owned());
        }
        if let Some(error) = error {
            back.query_pairs_mut()
                .append_pair("error", &error)
                .append_pair("error_description", &why);
            return redirect(back.as_str());
        }
        state.counter += 1;
        let code = format!("code-canary-{}", state.counter);
        back.query_pairs_mut().append_pair("code", &code);
        let code_of = Code {
            client: id,
            redirect_uri,
            challenge: field("code_challenge"),
            key: seen.field("dpop_jkt").map(str::to_owned),
        };
        state.codes.insert(code, code_of);
        redirect(back.as_str())
    }

    pub(super) fn device(&self, seen: &Seen) -> Response<Body> {
        let issuer = self.issuer();
        let mut state = self.state();
        if authenticated(&mut state, &issuer, seen).is_none() {
            return json_reply(401, &json!({ "error": "invalid_client" }));
        }
        let origin = &self.origin;
        let mut answer = json!({
            "device_code": "device-canary",
            "user_code": "WDJB-MJHT",
            "verification_uri": format!("{origin}/activate"),
            "verification_uri_complete": "https://elsewhere.example/activate?code=WDJB-MJHT",
            "expires_in": 600,
            "interval": 0,
        });
        overlay(&mut answer, &state.options.device_code.1);
        json_reply(state.options.device_code.0, &answer)
    }
}
