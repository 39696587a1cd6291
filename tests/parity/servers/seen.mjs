// A server's HTTP side: its address on stdout, and at `GET /seen` every message that came, as it came.

import { createServer } from "node:http";

/** Serves `handle(request, response, parsedBody)` at /mcp on a port of the system's choice. */
export function serve(handle) {
  const seen = [];
  /** Everything, and with a cancellation the method of its request, which may have come after it. */
  const told = () =>
    seen.map(({ message, ...more }) => {
      const isAbout = (one) => one.message.id === message.params?.requestId && one.message.method !== undefined;
      return { message, ...more, ...(message.method === "notifications/cancelled" && { about: seen.find(isAbout)?.message.method ?? "nothing" }) };
    });
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/seen") return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(told()));
    if (pathname !== "/mcp") return response.writeHead(404).end();
    let body;
    if (request.method === "POST") {
      const parts = [];
      for await (const part of request) parts.push(part);
      try {
        body = JSON.parse(Buffer.concat(parts).toString("utf8"));
      } catch {
        return response.writeHead(400).end();
      }
      const entry = { message: body, ended: "open" };
      seen.push(entry);
      response.once("close", () => (entry.ended = response.writableFinished ? "answered" : "left"));
    } else if (request.method === "DELETE") seen.push({ message: { method: "(DELETE)" } });
    try {
      await handle(request, response, body);
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(500).end();
    }
  });
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
}
