// A job as a card: in the queue with its bar, or among the results with its player.
import { button, h } from "./dom";
import { duration, known, percent, t, time, type Key } from "./i18n";
import type { Job, Output } from "./types";

export interface CardActions {
  cancel(job: Job): void;
  retry(job: Job): void;
  edit(job: Job, output: Output): void;
  upscale(job: Job, output: Output): void;
}

const word = (prefix: string, value: string): string => {
  const key = `${prefix}.${value}`;
  return known(key) ? t(key) : value;
};

export const typeName = (job: Job): string => word("type", job.type);

/** What was asked for, in the user's own words. */
function subject(job: Job): string {
  const input = (job.input ?? {}) as Record<string, unknown>;
  for (const name of ["text", "script", "prompt", "instruction", "name"]) {
    const value = input[name];
    if (typeof value === "string" && value) return value;
  }
  const scale = input["scale"];
  return typeof scale === "number" ? `${scale}×` : "";
}

function heading(job: Job): HTMLElement {
  return h(
    "div",
    { class: "heading" },
    h("strong", {}, typeName(job)),
    h("span", { class: `badge ${job.quality}` }, job.quality === "draft" ? t("job.draft") : t("job.final")),
    h("span", { class: `badge status ${job.status}` }, word("status", job.status)),
  );
}

function stateLine(job: Job): string {
  if (job.reason === "no_memory" && job.progress_detail?.message) return job.progress_detail.message;
  if (job.reason && job.reason !== "device_busy") return word("reason", job.reason);
  const parts: string[] = job.reason ? [word("reason", job.reason)] : [];
  if (job.status === "queued" && job.queue_position) parts.push(t("job.position", { n: job.queue_position }));
  if (job.status === "processing") {
    const stage = job.progress_detail?.stage;
    parts.push(percent(job.progress ?? 0));
    if (stage) parts.push(word("phase", stage));
  }
  const eta = job.progress_detail?.eta_seconds ?? job.eta_seconds;
  if (typeof eta === "number" && eta > 0) parts.push(t("job.eta", { time: duration(eta) }));
  return parts.join(" · ");
}

/** A job in the queue; heard plays what can be listened to already. */
export function activeCard(
  job: Job,
  preview: string | undefined,
  heard: HTMLElement | null,
  actions: CardActions,
): HTMLElement {
  return h(
    "li",
    { class: "card", "data-job": job.id, "data-status": job.status },
    heading(job),
    h("p", { class: "subject" }, subject(job)),
    preview ? h("img", { class: "preview", src: preview, alt: t("job.preview") }) : null,
    h("progress", { max: 1, value: job.progress ?? 0, "aria-label": t("job.progress", { what: typeName(job) }) }),
    heard,
    h(
      "div",
      { class: "foot" },
      h("span", { class: "state" }, stateLine(job)),
      button(t("job.cancel"), () => actions.cancel(job), { id: `cancel-${job.id}`, class: "quiet" }),
    ),
  );
}

/** Changes only what progress changes, so that the card's buttons keep their focus. */
export function updateProgress(card: Element, job: Job): void {
  const bar = card.querySelector("progress");
  if (bar) bar.value = job.progress ?? 0;
  const state = card.querySelector(".foot .state");
  if (state) state.textContent = stateLine(job);
}

export function updatePreview(card: Element, url: string): void {
  const image = card.querySelector<HTMLImageElement>("img.preview");
  if (image) image.src = url;
  else card.querySelector("progress")?.before(h("img", { class: "preview", src: url, alt: t("job.preview") }));
}

/** An output with its player; a picture can be carried on to be edited or enlarged. */
function player(job: Job, output: Output, actions: CardActions): HTMLElement | null {
  if (output.kind === "video")
    return h("video", { controls: true, playsinline: true, preload: "metadata", src: output.url });
  if (output.kind === "audio") return h("audio", { controls: true, preload: "none", src: output.url });
  if (output.kind !== "image") return null;
  return h(
    "figure",
    { class: "picture" },
    h("img", { src: output.url, alt: subject(job) || output.filename, loading: "lazy" }),
    h(
      "figcaption",
      { class: "row" },
      button(t("picture.edit"), () => actions.edit(job, output), { id: `edit-${output.id}`, class: "quiet" }),
      button(t("picture.upscale"), () => actions.upscale(job, output), { id: `upscale-${output.id}`, class: "quiet" }),
      download(output),
    ),
  );
}

const download = (output: Output, label = t("job.download")): HTMLElement =>
  h("a", { class: "quiet", href: output.url, download: output.filename }, label);

/** Texts that belong to a result, by their type. */
const texts: Record<string, Key> = {
  "text/plain": "job.text",
  "application/x-subrip": "job.srt",
  "text/vtt": "job.vtt",
};

/** Links to the text and the captions of a result. */
function captions(job: Job): HTMLElement | null {
  const links = (job.outputs ?? []).flatMap((output) => {
    const label = output.kind === "data" ? texts[output.mime_type] : undefined;
    return label ? [download(output, t(label))] : [];
  });
  return links.length ? h("div", { class: "row" }, ...links) : null;
}

/** What a recording says; its list of outputs has the text. */
function transcript(job: Job): HTMLElement | null {
  const text = (job.outputs ?? []).map((output) => output.metadata?.["transcript"]).find((found) => found);
  if (typeof text !== "string") return null;
  return h("p", { class: "transcript", tabindex: 0, role: "region", "aria-label": t("job.transcript") }, text);
}

/** A job that has ended; heard is what is still listened to since it ran. */
export function resultCard(job: Job, heard: HTMLElement | null, actions: CardActions): HTMLElement {
  const outputs = (job.outputs ?? []).filter((output) => output.kind !== "data");
  const first = outputs[0];
  return h(
    "li",
    { class: "card result", "data-job": job.id, "data-status": job.status },
    heading(job),
    h("p", { class: "subject" }, subject(job)),
    ...outputs.map((output) => player(job, output, actions)),
    heard,
    transcript(job),
    captions(job),
    job.error ? h("p", { class: "error" }, job.error.detail ?? job.error.title ?? "") : null,
    ...(job.warnings ?? []).map((warning) => h("p", { class: "warning" }, warning.message)),
    h(
      "div",
      { class: "foot" },
      h("time", { datetime: job.completed_at ?? job.created_at }, time(job.completed_at ?? job.created_at)),
      job.status === "completed"
        ? first && first.kind !== "image" && download(first)
        : button(t("job.retry"), () => actions.retry(job), { id: `retry-${job.id}`, class: "quiet" }),
    ),
  );
}
