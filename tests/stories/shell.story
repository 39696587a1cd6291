# A shell

The user tries the command alone, in a terminal.

$ mcpipe https://mcp.example.com/mcp
> configuration => ^D
    mcpipe waits here for the messages of an MCP host: JSON-RPC, one message a line. Ctrl-D ends it.
    To sign in, run `mcpipe login https://mcp.example.com/mcp`. To use the server, name `mcpipe https://mcp.example.com/mcp` in your host's configuration.
    exit 0

A pipe, before there is a sign-in: the browser opens, and the answer comes when the user has signed in.

$ echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | mcpipe https://mcp.example.com/mcp
> waits for this sign-in => (signs in)
    The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    Please authorize this client by visiting:
    http://127.0.0.1:PORT/…/start
    mcpipe waits for this sign-in, for 30 s at most (--grace; --wait-for-login waits as long as it takes). Then the server answers.
    Signed in to https://mcp.example.com/mcp.
    {"jsonrpc":"2.0","id":1,"result":{"tools":[{"inputSchema":{"type":"object"},"name":"greet"}]}}
    exit 0
$ TOKEN=$(mcpipe token https://mcp.example.com/mcp) && curl -s -H "Authorization: Bearer $TOKEN" https://mcp.example.com/api
    {"from":"the api"}
    exit 0
$ echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | mcpipe https://mcp.example.com/mcp | head -1
    {"jsonrpc":"2.0","id":1,"result":{"tools":[{"inputSchema":{"type":"object"},"name":"greet"}]}}
    exit 0

Mistakes.

$ mcpipe https://mcp.example.com/nowhere --protokol legacy
    error: there is no flag --protokol
    hint: perhaps --protocol is meant; `mcpipe --help` lists the flags and the commands
    exit 2
% echo 'hello' | mcpipe https://mcp.example.com/mcp
    stdout: {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error: not JSON (column 1)"}}
    stderr: TIME  WARN a line that is not a message reason="not JSON (column 1)"
    stderr: error: 1 of 1 requests was not answered by the server: the errors on stdout say why
    exit 1
$ mcpipe logn https://mcp.example.com/mcp
    error: argument 1 is neither the server's address nor a command
    hint: an address looks like https://mcp.example.com/mcp; the commands are login, logout, status, token, vault, pins, audit, config, import; if a host tore an argument apart at its spaces, write it without them: --header Name:value, or --header "Name:${VAR}" with the value in the host's `env`
    exit 2
$ mcpipe status https://mcp.example.com/other
    error: nothing is stored for https://mcp.example.com/other; stored is https://mcp.example.com/mcp
    hint: `mcpipe status https://mcp.example.com/mcp`
    exit 1
$ mcpipe
    error: the server's address is missing: <URL>
    hint: write `mcpipe https://mcp.example.com/mcp`; `mcpipe --help` says more
    exit 2
