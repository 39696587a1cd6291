// What the host does in each scenario, and what has to come back to it. Keyed by the suite's names.
//
// A play gets the host, the scenario's context and the user at the terminal, may throw, and complains to the host of whatever is not as it should
// be. `flags` are what a user of that server would have put on the command line; files they name go below `home`.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Refused } from "./host.mjs";

const SECRET = "CONFORMANCE_CLIENT_SECRET";

/** Expects `text` in the first block of a tool's result. */
function expectText(host, result, text) {
  const block = result?.content?.[0];
  if (result?.isError) host.complain(`the tool failed: ${JSON.stringify(result)}`);
  else if (block?.type !== "text" || !(text instanceof RegExp ? text.test(block.text) : block.text === text)) {
    host.complain(`expected the text ${text}, got ${JSON.stringify(result)}`);
  }
}

async function tools(host) {
  const { tools: listed } = await host.request("tools/list");
  if (!Array.isArray(listed)) host.complain("tools/list brought no list");
  return listed ?? [];
}

const call = (host, name, args = {}, options) => host.request("tools/call", { name, arguments: args }, options);

/** Fills a form with its defaults, as SEP-1034 wants it. */
function defaults({ requestedSchema }) {
  const content = {};
  for (const [name, property] of Object.entries(requestedSchema?.properties ?? {})) {
    if ("default" in property) content[name] = property.default;
  }
  return { action: "accept", content };
}

/** Signed in or not, the tool has to answer. */
async function signedIn(host) {
  await host.connect();
  const listed = await tools(host);
  if (!listed.some(({ name }) => name === "test-tool")) host.complain(`test-tool is not listed: ${JSON.stringify(listed)}`);
  expectText(host, await call(host, "test-tool"), "test");
}

/** The server cannot be reached without a sign-in that must not happen: the host has to be told, once, with an error. */
async function refused(host) {
  try {
    await host.connect();
    await tools(host);
    await call(host, "test-tool");
  } catch (error) {
    if (error instanceof Refused) return;
    throw error;
  }
  host.complain("everything went well, although the sign-in had to be refused");
}

const PLAYS = {
  initialize: {
    async play(host) {
      const server = await host.connect();
      const name = server.serverInfo?.name ?? server._meta?.["io.modelcontextprotocol/serverInfo"]?.name;
      if (name !== "test-server") host.complain(`the server's name did not arrive: ${JSON.stringify(server)}`);
      if ((await tools(host)).length !== 0) host.complain("there are no tools, but some were listed");
    },
  },

  tools_call: {
    async play(host) {
      await host.connect();
      const [tool] = await tools(host);
      if (tool?.name !== "add_numbers" || tool.inputSchema?.required?.join() !== "a,b") {
        host.complain(`the tool did not arrive whole: ${JSON.stringify(tool)}`);
      }
      expectText(host, await call(host, "add_numbers", { a: 5, b: 37.5 }), "The sum of 5 and 37.5 is 42.5");
    },
  },

  "elicitation-sep1034-client-defaults": {
    async play(host) {
      host.answer("elicitation/create", defaults);
      await host.connect();
      await tools(host);
      expectText(host, await call(host, "test_client_elicitation_defaults"), /^Elicitation completed: .*"score":95\.5/);
    },
  },

  "sse-retry": {
    async play(host) {
      await host.connect();
      await tools(host);
      expectText(host, await call(host, "test_reconnection"), "Reconnection test completed successfully");
    },
  },

  "request-metadata": {
    async play(host) {
      await host.connect();
      await tools(host);
      const called = await call(host, "anything");
      if (!Array.isArray(called.content)) host.complain(`an empty result did not arrive whole: ${JSON.stringify(called)}`);
    },
  },

  "sep-2322-client-request-state": {
    async play(host) {
      // While the question of the first call is open, another call comes and goes.
      const unrelated = async () => expectText(host, await call(host, "test_mrtr_unrelated"), "unrelated-ok");
      let asked = 0;
      host.answer("elicitation/create", async ({ message }) => {
        asked += 1;
        if (!message?.startsWith("Please confirm")) host.complain(`the question did not arrive whole: ${message}`);
        if (host.era === "legacy" && asked === 1) await unrelated();
        return { action: "accept", content: { confirmed: true } };
      });
      await host.connect();
      if ((await tools(host)).length !== 4) host.complain("four tools were expected");
      expectText(host, await call(host, "test_mrtr_echo_state", {}, { between: unrelated }), "echo-state-ok");
      expectText(host, await call(host, "test_mrtr_no_state"), "no-state-ok");
      await unrelated();
      expectText(host, await call(host, "test_mrtr_no_result_type"), "no-result-type-test-ok");
      if (asked !== 2) host.complain(`two questions were expected, ${asked} came`);
    },
  },

  "http-standard-headers": {
    async play(host) {
      await host.connect();
      await tools(host);
      expectText(host, await call(host, "test_headers"), "Headers test completed");
      expectText(host, await call(host, "my-hyphenated-tool"), "Headers test completed");
      const { resources } = await host.request("resources/list");
      for (const { uri } of resources) {
        const { contents } = await host.request("resources/read", { uri });
        if (!Array.isArray(contents) || contents.length !== 0) host.complain(`no contents were expected of ${uri}`);
      }
      const { prompts } = await host.request("prompts/list");
      const { messages } = await host.request("prompts/get", { name: prompts[0].name });
      if (!Array.isArray(messages) || messages.length !== 0) host.complain("no messages were expected");
    },
  },

  "http-custom-headers": {
    async play(host, { toolCalls }) {
      await host.connect();
      await tools(host);
      for (const { name, arguments: args } of toolCalls) {
        expectText(host, await call(host, name, args), "Custom headers test completed");
      }
    },
  },

  "http-invalid-tool-headers": {
    // Naive on purpose: calls all it is shown.
    async play(host) {
      await host.connect();
      const listed = await tools(host);
      if (!listed.some(({ name }) => name === "valid_tool")) host.complain("valid_tool is not listed");
      for (const { name, inputSchema } of listed) {
        const args = Object.fromEntries((inputSchema.required ?? []).map((key) => [key, "x"]));
        try {
          expectText(host, await call(host, name, args), "Tool call received");
        } catch (error) {
          if (!(error instanceof Refused) || name === "valid_tool") throw error;
        }
      }
    },
  },

  "json-schema-ref-no-deref": {
    async play(host) {
      await host.connect();
      const [tool] = await tools(host);
      const { properties, $defs } = tool?.inputSchema ?? {};
      if (!properties?.profile?.$ref?.startsWith("http") || $defs?.userId?.pattern !== "^[a-z0-9-]+$") {
        host.complain(`the schema did not arrive whole: ${JSON.stringify(tool)}`);
      }
    },
  },

  "json-schema-2020-12-preservation": {
    async play(host) {
      await host.connect();
      const rich = (await tools(host)).find(({ name }) => name !== "json_schema_echo");
      expectText(host, await call(host, "json_schema_echo", { schema: rich.inputSchema }), "echoed");
    },
  },

  "auth/basic-cimd": {
    flags: () => ["--client-metadata-url", "https://conformance-test.local/client-metadata.json"],
    play: signedIn,
  },

  "auth/pre-registration": {
    flags: ({ client_id: id }) => ["--client-id", id, "--client-secret-env", SECRET],
    env: ({ client_secret: secret }) => ({ [SECRET]: secret }),
    play: signedIn,
  },

  "auth/scope-retry-limit": { play: refused },
  "auth/resource-mismatch": { play: refused },
  "auth/iss-supported-missing": { play: refused },
  "auth/iss-wrong-issuer": { play: refused },
  "auth/iss-unexpected": { play: refused },
  "auth/iss-normalized": { play: refused },
  "auth/metadata-issuer-mismatch": { play: refused },

  "auth/authorization-server-migration": {
    // Another authorization server is used at the user's word only: the host is told of both, and of the command.
    async play(host, context, user) {
      let refusals = 0;
      for (let tries = 0; ; tries += 1) {
        try {
          if (tries === 0) await host.connect();
          await tools(host);
          expectText(host, await call(host, "test-tool"), "test");
          expectText(host, await call(host, "test-tool"), "test");
          break;
        } catch (error) {
          if (!(error instanceof Refused) || tries > 1) throw error;
          refusals += 1;
          if (!error.data?.hint?.includes("mcpipe login")) host.complain(`no command is named: ${error.message}`);
          await user.login();
        }
      }
      if (refusals !== 1) host.complain(`the user was to decide once, and was asked ${refusals} times`);
    },
  },
};

