//! The method by which a client proves itself at the token endpoint (RFC 7591 section 2, RFC 8414 section 2).

use crate::auth::client::{Client, Method};

/// Returns the method that the registration names, if the server lists it; else a method that the secret allows and the
/// server lists (RFC 8414 section 2). A secret that came unasked is meant to be used.
pub(in crate::auth) fn method(
    returned: Option<&str>,
    has_secret: bool,
    listed: Option<&[String]>,
) -> Method {
    let lists = |method: Method| {
        listed.is_none_or(|listed| listed.iter().any(|name| name == method.name()))
    };
    let returned = returned
        .and_then(Method::named)
        .filter(|method| lists(*method));
    match (returned, has_secret) {
        (_, false) => Method::None,
        (Some(method @ (Method::Basic | Method::Post)), true) => method,
        (_, true) if lists(Method::Basic) => Method::Basic,
        (_, true) => Method::Post,
    }
}

/// Returns the other method by which this server takes a secret, if it lists one, or lists none at all.
pub(in crate::auth) fn other(client: &Client, listed: Option<&[String]>) -> Option<Method> {
    client.secret.as_ref()?;
    [Method::Basic, Method::Post].into_iter().find(|method| {
        *method != client.method
            && listed.is_none_or(|listed| listed.iter().any(|name| name == method.name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_the_registrations_then_the_servers() {
        let both = ["client_secret_basic", "client_secret_post"].map(str::to_owned);
        let post = ["client_secret_post"].map(str::to_owned);
        let none = ["none"].map(str::to_owned);
        for (returned, has_secret, listed, wanted) in [
            (None, false, None, Method::None),
            (None, true, None, Method::Basic),
            (None, true, Some(&both[..]), Method::Basic),
            (None, true, Some(&post[..]), Method::Post),
            (
                Some("client_secret_post"),
                true,
                Some(&both[..]),
                Method::Post,
            ),
            (
                Some("client_secret_basic"),
                true,
                Some(&post[..]),
                Method::Post,
            ),
            // Figma: a secret that was not asked for, and then required in the body.
            (Some("none"), true, Some(&none[..]), Method::Post),
            (Some("private_key_jwt"), true, None, Method::Basic),
            (Some("client_secret_basic"), false, None, Method::None),
        ] {
            assert_eq!(
                method(returned, has_secret, listed),
                wanted,
                "{returned:?} {listed:?}"
            );
        }
    }
}
