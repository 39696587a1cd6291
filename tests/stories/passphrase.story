# A passphrase and the agent

$ mcpipe vault init
> assphrase => correct horse battery staple
> gain => correct horse battery staple
    With a passphrase, hosts need `mcpipe vault unlock` once a day.
    Passphrase for the new vault (nothing: a choice of a generated one and a key file):
    The same again:
    Made ~/.local/share/mcpipe/vault.bin (protection: passphrase).
    exit 0
$ mcpipe vault init
    error: there is a vault at ~/.local/share/mcpipe/vault.bin already
    hint: `mcpipe vault status` says what opens it
    exit 1
$ mcpipe vault unlock --for 8h
> assphrase => wrong
> nce more => correct horse battery staple
    Passphrase for ~/.local/share/mcpipe/vault.bin:
    That does not open it. Once more:
    The vault is held open for 8 h. `mcpipe vault lock` ends it.
    exit 0
$ mcpipe login https://mcp.example.com/mcp
> nothing opens => (signs in)
    Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    Signed in to https://mcp.example.com/mcp.
    exit 0

Hosts need no passphrase while the agent runs.

host mcpipe https://mcp.example.com/mcp
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
send notifications/initialized
send tools/call Ada
receive
    {"jsonrpc":"2.0","id":2,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}

The user locks the vault for lunch. What the host asks meanwhile waits.

$ mcpipe vault lock
    The agent has forgotten the key.
    Running bridges forget it and their tokens within a second; their requests wait for `mcpipe vault unlock`.
    One that reads the passphrase from a file or a command opens the vault again by itself; one of an older version keeps its key until it ends.
    exit 0
send tools/call Ada
stderr lets this go on
    stderr: TIME  WARN the vault is locked; only a request that needs a credential waits
    stderr: TIME  WARN the vault is locked; `mcpipe vault unlock` lets this go on
$ mcpipe vault unlock
> assphrase => correct horse battery staple
    Passphrase for ~/.local/share/mcpipe/vault.bin:
    The vault is held open for 8 h. `mcpipe vault lock` ends it.
    exit 0
receive
    {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}
    {"jsonrpc":"2.0","id":3,"result":{"content":[{"text":"Hello, Ada!","type":"text"}]}}
leave
    exit 0
$ mcpipe vault lock
    The agent has forgotten the key.
    Running bridges forget it and their tokens within a second; their requests wait for `mcpipe vault unlock`.
    One that reads the passphrase from a file or a command opens the vault again by itself; one of an older version keeps its key until it ends.
    exit 0

Another host starts while the vault is locked.

host mcpipe https://mcp.example.com/mcp
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
stderr lets this go on
    stderr: TIME  WARN the vault is locked; only a request that needs a credential waits
    stderr: TIME  WARN the vault is locked; `mcpipe vault unlock` lets this go on
leave
    exit 0

The user has forgotten the passphrase.

$ mcpipe vault unlock
> assphrase => one
> nce more => two
> nce more => three
    Passphrase for ~/.local/share/mcpipe/vault.bin:
    That does not open it. Once more:
    That does not open it. Once more:
    error: the passphrase does not open the vault at ~/.local/share/mcpipe/vault.bin
    hint: Forgotten? It cannot be recovered: move ~/.local/share/mcpipe/vault.bin away and sign in again
    exit 1
$ mcpipe vault unlock
> assphrase => ^C
    Passphrase for ~/.local/share/mcpipe/vault.bin:
    exit 130
