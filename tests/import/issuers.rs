//! An issuer is a URL, in which no control character stands: one that holds any is refused where it is read.

use mcpipe::auth::Cause;

use super::*;
use crate::login::{World, unauthorized};
use crate::support::authority::Reply;

const ODD: [&str; 4] = ["\n", "\t", "\u{0}", "\u{1b}[2K"];
const PRM: &str = "/.well-known/oauth-protected-resource/mcp";

async fn refused(world: &World) -> String {
    let authorizer = world.authorizer();
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Discovery(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
    assert!(
        text.contains("is not the address of an authorization server"),
        "{text}"
    );
    text
}

#[tokio::test]
async fn a_server_cannot_name_one_but_may_name_another_beside_it() {
    for odd in ODD {
        let world = World::new().await;
        let issuer = format!("{}{odd}", world.authority.origin);
        world.mcp.protect(PRM, &world.resource(), &[&issuer]);
        refused(&world).await;
        assert!(world.authority.seen().is_empty());

        let both = [issuer.as_str(), &world.authority.origin];
        world.mcp.protect(PRM, &world.resource(), &both);
        world.signed_in(&world.authorizer()).await;
    }
}

#[tokio::test]
async fn an_authorization_server_cannot_call_itself_so() {
    for odd in ODD {
        let world = World::new().await;
        let issuer = format!("{}{odd}", world.authority.origin);
        world
            .authority
            .configure(|options| options.issuer = Some(issuer));
        refused(&world).await;
        assert!(world.authority.at("/register").is_empty());

        // Without metadata of its own, the server's origin is asked; what it claims is read in the same way.
        world.mcp.remove(PRM);
        let claims = format!("https://elsewhere.example{odd}");
        let endpoint = "https://elsewhere.example/token";
        let metadata = serde_json::json!({ "issuer": claims, "token_endpoint": endpoint });
        let place = "/.well-known/oauth-authorization-server";
        world.mcp.serve(place, Reply::Json(metadata));
        refused(&world).await;
    }
}

#[tokio::test]
async fn a_store_that_names_one_is_not_what_mcp_remote_writes() {
    for (name, text) in [("tokens.json", TOKENS), ("client_info.json", CLIENT)] {
        let home = Home::new();
        home.configure(&[URL]);
        let issuer = r#"{"issuer":"https://issuer.example\u001b[2K","#;
        let text = text.replace(r#""issuer":"https://issuer.example","#, "");
        home.keep(KEY, name, &text.replacen('{', issuer, 1));
        let (code, text) = home.import(&["--dry-run"]).await;
        assert_eq!(code, Some(1), "{text:?}");
        assert!(text.contains("is not what mcp-remote writes"), "{text:?}");
    }
}
