// The pages of a provider that lets people choose an account: those of oidc-provider's own are for development, and know of
// no `select_account`.

import { interactionPolicy } from "oidc-provider";

/// The provider's own policy, with `prompt=select_account` before all else.
export function policyWithChoice() {
  const policy = interactionPolicy.base();
  policy.add(new interactionPolicy.Prompt({ name: "select_account", requestable: true }), 0);
  return policy;
}

/// Answers `/choose/…`: a button for each account, then one for consent.
export const chooser = (provider, accounts) => async (ctx, next) => {
  if (!ctx.path.startsWith("/choose/")) return next();
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  const account = new URLSearchParams(ctx.search).get("account");
  if (account && prompt.name !== "consent") {
    const result = { login: { accountId: account }, [prompt.name]: { accountId: account } };
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }
  if (new URLSearchParams(ctx.search).has("allow") && prompt.name === "consent") {
    const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope, missingResourceScopes } = prompt.details;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(" "));
    for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(" "));
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  }
  ctx.type = "html";
  const buttons = prompt.name === "consent" ? '<button type="submit" name="allow" value="yes">Allow</button>' : accounts.map((name) => `<button type="submit" name="account" value="${name}">${name}</button>`).join("");
  ctx.body = `<!doctype html><title>${prompt.name}</title><form>${buttons}</form>`;
};
