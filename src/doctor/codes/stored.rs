//! Codes of what is stored, and of this machine's part in a sign-in.

use crate::doctor::code::table;

table! {
    VAULT_OPEN: "vault", "the vault opens",
        "The file is private, whole, and opens by the key or passphrase that the finding names.",
        "Nothing is to be done.";
    VAULT_NOT_MADE: "vault", "there is no vault yet",
        "The first sign-in makes it.",
        "Nothing is to be done.";
    VAULT_IN_MEMORY: "vault", "nothing is kept: the vault is in memory only",
        "--vault none is set.",
        "Leave it out to stay signed in after the process has ended.";
    VAULT_LOCKED: "vault", "the vault is locked",
        "It opens by a passphrase, or by a program that may ask for one, and doctor asks nothing.",
        "`mcpipe vault unlock` opens it for a day.";
    VAULT_UNUSABLE: "vault", "the vault cannot be used",
        "Its file belongs to another user, can be used by others, is damaged, of a newer version, or does not open by the key or passphrase given.",
        "Do what the finding says. `mcpipe vault status` shows what is known of the file.";
    VAULT_OLD_COPY: "vault", "the vault's file is an older copy of itself",
        "This machine has written a newer one: a backup was restored. Refresh tokens in it may have been replaced since.",
        "Nothing, if it was restored on purpose. A sign-in that fails is repeated with `mcpipe login URL`.";

    STORED_GOOD: "stored sign-in", "a sign-in is stored, and its access token has not ended",
        "The vault holds tokens for this server, account and set of flags.",
        "Nothing is to be done.";
    STORED_RENEWABLE: "stored sign-in", "the access token has ended, and the next request renews it",
        "The vault holds a refresh token, or the grant needs no user.",
        "Nothing is to be done.";
    STORED_ENDS: "stored sign-in", "the access token cannot be renewed",
        "The authorization server gave no refresh token. When the access token ends, you have to sign in again.",
        "`mcpipe login URL` then. Some servers give a refresh token only with the scope offline_access.";
    STORED_ENDED: "stored sign-in", "the access token has ended and cannot be renewed",
        "The authorization server gave no refresh token.",
        "`mcpipe login URL`.";
    STORED_DEAD: "stored sign-in", "the refresh token was refused for good",
        "The authorization server has revoked it, or it has ended, or another program has spent it.",
        "`mcpipe login URL`.";
    STORED_SUSPECT: "stored sign-in", "the last renewal was refused",
        "The access token still works, and a few more renewals are tried before the sign-in counts as dead.",
        "Nothing at first; `mcpipe login URL` if it goes on.";
    STORED_SCOPE_SHORT: "stored sign-in", "the server wants scopes that the stored sign-in does not have",
        "The challenge names scopes that were not granted.",
        "`mcpipe login URL` asks for them too.";
    STORED_IN_THE_FUTURE: "stored sign-in", "the tokens were obtained later than this machine's time",
        "The clock was set back, or was wrong at the time of the sign-in. The end of the tokens is then unknown.",
        "Set the clock; `mcpipe login URL` if requests fail.";
    STORED_UNUSED: "stored sign-in", "a sign-in is stored that is not used",
        "An Authorization header of yours takes its place.",
        "Leave the header out to use the sign-in.";
    STORED_NONE: "stored sign-in", "nobody is signed in to this server",
        "The vault holds no tokens for this address and account.",
        "`mcpipe login URL` signs in; a bridge does so by itself where it can show a page.";
    STORED_OTHER_ACCOUNT: "stored sign-in", "another account is signed in to this server",
        "Tokens are kept by account, and --account or MCPIPE_ACCOUNT names another.",
        "Add --account NAME, or sign in with this account.";
    STORED_OTHER_FLAGS: "stored sign-in", "a sign-in is stored that was made with other flags",
        "Tokens count only with the --scope, --resource, --client-id and parameters that they were obtained with.",
        "Use the same flags, or sign in with these.";
    STORED_UNREADABLE: "stored sign-in", "what is stored for this server cannot be read",
        "Another version of mcpipe has written it.",
        "Use the newest mcpipe.";

    SIGN_IN_WAITING: "last sign-in", "a process of this machine waits for you to sign in",
        "A bridge, or its helper, has asked you, and you have not finished.",
        "Finish it in the browser, or begin anew with `mcpipe login URL`.";
    SIGN_IN_ORPHANED: "last sign-in", "the process that waited for you to sign in has ended",
        "It was killed, or the machine was restarted.",
        "`mcpipe login URL`.";
    SIGN_IN_FAILED: "last sign-in", "the last sign-in brought no tokens",
        "The sentence has the reason, as it was told then.",
        "Do what the finding says, then `mcpipe login URL`.";
    SIGN_IN_HELD_BACK: "last sign-in", "no more sign-in pages are shown unasked for a while",
        "Three pages were shown within ten minutes and brought no tokens.",
        "`mcpipe login URL` shows one at your word.";

    CALLBACK_FREE: "callback", "the browser can come back: its port can be opened",
        "The port of the redirect URI, or any port, was opened and closed again.",
        "Nothing is to be done.";
    CALLBACK_TAKEN: "callback", "the port of the redirect URI is taken",
        "Another program listens there, or a sign-in that is under way.",
        "End that program, or choose another port with --callback-port, and register that redirect URI if the client is your own.";
    CALLBACK_FORBIDDEN: "callback", "the port of the redirect URI cannot be opened",
        "The system forbids it: a port below 1024, or a sandbox without listeners.",
        "Choose another port with --callback-port. --device-code needs no listener, where it is offered.";
    CALLBACK_ELSEWHERE: "callback", "the browser comes back by way of a redirect URI of yours",
        "--redirect-uri names an address that has to forward to mcpipe's listener.",
        "See that it forwards to --callback-port.";

    BROWSER_OPENS: "browser", "a sign-in opens a browser",
        "There is a display, and nothing says that you are elsewhere; or BROWSER names a program.",
        "Nothing is to be done.";
    BROWSER_BY_HAND: "browser", "a sign-in opens no browser, as you ask",
        "--no-browser is set. The address is printed.",
        "Nothing is to be done.";
    BROWSER_NOWHERE: "browser", "a sign-in opens no browser here",
        "mcpipe runs over SSH, inside WSL, in a build, or without a display.",
        "`mcpipe login URL` in a terminal prints an address and takes the pasted answer; BROWSER names a program that opens pages.";
}
