# Cursor with a protected server

The user has put `mcpipe https://mcp.example.com/mcp` into Cursor's configuration. Cursor starts it, and is answered before
the user has signed in.

host mcpipe https://mcp.example.com/mcp
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"prompts":{"listChanged":true},"resources":{"listChanged":true},"tools":{"listChanged":true}},"instructions":"A sign-in is going on; what this server offers is known when it is done.","protocolVersion":"2025-11-25","serverInfo":{"name":"127.0.0.1","version":"0"}}}
send notifications/initialized
stderr visiting
    stderr: TIME  WARN The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    stderr: Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    stderr: Please authorize this client by visiting:
    stderr: http://127.0.0.1:PORT/…/start

Cursor asks for the tools and waits. The user signs in, and Cursor has them.

send tools/list
browser
    the page: You are signed in
    the page: You can close this window and go back to your application.
receive
    {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}
    {"jsonrpc":"2.0","id":2,"result":{"tools":[{"inputSchema":{"type":"object"},"name":"greet"}]}}
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":3,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}

The next start is silent.

leave
    stderr: Signed in to https://mcp.example.com/mcp.
    exit 0
host mcpipe https://mcp.example.com/mcp
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
send notifications/initialized
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":2,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}

The server then ends the sign-in. The browser opens again, and Cursor shows what goes on. The user signs in, and Cursor goes on
without a restart.

world ends-all-tokens
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"A sign-in is needed, and is going on. Finish it and try again: http://127.0.0.1:PORT/…/start","data":{"hint":"Finish it and try again: http://127.0.0.1:PORT/…/start","kind":"sign_in_needed","retryable":true,"source":"mcpipe","url":"http://127.0.0.1:PORT/…/start"}}}
stderr visiting
    stderr: Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    stderr: Please authorize this client by visiting:
    stderr: http://127.0.0.1:PORT/…/start
browser
    the page: You are signed in
    the page: You can close this window and go back to your application.
$ mcpipe status
    Vault: ~/.local/share/mcpipe/vault.bin (protection: file permissions)
    
    https://mcp.example.com/mcp
      account   default
      person    not told
      issuer    https://as.example.com
      client    client-1
      scopes    (the server's choice)
      token     until TIME, renewed when needed
      state     ok
    exit 0
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":4,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}
leave
    stderr: Signed in to https://mcp.example.com/mcp.
    stderr: error: 1 of 4 requests was not answered by the server: a sign-in was needed
    stderr: hint: run `mcpipe login https://mcp.example.com/mcp`, and then this again
    exit 3
