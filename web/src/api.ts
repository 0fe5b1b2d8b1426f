// Calls of the HTTP API. The session cookie travels by itself; every refusal becomes an ApiError with the server's sentence.
import type { Job, Queue } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { Accept: "application/json", "Accept-Language": document.documentElement.lang } };
  if (body !== undefined) {
    init.headers = { ...init.headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const response = await fetch(path, init);
  const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    const problem = answer as { detail?: string; title?: string } | null;
    throw new ApiError(response.status, problem?.detail ?? problem?.title ?? `HTTP ${response.status}`);
  }
  return answer as T;
}

export const api = {
  ticket: () => call<{ ticket: string }>("POST", "/api/v1/auth/ticket"),
  recentJobs: () => call<{ data: Job[] }>("GET", "/api/v1/jobs?limit=30"),
  cancel: (id: string) => call<Job>("POST", `/api/v1/jobs/${id}/cancel`),
  retry: (id: string) => call<Job>("POST", `/api/v1/jobs/${id}/retry`),
  queue: () => call<Queue>("GET", "/api/v1/queue"),
  setPaused: (paused: boolean) => call<Queue>("PUT", "/api/v1/queue", { paused }),
};
