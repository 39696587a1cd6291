//! Servers that make it hard to prove anything: the token is as good as it was, and no user is asked for another.

use super::*;

/// Sends calls that all go out before the first is answered; their answers.
async fn at_once(host: &mut InProcess, calls: i64) -> Vec<serde_json::Value> {
    for id in 1..=calls {
        host.send(call(id)).await;
    }
    let mut answers = Vec::new();
    for _ in 0..calls {
        answers.push(host.next_json().await);
    }
    answers
}

#[tokio::test]
async fn many_calls_at_once_meet_nonces_that_are_good_for_one_proof() {
    for scatters in [true, false] {
        let guarded = Guarded::new().await;
        let mut host = guarded.bridge(Dpop::Auto).await;
        // Old enough that a renewal would be tried.
        guarded.later(100);
        {
            let mut door = guarded.door();
            (door.wants_nonce, door.rotates, door.scatters) = (true, true, scatters);
        }
        for answer in at_once(&mut host, 20).await {
            assert!(answer["result"].is_object(), "{answer}");
        }
        assert!(guarded.authority.grants("refresh_token").is_empty());
        assert_eq!(guarded.windows(), 1);
        let calls = guarded.server.count("POST tools/call");
        let most = if scatters { 20 * 2 } else { 20 * 6 };
        assert!((20..=most).contains(&calls), "{calls} requests");
    }
}

/// One that never takes a nonce is no endless loop, and no reason for another token.
#[tokio::test]
async fn a_nonce_that_is_never_right_is_an_answer_in_the_end() {
    let guarded = Guarded::new().await;
    let mut host = guarded.bridge(Dpop::Auto).await;
    guarded.later(100);
    {
        let mut door = guarded.door();
        (door.wants_nonce, door.never) = (true, true);
    }
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["kind"], "refused", "{answer}");
    let hint = answer["error"]["data"]["hint"].as_str().unwrap();
    assert!(hint.contains("--dpop off"), "{answer}");
    assert_eq!(guarded.server.count("POST tools/call"), 6);
    assert!(guarded.authority.grants("refresh_token").is_empty());
    assert_eq!(guarded.windows(), 1, "nobody is sent to a browser for it");
}

#[tokio::test]
async fn a_date_that_is_wrong_hurts_nobody() {
    for lie in [START - 31_536_000, START + 31_536_000] {
        let guarded = Guarded::new().await;
        {
            let mut door = guarded.door();
            (door.clock, door.date) = (Some(START), Some(lie));
        }
        guarded.authority.verifier(|verifier| {
            (verifier.clock, verifier.date) = (Some(START), Some(lie));
        });
        let mut host = guarded.bridge(Dpop::Auto).await;
        for answer in at_once(&mut host, 5).await {
            assert!(answer["result"].is_object(), "{answer}");
        }
        assert!(guarded.door().refusals.is_empty());
        guarded
            .authority
            .verifier(|verifier| assert!(verifier.refusals.is_empty()));
        assert_eq!(guarded.windows(), 1);
    }
}

/// The server that checks proofs has a clock of its own, and it is put right while we run.
#[tokio::test]
async fn a_clock_that_is_put_right_is_followed_back() {
    let guarded = Guarded::new().await;
    guarded.door().clock = Some(START + 7200);
    let mut host = guarded.bridge(Dpop::Auto).await;
    {
        let mut door = guarded.door();
        (door.clock, door.date) = (Some(START), Some(START + 7200));
    }
    for answer in at_once(&mut host, 1).await {
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert!(guarded.authority.grants("refresh_token").is_empty());
    assert_eq!(guarded.windows(), 1);
}
