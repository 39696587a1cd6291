//! The attempts of a request to authenticate its client.

use super::error::Error;
use crate::auth::client::Client;

/// The attempts of one request to authenticate its client: as the client is, and in each way in which the server may
/// take a client that it has refused. A request that is refused for its client has spent nothing.
pub(in crate::auth) struct ClientAuthAttempts<T> {
    client: Client,
    tried: Vec<Client>,
    first: Option<Result<T, Error>>,
    is_single_use: bool,
}

impl<T> ClientAuthAttempts<T> {
    pub(in crate::auth) fn of(client: &Client) -> Self {
        Self {
            client: client.clone(),
            tried: Vec::new(),
            first: None,
            is_single_use: false,
        }
    }

    /// Returns the attempts for a request that shows a value besides, which may be good for one time: the request is
    /// repeated only for its form, not for the identity of its client.
    pub(in crate::auth) fn for_single_use(client: &Client) -> Self {
        Self {
            is_single_use: true,
            ..Self::of(client)
        }
    }

    /// Returns the client for the next attempt.
    pub(in crate::auth) fn next(&self) -> &Client {
        &self.client
    }

    /// Takes the answer of a request. Returns the answer to go on with, unless there is another attempt to make. Where
    /// the server takes none of them, that is the first refusal.
    pub(in crate::auth) fn after(&mut self, answer: Result<T, Error>) -> Option<Result<T, Error>> {
        self.tried.push(self.client.clone());
        let next = match &answer {
            Err(error) => error.alternate_client(&self.client),
            Ok(_) => None,
        };
        let next = next
            .filter(|next| self.tried.iter().all(|it| !it.authenticates_as(next)))
            .filter(|next| !self.is_single_use || next.method == self.client.method);
        let Some(next) = next else {
            let is_no_better = matches!(&answer, Err(error) if error.is_about_client());
            return Some(match self.first.take() {
                Some(first) if is_no_better => first,
                _ => answer,
            });
        };
        self.first.get_or_insert(answer);
        self.client = next;
        None
    }
}
