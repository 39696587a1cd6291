// A TCP proxy on loopback that fails in the ways networks do, when a test says so.

import { once } from "node:events";
import net from "node:net";

import { eventually } from "../support/process.mjs";

/// Starts a proxy before `port` and returns its controls.
///
/// - `url(path)`: where to reach the server through it
/// - `cut()`: resets every open connection; returns how many
/// - `cutAfter(bytes)`: resets the next connection after so many more bytes from the server
/// - `end()`: ends every connection properly, as a server that closes early does
/// - `refuse(yes)`: resets new connections at once
/// - `stall(yes)`: keeps connections open and carries nothing
/// - `quiet(ms)`: waits until nothing came from the server for so long, so that a cut finds everything sent delivered
/// - `opened`, `open`: connections so far, and now
export async function startProxy(t, port) {
  const pairs = new Set();
  const state = { refusing: false, stalled: false, cutAfter: undefined, opened: 0, carried: 0 };

  const reset = ({ near, far }) => {
    // A socket whose end is already under way cannot be reset: Node 20 would wait for it for ever when it exits.
    if (near.writableEnded) near.destroy();
    else near.resetAndDestroy();
    far?.destroy();
  };
  const server = net.createServer((near) => {
    near.on("error", () => {});
    if (state.refusing) return void reset({ near });
    state.opened += 1;
    let left = state.cutAfter;
    state.cutAfter = undefined;

    const far = net.connect(port, "127.0.0.1");
    const pair = { near, far };
    pairs.add(pair);
    const forget = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    far.on("error", () => reset(pair));
    far.on("close", forget);
    near.on("close", forget);
    near.on("data", (chunk) => void (state.stalled || far.write(chunk)));
    far.on("data", (chunk) => {
      if (state.stalled) return;
      state.carried = Date.now();
      if (left === undefined) return void near.write(chunk);
      near.write(chunk.subarray(0, left));
      left -= chunk.length;
      // The bytes before the cut are let out first; a reset throws away what is still queued.
      if (left <= 0) setTimeout(() => reset(pair), 20);
    });
    near.on("end", () => far.end());
    far.on("end", () => near.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = () => {
    const count = pairs.size;
    for (const pair of pairs) reset(pair);
    return count;
  };
  t.after(() => {
    cut();
    server.close();
  });
  return {
    url: (path) => `http://127.0.0.1:${server.address().port}${path}`,
    cut,
    cutAfter: (bytes) => void (state.cutAfter = bytes),
    end: () => pairs.forEach(({ near }) => near.end()),
    refuse: (yes) => void (state.refusing = yes),
    quiet: (ms) => eventually(() => Date.now() - state.carried > ms, "quiet"),
    stall: (yes) => void (state.stalled = yes),
    get opened() {
      return state.opened;
    },
    get open() {
      return pairs.size;
    },
  };
}
