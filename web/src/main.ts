// The studio's page: the queue as it lives and the results as they come.
import { api, ApiError } from "./api";
import { activeCard, resultCard, typeName, updatePreview, updateProgress, type CardActions } from "./cards";
import { h } from "./dom";
import { language, setLanguage, t, type Language } from "./i18n";
import { Live, type LinkState } from "./live";
import { Store } from "./store";
import { finished, type Job, type ServerMessage } from "./types";

const store = new Store();
const main = byId("main");
const cliExample = 'apibr avatar --image foto.jpg --voice "Minha Voz" --script "Olá!" -o avatar.mp4';
let link: LinkState = "connecting";
let notice = "";

function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

const actions: CardActions = {
  cancel: (job) => void act(() => api.cancel(job.id)),
  retry: (job) => void act(() => api.retry(job.id)),
};

async function act(call: () => Promise<Job>): Promise<void> {
  try {
    store.offer(await call());
    notice = "";
  } catch (error) {
    notice = t("failed.action", { detail: error instanceof Error ? error.message : String(error) });
  }
  render();
}

async function togglePause(): Promise<void> {
  try {
    store.paused = (await api.setPaused(!store.paused)).paused;
    notice = "";
  } catch (error) {
    notice = t("failed.action", { detail: error instanceof Error ? error.message : String(error) });
  }
  render();
}

function render(): void {
  renderBar();
  if (link === "signed_out") return renderSignedOut();
  const active = store.active();
  const ended = store.ended();
  main.replaceChildren(
    ...(notice ? [h("p", { class: "error", role: "alert" }, notice)] : []),
    ...(store.paused ? [h("p", { class: "warning", role: "status" }, store.pausedMessage || t("queue.paused"))] : []),
    h(
      "section",
      { "aria-labelledby": "queue-title" },
      h(
        "div",
        { class: "title" },
        h("h2", { id: "queue-title" }, t("queue.title")),
        h("button", { type: "button", class: "quiet", on: { click: () => void togglePause() } }, t(store.paused ? "queue.resume" : "queue.pause")),
      ),
      active.length
        ? h("ul", { class: "cards", id: "queue" }, ...active.map((job) => activeCard(job, store.previews.get(job.id), actions)))
        : h("div", { class: "empty" }, h("p", {}, t("queue.empty")), h("p", {}, t("queue.hint")), h("code", {}, cliExample)),
    ),
    h(
      "section",
      { "aria-labelledby": "results-title" },
      h("h2", { id: "results-title" }, t("results.title")),
      ended.length ? h("ul", { class: "cards", id: "results" }, ...reuse(ended)) : h("p", { class: "empty" }, t("results.empty")),
    ),
  );
}

/** Result cards are kept while their job is unchanged: a video that plays is not torn out by another job's end. */
const kept = new Map<string, { job: Job; language: Language; card: HTMLElement }>();
function reuse(jobs: Job[]): HTMLElement[] {
  return jobs.map((job) => {
    const old = kept.get(job.id);
    if (old && old.language === language() && old.job.status === job.status && old.job.attempt === job.attempt) return old.card;
    const card = resultCard(job, actions);
    kept.set(job.id, { job, language: language(), card });
    return card;
  });
}

function renderBar(): void {
  byId("language-label").textContent = t("language");
  const status = byId("link");
  status.textContent = link === "signed_out" ? "" : t(`link.${link}`);
  status.dataset["state"] = link;
}

function renderSignedOut(): void {
  main.replaceChildren(
    h(
      "section",
      { class: "signed-out" },
      h("h2", {}, t("signed_out.title")),
      h("p", {}, t("signed_out.text")),
      h("code", {}, "apibr open"),
      h("p", {}, t("signed_out.then")),
    ),
  );
}

function receive(message: ServerMessage): void {
  const before = message.type === "event" && message.job ? store.jobs.get(message.job.id) : undefined;
  const changed = store.apply(message);
  if (message.type === "snapshot" || message.type === "reset") void refresh();
  if (message.type === "event" && message.job && before && !finished(before) && finished(message.job)) announce(message.job);
  if (changed === "all") render();
  else if (changed) {
    const card = cardOf(changed);
    const job = store.jobs.get(changed);
    if (card && job) updateProgress(card, job);
  }
}

const cardOf = (id: string): Element | null => main.querySelector(`[data-job="${CSS.escape(id)}"]`);

function announce(job: Job): void {
  byId("announce").textContent = t(job.status === "completed" ? "job.done" : "job.broke", { what: typeName(job) });
}

/** The snapshot holds only active jobs: the list tells of those that ended, also while the line was down. */
async function refresh(): Promise<void> {
  try {
    const [recent, queue] = await Promise.all([api.recentJobs(), api.queue()]);
    const listed = new Set(recent.data.map((job) => job.id));
    for (const job of store.active()) if (!listed.has(job.id) && job.status === "processing") store.jobs.delete(job.id);
    for (const job of recent.data) store.offer(job);
    store.paused = queue.paused;
    render();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) setLink("signed_out");
  }
}

function setLink(next: LinkState): void {
  if (next === link) return;
  link = next;
  if (next === "signed_out") render();
  else renderBar();
}

const picker = byId("language") as HTMLSelectElement;
picker.value = language();
picker.addEventListener("change", () => {
  setLanguage(picker.value as Language);
  render();
});
setLanguage(language());
render();
void new Live({
  message: receive,
  preview: (id, jpeg) => {
    store.setPreview(id, jpeg);
    const card = cardOf(id);
    const url = store.previews.get(id);
    if (card && url) updatePreview(card, url);
  },
  state: setLink,
}).run();
