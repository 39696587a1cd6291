// What came over a transport, as it came.

/// Keeps every message that comes over `transport` in the order it came, and returns the list they are kept in.
/// The client's own `onprogress` cannot be counted on: it forgets its listener when the answer is in the same chunk.
export function tap(transport) {
  const received = [];
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    received.push(message);
    onmessage(message, extra);
  };
  return received;
}

/// The progress values among `received`, up to the first answer that came after one of them.
export function progressBeforeAnswer(received) {
  const first = received.findIndex(({ method }) => method === "notifications/progress");
  const answer = received.findIndex((message, at) => at > first && "id" in message && !("method" in message));
  return received
    .slice(first, answer)
    .filter(({ method }) => method === "notifications/progress")
    .map(({ params }) => [params.progress, params.total]);
}

/// The text of a tool's result.
export const text = (result) => result.content.map((part) => part.text ?? "").join("");
