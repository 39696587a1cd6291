//! Of two sign-ins that would both do, the one that was kept last is used, whatever the clock said.

use std::sync::atomic::Ordering;

use crate::login::World;

#[tokio::test]
async fn the_sign_in_that_was_kept_last_is_used_whatever_the_clock_said() {
    // Names sort either way; clocks stand still within a second, and are set back.
    for (first, second) in [("client-a", "client-b"), ("client-b", "client-a")] {
        for step in [0, -3600] {
            let world = World::new().await;
            let mut tokens = Vec::new();
            for (client, step) in [(first, step), (second, 0)] {
                world.authority.welcome_anywhere(client);
                let mut settings = world.attended();
                settings.client_id = Some(client.to_owned());
                let authorizer = world.authorizer_with(settings);
                tokens.push(world.shows(&world.signed_in(&authorizer).await));
                world
                    .clock
                    .fetch_add(i64::cast_unsigned(step), Ordering::SeqCst);
            }
            let silent = world.authorizer_with(world.settings());
            let used = silent.current().await.unwrap().unwrap();
            assert_eq!(world.shows(&used), tokens[1], "{first}, {second}, {step} s");
        }
    }
}
