# Support with a recording

A user whose server misbehaves records what is said, and passes it on.

! mcpipe login https://mcp.example.com/mcp
    stdout: Signed in to https://mcp.example.com/mcp.
    stderr: The new vault, ~/.local/share/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
    stderr: Opening your browser. If nothing opens: http://127.0.0.1:PORT/…/start
    stderr: Signed in to https://mcp.example.com/mcp.
    exit 0
host mcpipe https://mcp.example.com/mcp --record said.jsonl
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
send notifications/initialized
send tools/call the-users-own-words
receive
    {"jsonrpc":"2.0","id":2,"result":{"content":[{"text":"Hello, the-users-own-words!","type":"text"}]}}
leave
    stderr: Recording to said.jsonl without the content of messages (--record-content keeps it).
    exit 0
% sed 's/"at":[0-9.e-]*/"at":TIME/; s/"ms":[0-9]*/"ms":TIME/; /"x":[34],/d' said.jsonl
    stdout: {"at":TIME,"recording":{"content":"shapes","flags":["--record"],"mcpipe":"0.1.0","platform":"linux x86_64","protocol":"auto","server":"https://mcp.example.com"}}
    stdout: {"at":TIME,"eras":{"host":"legacy","server":null}}
    stdout: {"at":TIME,"host":{"id":1,"jsonrpc":"2.0","method":"initialize","params":{"capabilities":{},"clientInfo":{"name":"cursor","version":"1"},"protocolVersion":"2025-11-25"}}}
    stdout: {"at":TIME,"x":1,"post":{"jsonrpc":"2.0","id":1099511627777,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"cursor","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}},"headers":{"mcp-method":"server/discover","mcp-protocol-version":"2026-07-28"}}
    stdout: {"at":TIME,"x":1,"answer":200,"json":{"error":{"code":-32601,"message":"Method not found"},"id":1099511627777,"jsonrpc":"2.0"}}
    stdout: {"at":TIME,"x":2,"post":{"id":1,"jsonrpc":"2.0","method":"initialize","params":{"capabilities":{},"clientInfo":{"name":"cursor","version":"1"},"protocolVersion":"2025-11-25"}}}
    stdout: {"at":TIME,"eras":{"host":"legacy","server":"legacy"}}
    stdout: {"at":TIME,"x":2,"answer":200,"json":{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}},"headers":{"mcp-session-id":"session-1"}}
    stdout: {"at":TIME,"bridge":{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}}
    stdout: {"at":TIME,"host":{"jsonrpc":"2.0","method":"notifications/initialized","params":{}}}
    stdout: {"at":TIME,"host":{"id":2,"jsonrpc":"2.0","method":"tools/call","params":{"arguments":{"name":"(19 characters)"},"name":"greet"}}}
    stdout: {"at":TIME,"x":5,"post":{"id":2,"jsonrpc":"2.0","method":"tools/call","params":{"arguments":{"name":"(19 characters)"},"name":"greet"}},"headers":{"mcp-protocol-version":"2025-11-25","mcp-session-id":"session-1"}}
    stdout: {"at":TIME,"x":5,"answer":200,"json":{"jsonrpc":"2.0","id":2,"result":{"content":[{"text":"(27 characters)","type":"text"}]}}}
    stdout: {"at":TIME,"bridge":{"jsonrpc":"2.0","id":2,"result":{"content":[{"text":"(27 characters)","type":"text"}]}}}
    stdout: {"at":TIME,"eof":true}
    stdout: {"at":TIME,"x":6,"delete":true,"headers":{"mcp-protocol-version":"2025-11-25","mcp-session-id":"session-1"}}
    stdout: {"at":TIME,"x":6,"answer":200}
    exit 0

The notification and the stream go beside the call: the order of their lines is not always the same.

% grep '"x":[34],' said.jsonl | sed 's/"at":[0-9.e-]*/"at":TIME/; s/"ms":[0-9]*/"ms":TIME/' | sort
    stdout: {"at":TIME,"x":3,"answer":202}
    stdout: {"at":TIME,"x":3,"post":{"jsonrpc":"2.0","method":"notifications/initialized","params":{}},"headers":{"mcp-protocol-version":"2025-11-25","mcp-session-id":"session-1"}}
    stdout: {"at":TIME,"x":4,"answer":405}
    stdout: {"at":TIME,"x":4,"get":true,"headers":{"mcp-protocol-version":"2025-11-25","mcp-session-id":"session-1"}}
    exit 0

With the content, and a word that it is there.

host mcpipe https://mcp.example.com/mcp --record whole.jsonl --record-content
send initialize
receive
    {"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}},"protocolVersion":"2025-11-25","serverInfo":{"name":"example","version":"1"}}}
leave
    stderr: Recording to whole.jsonl with the content of messages: read it before you pass it on.
    exit 0
% mcpipe https://mcp.example.com/mcp --record no/such/folder/file < /dev/null
    stderr: error: cannot open (argument 3)
    stderr:   No such file or directory (os error 2)
    stderr: hint: --record takes a file that can be written
    exit 2
