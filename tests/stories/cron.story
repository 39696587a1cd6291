# Cron

A job without a sign-in.

% echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | mcpipe https://mcp.example.com/mcp
    stdout: {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"A sign-in is needed. Run `mcpipe login https://mcp.example.com/mcp`","data":{"hint":"run `mcpipe login https://mcp.example.com/mcp`","kind":"sign_in_needed","retryable":false,"source":"mcpipe","url":"https://mcp.example.com/mcp"}}}
    stderr: error: 1 of 1 requests was not answered by the server: a sign-in was needed
    stderr: hint: run `mcpipe login https://mcp.example.com/mcp`, and then this again
    exit 3
% mcpipe token https://mcp.example.com/mcp
    stderr: error: nobody is signed in to https://mcp.example.com/mcp
    stderr: hint: run `mcpipe login https://mcp.example.com/mcp`
    exit 3
% TOKEN=$(mcpipe token https://mcp.example.com/mcp) && curl -s -H "Authorization: Bearer $TOKEN" https://mcp.example.com/api
    stderr: error: nobody is signed in to https://mcp.example.com/mcp
    stderr: hint: run `mcpipe login https://mcp.example.com/mcp`
    exit 3

The same with a client of its own.

world knows-the-robot
% mcpipe token https://mcp.example.com/mcp --client-credentials --client-id robot --client-secret-env ROBOT_SECRET | sed 's/..*/TOKEN/'
    stdout: TOKEN
    stderr: The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    exit 0
% mcpipe login https://mcp.example.com/mcp --client-credentials --client-id robot --client-secret-env ROBOT_SECRET
    stdout: Got a token for https://mcp.example.com/mcp by client credentials.
    exit 0
% echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | mcpipe https://mcp.example.com/mcp --client-credentials --client-id robot --client-secret-env ROBOT_SECRET
    stdout: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"inputSchema":{"type":"object"},"name":"greet"}]}}
    exit 0
% mcpipe login https://mcp.example.com/mcp --client-credentials --client-id robot --client-secret-env ROBOT_SECRE
    stderr: error: --client-secret-env takes the name of an environment variable, and no variable of that name is set
    stderr: hint: set it where the host starts mcpipe, its `env` block for instance
    exit 2
% mcpipe status
    stdout: Vault: ~/.local/share/mcpipe/vault.bin (protection: file permissions)
    stdout:
    stdout: https://mcp.example.com/mcp
    stdout:   account   default
    stdout:   issuer    https://as.example.com
    stdout:   grant     client credentials
    stdout:   client    robot
    stdout:   scopes    (the server's choice)
    stdout:   token     until TIME, renewed when needed
    stdout:   state     ok
    exit 0

A server that is not there.

% mcpipe token http://127.0.0.2:9/mcp
    stderr: error: nobody is signed in to http://127.0.0.2:9/mcp
    stderr: hint: run `mcpipe login http://127.0.0.2:9/mcp`
    exit 3
% echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | mcpipe http://127.0.0.2:9/mcp
    stdout: {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"cannot connect to 127.0.0.2:9: Connection refused (os error 111). Check the address, and that the server runs.","data":{"hint":"Check the address, and that the server runs.","kind":"unreachable","retryable":true,"source":"mcpipe"}}}
    stderr: error: 1 of 1 requests was not answered by the server: it was not reached, or did not answer
    stderr: hint: the errors on stdout say what happened, and whether trying again may help
    exit 4
