// What the page knows of every job it has heard of. Events come in commit order and always win; an answer to a request
// may have been overtaken by them.
import { finished, type Job, type ServerMessage } from "./types";

export class Store {
  readonly jobs = new Map<string, Job>();
  readonly previews = new Map<string, string>();
  paused = false;
  pausedMessage = "";

  put(job: Job): void {
    this.jobs.set(job.id, job);
    if (finished(job)) this.dropPreview(job.id);
  }

  /** Takes an answer to a request. It never revives an ended job: if that job was started again, an event says so. */
  offer(job: Job): void {
    const known = this.jobs.get(job.id);
    if (!known || !finished(known) || finished(job)) this.put(job);
  }

  /** Applies a message and says which job changed: an id, "all", or null for none. */
  apply(message: ServerMessage): string | "all" | null {
    switch (message.type) {
      case "snapshot":
        // What was active and is not in the snapshot has ended while the line was down; the list that follows says how.
        for (const job of message.jobs) this.put(job);
        return "all";
      case "event":
        if (message.event === "queue.paused" || message.event === "queue.resumed") {
          this.paused = message.event === "queue.paused";
          this.pausedMessage = typeof message.data?.["message"] === "string" ? message.data["message"] : "";
          return "all";
        }
        if (!message.job) return null;
        this.put(message.job);
        return "all";
      case "progress": {
        const job = this.jobs.get(message.job_id);
        if (!job || finished(job)) return null;
        this.jobs.set(job.id, { ...job, progress: message.progress, progress_detail: message.progress_detail });
        return job.id;
      }
      default:
        return null;
    }
  }

  setPreview(id: string, jpeg: Blob): void {
    this.dropPreview(id);
    this.previews.set(id, URL.createObjectURL(jpeg));
  }

  active(): Job[] {
    const rank = (job: Job): number =>
      job.status === "processing" ? -1 : (job.queue_position ?? Number.MAX_SAFE_INTEGER);
    return [...this.jobs.values()].filter((job) => !finished(job)).sort((a, b) => rank(a) - rank(b));
  }

  ended(): Job[] {
    const time = (job: Job): number => Date.parse(job.completed_at ?? job.created_at);
    return [...this.jobs.values()]
      .filter(finished)
      .sort((a, b) => time(b) - time(a))
      .slice(0, 30);
  }

  private dropPreview(id: string): void {
    const url = this.previews.get(id);
    if (url) URL.revokeObjectURL(url);
    this.previews.delete(id);
  }
}
