# Coming from mcp-remote

The user has used mcp-remote in Cursor, and is signed in there.

world takes-the-token-of-mcp-remote
$ mcpipe import mcp-remote --dry-run
    https://mcp.example.com/mcp  (Cursor: example)
      issuer   https://as.example.com
      token    until TIME, can be renewed
      client   client-of-mcp-remote, redirected to http://localhost:22227/oauth/callback
      outcome  would be taken over, if the server still signs in there
    
    Nothing was changed: this was a dry run. Without --dry-run it is done.
    exit 0
$ mcpipe import mcp-remote
    The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    https://mcp.example.com/mcp  (Cursor: example)
      issuer   https://as.example.com
      taken    signed in
    
    What to do next, file by file: put mcpipe in the place of mcp-remote, then restart the client. The flags that stand after the address stay.
      ~/.cursor/mcp.json (Cursor)
        example: "command": "mcpipe", "args": ["https://mcp.example.com/mcp"]
    
    These hold secrets that anybody can read who can read your files; delete them when all works:
      ~/.mcp-auth/mcp-remote-v1/HASH_tokens.json.imported
      ~/.mcp-auth/mcp-remote-v1/HASH_client_info.json.imported
    exit 0
$ mcpipe import mcp-remote
    https://mcp.example.com/mcp  (Cursor: example)
      left     taken over already
    
    What to do next, file by file: put mcpipe in the place of mcp-remote, then restart the client. The flags that stand after the address stay.
      ~/.cursor/mcp.json (Cursor)
        example: "command": "mcpipe", "args": ["https://mcp.example.com/mcp"]
    
    These hold secrets that anybody can read who can read your files; delete them when all works:
      ~/.mcp-auth/mcp-remote-v1/HASH_tokens.json.imported
      ~/.mcp-auth/mcp-remote-v1/HASH_client_info.json.imported
    exit 0
$ mcpipe import mcp-remote --from elsewhere
    error: cannot look into elsewhere: there is no such folder
    hint: --from names the folder that mcp-remote keeps its files in; without it that is ~/.mcp-auth
    exit 2

The user changes Cursor's file. The first start asks nothing.

host mcpipe https://mcp.example.com/mcp
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
leave
    exit 0
$ ls .mcp-auth/mcp-remote-v1 | sed 's/^[0-9a-f]*/HASH/'
    HASH_client_info.json.imported
    HASH_tokens.json.imported
    exit 0
