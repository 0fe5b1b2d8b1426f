// Calls of the HTTP API. The session cookie travels by itself; every refusal becomes an ApiError with the server's
// sentence.
import type { Asset, DoctorReport, Engine, Job, Model, ModelTask, Queue, SegmentList, Voice } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = {
    method,
    headers: { Accept: "application/json", "Accept-Language": document.documentElement.lang },
  };
  if (body instanceof FormData) {
    init.body = body; // the browser writes the boundary into the type
  } else if (body !== undefined) {
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

const model = (id: string): string => `/api/v1/models/${encodeURIComponent(id)}`;

export const api = {
  logout: () => call<null>("POST", "/api/v1/auth/logout"),
  ticket: () => call<{ ticket: string }>("POST", "/api/v1/auth/ticket"),
  recentJobs: () => call<{ data: Job[] }>("GET", "/api/v1/jobs?limit=30"),
  job: (id: string) => call<Job>("GET", `/api/v1/jobs/${id}`),
  cancel: (id: string) => call<Job>("POST", `/api/v1/jobs/${id}/cancel`),
  retry: (id: string) => call<Job>("POST", `/api/v1/jobs/${id}/retry`),
  segments: (id: string) => call<SegmentList>("GET", `/api/v1/jobs/${id}/segments`),
  voices: () => call<{ data: Voice[] | null }>("GET", "/api/v1/audio/voices"),
  queue: () => call<Queue>("GET", "/api/v1/queue"),
  setPaused: (paused: boolean) => call<Queue>("PUT", "/api/v1/queue", { paused }),
  makePicture: (action: "generate" | "edit" | "upscale", form: FormData) =>
    call<Job>("POST", `/api/v1/image/${action}`, form),
  upload: (file: File) => {
    const form = new FormData();
    form.set("file", file);
    return call<Asset>("POST", "/api/v1/assets", form);
  },
  pictures: (cursor: string | null) =>
    call<{ data: Asset[]; next_cursor: string | null }>(
      "GET",
      `/api/v1/assets?kind=image&limit=30${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
    ),
  engines: () => call<{ data: Engine[] }>("GET", "/api/v1/engines"),
  models: () => call<{ data: Model[] }>("GET", "/api/v1/models"),
  install: (id: string, variant: string, accept: boolean) =>
    call<ModelTask>("POST", `${model(id)}/install`, { ...(variant && { variant }), accept_licence: accept }),
  verify: (id: string) => call<ModelTask>("POST", `${model(id)}/verify`),
  cancelModel: (id: string) => call<ModelTask>("POST", `${model(id)}/cancel`),
  removeModel: (id: string) => call<null>("DELETE", model(id)),
  pin: (id: string, pinned: boolean) => call<Model>("PATCH", model(id), { pinned }),
  doctor: () => call<DoctorReport>("GET", "/api/v1/doctor"),
};

/** The sentence of whatever a call failed with. */
export const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
