// The studio's page: which part is shown, what the live connection says, and who hears of it.
import { api, ApiError, sentence } from "./api";
import { typeName } from "./cards";
import { Catalogue } from "./catalogue";
import { Doctor } from "./doctor";
import { byId, h } from "./dom";
import { language, setLanguage, t, type Language } from "./i18n";
import { Jobs } from "./jobs";
import { Live, type LinkState } from "./live";
import { Models } from "./models";
import { Pictures } from "./pictures";
import { Store } from "./store";
import { Voices } from "./voices";
import { finished, type Job, type ModelChange, type Output, type ServerMessage } from "./types";

const views = ["queue", "pictures", "voices", "models", "doctor"] as const;
type View = (typeof views)[number];

const store = new Store();
const main = byId("main");
let link: LinkState = "connecting";
let view: View = "queue";

const catalogue: Catalogue = new Catalogue((progressed) => {
  if (view === "models") progressed ? models.progressed(progressed) : models.render();
  if (view === "pictures" && !progressed) pictures.render();
  if (!progressed) followLink();
});
const pictures = new Pictures(catalogue, (job) => {
  store.offer(job);
  jobs.render();
});
const models = new Models(catalogue);
const doctor = new Doctor();
const voices = new Voices();
const carry = (action: "edit" | "upscale") => (job: Job, output: Output) => {
  location.hash = "#/pictures";
  show();
  pictures.use(action, {
    id: output.id,
    job: job.id,
    url: output.url,
    name: output.filename,
    width: output.width ?? 0,
    height: output.height ?? 0,
  });
  pictures.element.scrollIntoView({ block: "nearest" });
};
const jobs = new Jobs(store, { edit: carry("edit"), upscale: carry("upscale") });

/** The part that the address names, as in #/models/flux-dev. */
const address = (): string[] => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

/** A link to a model is followed once its card is there. */
let followed = "";
function followLink(): void {
  const [part, id] = address();
  if (part !== "models" || !id || !catalogue.loaded || followed === location.hash) return;
  followed = location.hash;
  models.show(id);
}

function show(): void {
  const named = views.find((name) => name === address()[0]) ?? "queue";
  if (view === "voices" && named !== view) voices.stop();
  const entered = named !== view || !main.hasChildNodes();
  view = named;
  renderBar();
  if (link === "signed_out") return renderSignedOut();
  const parts: Record<View, HTMLElement[]> = {
    queue: [jobs.element],
    pictures: [pictures.element, jobs.element],
    voices: [voices.element],
    models: [models.element],
    doctor: [doctor.element],
  };
  main.className = view;
  if (entered) {
    followed = "";
    main.replaceChildren(...parts[view]);
    window.scrollTo(0, 0);
  }
  render(entered);
  followLink();
}

function render(entered = false): void {
  if (view === "queue" || view === "pictures") jobs.render();
  if (view === "pictures") pictures.render();
  if (view === "voices") entered ? void voices.load() : voices.render();
  if (view === "models") models.render();
  if (view === "doctor") entered ? void doctor.load() : doctor.render();
}

function renderBar(): void {
  byId("language-label").textContent = t("language");
  const status = byId("link");
  status.textContent = link === "signed_out" ? "" : t(`link.${link}`);
  status.dataset["state"] = link;
  const logout = byId("logout");
  logout.textContent = t("logout");
  logout.hidden = link === "signed_out";
  const nav = byId("nav");
  nav.hidden = link === "signed_out";
  nav.setAttribute("aria-label", t("nav"));
  for (const item of nav.querySelectorAll("a")) {
    const name = item.dataset["view"] as View;
    item.textContent = t(`nav.${name}`);
    if (name === view) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  document.title = `${t(`nav.${view}`)} · APIBR Studio`;
}

/** Ends this browser's session; a session that has ended already is not a failure. */
async function signOut(): Promise<void> {
  try {
    await api.logout();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) {
      byId("announce").textContent = sentence(error);
      return;
    }
  }
  setLink("signed_out");
}

function renderSignedOut(): void {
  main.className = "";
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
  if (message.type === "event" && message.event === "model.changed")
    return catalogue.changed(message.data as unknown as ModelChange);
  const before = message.type === "event" && message.job ? store.jobs.get(message.job.id) : undefined;
  const changed = store.apply(message);
  if (message.type === "snapshot" || message.type === "reset") {
    void refresh();
    void catalogue.load();
  }
  if (message.type === "event" && message.job && finished(message.job)) {
    if (before && !finished(before)) announce(message.job);
    void translate(message.job);
    if (view === "voices" && message.job.type === "audio.clone_voice") void voices.load();
  }
  if (changed === "all") jobs.render();
  else if (changed) {
    const job = store.jobs.get(changed);
    if (job) jobs.progressed(job);
  }
}

/** The live connection speaks the browser's language; sentences are read again in the reader's, if that is another. */
async function translate(job: Job): Promise<void> {
  if ((!job.error && !job.warnings?.length) || navigator.language.toLowerCase().slice(0, 2) === language().slice(0, 2))
    return;
  try {
    store.offer(await api.job(job.id));
    jobs.render();
  } catch {
    // the sentence stays as it is
  }
}

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
    jobs.render();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) setLink("signed_out");
  }
}

function setLink(next: LinkState): void {
  if (next === link || link === "signed_out") return; // the page comes back by being loaded again
  link = next;
  if (next === "signed_out") renderSignedOut();
  renderBar();
}

/** A picture may be dropped or pasted on the pictures page; elsewhere a dropped file must not replace the page. */
function takeFiles(): void {
  const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  const open = (): boolean => view === "pictures" && pictures.takesFiles && !document.querySelector("dialog[open]");
  window.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    event.dataTransfer!.dropEffect = open() ? "copy" : "none";
    document.body.classList.toggle("dragging", open());
  });
  window.addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dragging"));
  window.addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (!files(event)) return;
    event.preventDefault();
    if (open()) pictures.take(event.dataTransfer);
  });
  window.addEventListener("paste", (event) => {
    if (open() && event.clipboardData?.files.length && pictures.take(event.clipboardData)) event.preventDefault();
  });
}

const picker = byId("language") as HTMLSelectElement;
picker.value = language();
picker.addEventListener("change", () => {
  setLanguage(picker.value as Language);
  pictures.relabel();
  show();
  if (link !== "signed_out") {
    void refresh();
    void catalogue.load();
  }
});
setLanguage(language());
byId("logout").addEventListener("click", () => void signOut());
window.addEventListener("hashchange", show);
takeFiles();
show();
void new Live({
  message: receive,
  preview: (id, jpeg) => {
    store.setPreview(id, jpeg);
    jobs.previewed(id);
  },
  state: setLink,
}).run();
