// The parts of the contract that this page reads, taken from the document that the server's types generate.
import type { components } from "./api.gen";

type Schemas = components["schemas"];
export type Asset = Schemas["Asset"];
export type DoctorCheck = Schemas["DoctorCheck"];
export type DoctorReport = Schemas["DoctorReport"];
export type Engine = Schemas["Engine"];
export type Job = Schemas["Job"];
export type Model = Schemas["Model"];
export type ModelTask = Schemas["ModelTask"];
export type Output = NonNullable<Job["outputs"]>[number];
export type Quality = Job["quality"];
export type Queue = Schemas["Queue"];
export type Segment = NonNullable<Schemas["SegmentList"]["data"]>[number];
export type SegmentList = Schemas["SegmentList"];
export type Texts = Schemas["Texts"];
export type Voice = Schemas["Voice"];

/** What the event model.changed carries; without a task the model itself became another. */
export interface ModelChange {
  model: string;
  task?: Pick<ModelTask, "id" | "kind" | "variant" | "status" | "done_bytes" | "total_bytes">;
}

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
