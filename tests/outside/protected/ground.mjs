// What every protected server stands on: an authority, an application that listens, and the one knowing of the other.

import { once } from "node:events";
import http from "node:http";
import express from "express";

import { startAuthority } from "./authority.mjs";

/// Starts both, with the options of `startAuthority`; they end with the test.
export async function startGround(t, options) {
  const authority = await startAuthority(t, options);
  const app = express();
  const listener = http.createServer(app).listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  const url = new URL(`http://127.0.0.1:${listener.address().port}/mcp`);
  authority.protect(url.href);
  return { authority, app, url };
}
