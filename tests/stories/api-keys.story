# API keys

The server takes a key instead of a sign-in.

world takes-only-the-key k3y-0ne
$ mcpipe vault put example --for https://mcp.example.com
> example => k3y-0ne
    Secret example (not shown):
    The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    Kept, for https://mcp.example.com only. Use it as --bearer example, or in a header as ${vault:example}.
    exit 0
host mcpipe https://mcp.example.com/mcp --bearer example
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
send notifications/initialized
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":2,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}

The key is replaced at the server. The host reads which one was refused, and the user puts the new one.

world takes-only-the-key k3y-tw0
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"Key `example` was refused: `mcpipe vault put example` (HTTP 401). A key that is put there is taken by running bridges with their next request","data":{"hint":"a key that is put there is taken by running bridges with their next request","kind":"sign_in_needed","retryable":false,"source":"mcpipe","status":401}}}
% printf k3y-tw0 | mcpipe vault put example --for https://mcp.example.com
    stdout: Kept, for https://mcp.example.com only. Use it as --bearer example, or in a header as ${vault:example}.
    exit 0
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":4,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}
leave
    stderr: error: 1 of 4 requests was not answered by the server: a credential of yours was refused
    stderr: hint: the error on stdout says which, and what to do
    exit 3
$ mcpipe vault list | sed 's/put [0-9]* s/put SECONDS s/; s/used [0-9]* s/used SECONDS s/'
    example              put SECONDS s ago      used SECONDS s ago      for https://mcp.example.com
    exit 0
$ mcpipe logout --all
    Nobody is signed in.
    Keys stay in the vault: example. `mcpipe vault rm NAME` removes one.
    exit 0
$ mcpipe vault rm example
    Forgotten here. If others may know it, revoke it where it was issued.
    exit 0
$ mcpipe vault rm example
    error: the vault has no secret "example"
    hint: `mcpipe vault list` shows what there is
    exit 1

A key in the arguments can be read by others.

% mcpipe login https://mcp.example.com/mcp --header 'Authorization: Bearer k3y-tw0'
    stderr: Warning: a secret in the arguments can be read by every user of this machine; use ${NAME}, ${vault:NAME} or --header-file (header: authorization).
    stderr: error: the --header that sets Authorization replaces signing in
    stderr: hint: leave that header out to sign in
    exit 2
