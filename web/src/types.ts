// The parts of the contract that this page reads, taken from the document that the server's types generate.
import type { components } from "./api.gen";

export type Job = components["schemas"]["Job"];
export type Output = NonNullable<Job["outputs"]>[number];
export type Queue = components["schemas"]["Queue"];

/** What the server sends over the WebSocket; `seq` is gap-free in commit order. */
export type ServerMessage =
  | { type: "snapshot"; as_of: number; jobs: Job[] }
  | { type: "event"; seq: number; event: string; job?: Job; data?: Record<string, unknown> }
  | { type: "progress"; job_id: string; progress: number; progress_detail: Job["progress_detail"] }
  | { type: "reset" }
  | { type: "pong" }
  | { type: "error"; error: { detail?: string; title?: string } };

export const finished = (job: Job): boolean =>
  job.status === "completed" || job.status === "failed" || job.status === "canceled";
