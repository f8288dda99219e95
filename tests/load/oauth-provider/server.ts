// What the coordinator's code flow is compared with: an authorization server and its one
// resource, on the library of Cloudflare, with the consent page that its guide shows.
import { AuthorizationError, OAuthProvider } from "@cloudflare/workers-oauth-provider";
import type { ConsentDescription, OAuthHelpers } from "@cloudflare/workers-oauth-provider";

interface Kv {
  get(key: string): Promise<string | null>;
}

interface Env {
  OAUTH_PROVIDER: OAuthHelpers;
  /** Who is signed in, by the hash of a cookie's value. */
  SESSIONS: Kv;
}

interface Context {
  auth: { scope: string[] };
  props: { userId: string };
}

const SCOPES = ["execution:read", "chain:verify"];

const escape = (value: string) => value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** The guide's own minimal page. */
function consentPage(details: ConsentDescription, handle: string): string {
  const name = escape(details.clientName);
  const origin = details.clientDomain
    ? `Published by <strong>${escape(details.clientDomain)}</strong>.`
    : "This app registered itself; its name is not verified.";
  const scopes = details.scope
    .map((scope) => `<label><input type="checkbox" name="scope" value="${escape(scope)}" checked> ${escape(scope)}</label>`)
    .join("<br>");
  return `<!doctype html>
<meta charset="utf-8">
<title>Authorize ${name}</title>
<h1>Allow ${name} to access your account?</h1>
<p>${origin} Access will be sent to <strong>${escape(details.redirectHost)}</strong>.</p>
<form method="post" action="/authorize">
  <input type="hidden" name="handle" value="${escape(handle)}">
  ${scopes}
  <p><button name="decision" value="approve">Allow</button> <button name="decision" value="deny">Deny</button></p>
</form>`;
}

/** As at the coordinator: the database knows the hash alone, so a session can be ended. */
async function userOf(request: Request, env: Env): Promise<string | null> {
  const value = /(?:^|; )session=([0-9a-f]{64})/.exec(request.headers.get("cookie") ?? "")?.[1];
  if (!value) return null;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(value));
  const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return env.SESSIONS.get(hash);
}

async function ask(request: Request, oauth: OAuthHelpers): Promise<Response> {
  const asked = await oauth.parseAuthRequest(request);
  const details = await oauth.describeConsent(asked);
  const consent = await oauth.beginConsent(asked);
  consent.headers.set("Content-Type", "text/html; charset=utf-8");
  return new Response(consentPage(details, consent.handle), { headers: consent.headers });
}

async function decide(request: Request, oauth: OAuthHelpers, userId: string): Promise<Response> {
  const form = await request.formData();
  const handle = String(form.get("handle"));
  if (form.get("decision") !== "approve") {
    const denied = await oauth.denyConsent(request, handle);
    return new Response(null, { status: 302, headers: denied.headers });
  }
  const approved = await oauth.approveConsent(request, handle, { scope: form.getAll("scope").map(String) });
  const { redirectTo } = await oauth.completeAuthorization({
    request: approved.request,
    userId,
    metadata: {},
    scope: approved.request.scope,
    props: { userId },
  });
  approved.headers.set("Location", redirectTo);
  return new Response(null, { status: 302, headers: approved.headers });
}

const pages = {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname !== "/authorize") return new Response("Not found", { status: 404 });
    try {
      const userId = await userOf(request, env);
      if (userId === null) return new Response("Sign in first", { status: 401 });
      if (request.method === "POST") return await decide(request, env.OAUTH_PROVIDER, userId);
      return await ask(request, env.OAUTH_PROVIDER);
    } catch (error) {
      if (!(error instanceof AuthorizationError)) throw error;
      return new Response(error.description, { status: 400 });
    }
  },
};

/** What is protected answers the one method that asks nothing of it, MCP's `ping`. */
const protectedPing = {
  async fetch(request: Request, _env: Env, ctx: Context): Promise<Response> {
    const { id, method } = (await request.json()) as { id: number; method: string };
    if (method !== "ping" || !ctx.auth.scope.includes("execution:read")) return new Response(null, { status: 403 });
    return Response.json({ jsonrpc: "2.0", id, result: {} });
  },
};

/** Made at the first request, which tells the port. */
let provider: OAuthProvider | undefined;

export default {
  fetch(request: Request, env: Env, ctx: unknown) {
    const { origin } = new URL(request.url);
    provider ??= new OAuthProvider({
      apiRoute: "/mcp",
      apiHandler: protectedPing as never,
      defaultHandler: pages as never,
      authorizeEndpoint: "/authorize",
      tokenEndpoint: "/token",
      clientRegistrationEndpoint: "/register",
      scopesSupported: [...SCOPES, "offline_access"],
      resourceMetadata: { resource: `${origin}/mcp`, authorization_servers: [origin] },
      requiredScopes: ["execution:read"],
      clientIdMetadataDocumentEnabled: true,
    });
    return provider.fetch(request, env as never, ctx as never);
  },
};
