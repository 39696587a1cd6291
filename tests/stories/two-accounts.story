# Two accounts at one server

Loose end: the user reads twice that the sign-in is done, and never as whom. "Signed in to … as PERSON" is to come.

$ mcpipe login https://mcp.example.com/mcp
> nothing opens => (signs in)
    The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    Signed in to https://mcp.example.com/mcp.
    exit 0
$ mcpipe login https://mcp.example.com/mcp --account work
> nothing opens => (signs in)
    Another account is signed in at as.example.com, which is not known to let you choose an account: if it takes you for the same person, sign out there first, or try --select-account.
    Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    Signed in to https://mcp.example.com/mcp (account work).
    exit 0
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
    
    https://mcp.example.com/mcp
      account   work
      person    not told
      issuer    https://as.example.com
      client    client-1
      scopes    (the server's choice)
      token     until TIME, renewed when needed
      state     ok
    exit 0
host mcpipe https://mcp.example.com/mcp --account work
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
leave
    exit 0

One of them is signed out. A mistyped account is not passed over.

$ mcpipe logout https://mcp.example.com/mcp --account wrok
    error: nothing is stored for https://mcp.example.com/mcp (account wrok); stored is https://mcp.example.com/mcp, https://mcp.example.com/mcp (account work)
    hint: `mcpipe status https://mcp.example.com/mcp` shows them
    exit 1
$ mcpipe logout https://mcp.example.com/mcp --account work
    https://mcp.example.com/mcp (work): forgotten; at https://as.example.com: refresh token revoked, access token revoked
    exit 0
$ mcpipe logout https://mcp.example.com/MCP
    error: nothing is stored for https://mcp.example.com/MCP; stored is https://mcp.example.com/mcp
    hint: `mcpipe logout https://mcp.example.com/mcp`
    exit 1
$ mcpipe logout https://mcp.example.com/mcp
    https://mcp.example.com/mcp: forgotten; at https://as.example.com: refresh token revoked, access token revoked
    exit 0
$ mcpipe status
    Vault: ~/.local/share/mcpipe/vault.bin (protection: file permissions)
    Nobody is signed in. `mcpipe login URL` signs in.
    exit 0