// What no revision requires: other grants than a person's.
const kept = (home, name, text) => {
  const path = join(home, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
Object.assign(PLAYS, {
  "auth/client-credentials-basic": {
    flags: ({ client_id: id }) => ["--client-credentials", "--client-id", id, "--client-secret-env", SECRET],
    env: ({ client_secret: secret }) => ({ [SECRET]: secret }),
    play: signedIn,
  },
  "auth/client-credentials-jwt": {
    flags: ({ client_id: id, private_key_pem: pem, signing_algorithm: algorithm }, home) => [
      ...["--client-credentials", "--client-id", id, "--client-alg", algorithm],
      ...["--client-key", kept(home, "client.pem", pem)],
    ],
    play: signedIn,
  },
  "auth/wif-jwt-bearer": {
    flags: ({ client_id: id, valid_jwt: jwt }, home) => ["--client-id", id, "--assertion-file", kept(home, "workload.jwt", jwt)],
    play: signedIn,
  },
  "auth/enterprise-managed-authorization": {
    flags: (given, home) => [
      ...["--client-id", given.client_id, "--client-secret-env", SECRET],
      ...["--idp-issuer", given.idp_issuer, "--idp-token-endpoint", given.idp_token_endpoint],
      ...["--idp-client-id", given.idp_client_id, "--idp-id-token", kept(home, "id.jwt", given.idp_id_token)],
    ],
    env: ({ client_secret: secret }) => ({ [SECRET]: secret }),
    play: signedIn,
  },
});

// A skill is listed, and read file by file until one of them is not what the list said.
for (const name of ["no-prefetch", "verify-digest", "verify-size", "verify-frontmatter"]) {
  PLAYS[`sep-2640-client-${name}`] = {
    async play(host) {
      await host.connect();
      const { skills } = await host.request("skills/list");
      const uri = skills?.[0]?.uri;
      if (uri !== "skill://pdf-processing/SKILL.md") host.complain(`the skill did not arrive: ${JSON.stringify(skills)}`);
      if (name === "no-prefetch") return;
      const { contents } = await host.request("resources/read", { uri });
      if (!contents?.[0]?.text?.startsWith("---\nname: pdf-processing\n")) host.complain("the skill's text did not arrive");
    },
  };
}

/** The play for a scenario; whatever only signs in has no entry of its own. */
export const playFor = (scenario) => PLAYS[scenario] ?? (scenario.startsWith("auth/") ? { play: signedIn } : undefined);
