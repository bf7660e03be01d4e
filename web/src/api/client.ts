// The public API, typed by its own description. A request that fails throws a `ProblemError`.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";
import { problemOf } from "./problem.ts";
import { csrfToken, signedOut } from "./session.ts";

export type Schemas = components["schemas"];

const guard: Middleware = {
  onRequest({ request }) {
    if (csrfToken.value && request.method !== "GET") request.headers.set("x-csrf-token", csrfToken.value);
    return request;
  },
  async onResponse({ request, response }) {
    if (response.ok) return response;
    // Signing in with a wrong password is no end of a session.
    if (response.status === 401 && !new URL(request.url).pathname.endsWith("/v1/session")) signedOut();
    throw await problemOf(response);
  },
};

/** `await ask(api.GET("/v1/calls", {…}))` gives the body. */
export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });
api.use(guard);

export async function ask<T>(request: Promise<{ data?: T }>): Promise<T> {
  return (await request).data as T;
}
