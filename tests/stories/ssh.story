# Over SSH

The user is on another machine. No browser is opened there.

world is-over-ssh
$ mcpipe login https://mcp.example.com/mcp --auth-timeout 1
    The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    No browser could be opened: visit http://127.0.0.1:PORT/…/start
    If your browser is on another machine, run this there, and visit the same address there:
    ssh -L PORT:127.0.0.1:PORT ada@192.0.2.9
    http://127.0.0.1:PORT/…/start
    Or visit this address in any browser, and paste the address it ends at (that page does not load):
    https://as.example.com/authorize?…
    error: nobody finished the sign-in at as.example.com within 1 s
    hint: --auth-timeout SECONDS gives the user longer
    exit 3
$ mcpipe login https://mcp.example.com/mcp --no-browser
> paste => hello
> paste => ^C
    No browser is opened, as you asked: visit http://127.0.0.1:PORT/…/start
    If your browser is on another machine, run this there, and visit the same address there:
    ssh -L PORT:127.0.0.1:PORT ada@192.0.2.9
    http://127.0.0.1:PORT/…/start
    Or visit this address in any browser, and paste the address it ends at (that page does not load):
    https://as.example.com/authorize?…
    hello
    That is not where this sign-in ends: paste the whole address the browser shows at the end.
    ^C
    exit 130
host mcpipe https://mcp.example.com/mcp
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"prompts":{"listChanged":true},"resources":{"listChanged":true},"tools":{"listChanged":true}},"instructions":"A sign-in is going on; what this server offers is known when it is done.","protocolVersion":"2025-11-25","serverInfo":{"name":"127.0.0.1","version":"0"}}}
stderr visiting
    stderr: No browser could be opened: visit http://127.0.0.1:PORT/…/start
    stderr: If your browser is on another machine, run this there, and visit the same address there:
    stderr: ssh -L PORT:127.0.0.1:PORT ada@192.0.2.9
    stderr: Please authorize this client by visiting:
    stderr: http://127.0.0.1:PORT/…/start
leave
    stderr: error: 1 of 1 requests was not answered by the server: a sign-in was needed
    stderr: hint: run `mcpipe login https://mcp.example.com/mcp`, and then this again
    exit 3

A server that gives device codes needs no forwarded port.

world gives-device-codes
$ mcpipe login https://mcp.example.com/mcp --no-browser
    Please authorize this client by visiting:
    https://as.example.com/activate
    and enter the code WDJB-MJHT
    The code is good for 10 minutes.
    Signed in to https://mcp.example.com/mcp.
    exit 0
$ mcpipe status
    Vault: ~/.local/share/mcpipe/vault.bin (protection: file permissions)
    
    https://mcp.example.com/mcp
      account   default
      person    not told
      issuer    https://as.example.com
      client    client-2
      scopes    (the server's choice)
      token     until TIME, renewed when needed
      state     ok
    exit 0
