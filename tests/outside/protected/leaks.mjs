// Looks for secrets where none should be: whole or in pieces, plain or encoded.

import fs from "node:fs";
import path from "node:path";

/// Pieces this long are looked for, end to end; so any run of 2 * PIECE - 1 characters of a secret is found.
const PIECE = 12;

/// The part of a token that is secret: of a JWT the signature and the claims, but not the header that all of them share.
function secretPart(value) {
  return value.startsWith("eyJ") && value.split(".").length === 3 ? value.slice(value.indexOf(".") + 1) : value;
}

/// What may stand in a file where `piece` was meant.
function* writings(piece) {
  yield piece;
  const bytes = Buffer.from(piece);
  for (const shift of [0, 1, 2]) {
    // What comes before moves the groups of three; the characters that a neighbour can change are left out.
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]);
    const whole = shifted.toString("base64").replace(/=+$/, "");
    const first = [0, 2, 3][shift];
    const last = (shifted.length % 3 === 0) ? whole.length : whole.length - 1;
    const sure = whole.slice(first, last);
    yield sure;
    yield sure.replaceAll("+", "-").replaceAll("/", "_");
  }
  const hex = bytes.toString("hex");
  yield hex;
  yield hex.toUpperCase();
  yield hex.replace(/../g, (byte) => `%${byte}`);
  yield hex.toUpperCase().replace(/../g, (byte) => `%${byte}`);
  yield hex.replace(/../g, (byte) => `\\x${byte}`);
  yield hex.replace(/../g, (byte) => `\\u00${byte}`);
  yield [...bytes].join(", ");
  yield Buffer.from(piece, "utf16le").toString("latin1");
}

/// Every needle for one secret, with what it is.
export function needles({ kind, value }) {
  const secret = secretPart(value);
  const found = [];
  for (let at = 0; at + PIECE <= secret.length; at += PIECE) {
    for (const writing of writings(secret.slice(at, at + PIECE))) found.push(Buffer.from(writing, "latin1"));
  }
  if (found.length === 0) throw new Error(`a ${kind} of ${value.length} characters is too short to look for`);
  return found;
}

/// Where any of `secrets` ({ kind, value }) stands in any of `places` (name to bytes): sentences, without the secret.
export function leaks(secrets, places) {
  const said = [];
  for (const secret of secrets) {
    const wanted = needles(secret);
    for (const [name, bytes] of places) {
      const hit = wanted.find((needle) => bytes.includes(needle));
      if (hit) said.push(`${secret.kind} in ${name} at byte ${bytes.indexOf(hit)}`);
    }
  }
  return said;
}

/// Every file under `folder`, name to bytes.
export function filesUnder(folder) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .map((name) => [path.relative(folder, name), fs.readFileSync(name)]);
}

/// The command lines of a process and of all that descend from it, as far as they are still there.
export function commandLines(pid) {
  const read = (file) => {
    try {
      return fs.readFileSync(file);
    } catch {
      return Buffer.alloc(0);
    }
  };
  const children = read(`/proc/${pid}/task/${pid}/children`).toString().trim().split(" ").filter(Boolean);
  return [[`/proc/${pid}/cmdline`, read(`/proc/${pid}/cmdline`)], ...children.flatMap((child) => commandLines(child))];
}
