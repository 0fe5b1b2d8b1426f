// The models: what is installed, what can be, and what is being done with each.
import { api, sentence } from "./api";
import { usualVariant, type Catalogue } from "./catalogue";
import { button, h, openDialog, refill, rich } from "./dom";
import { bytes, known, languageName, list, percent, pick, t, time } from "./i18n";
import { askInstall, licenceLine } from "./install";
import type { Model, ModelTask } from "./types";

const running = (task: ModelTask | null): boolean => task?.status === "queued" || task?.status === "running";
const cardId = (model: Model): string => `model-${model.engine}-${model.id}`;

export class Models {
  readonly element = h("section", { class: "models", "aria-labelledby": "view-title" });
  /** What an action on a model was refused with, by its card. */
  private readonly refused = new Map<string, string>();

  constructor(private readonly catalogue: Catalogue) {}

  /** Brings the model's card into view, for a link that names it. */
  show(id: string): void {
    const model = this.catalogue.models.find((m) => m.id === id && m.needs_files);
    const card = model && document.getElementById(cardId(model));
    card?.scrollIntoView({ block: "start" });
    card?.focus({ preventScroll: true });
  }

  render(): void {
    const { catalogue } = this;
    const groups: [string, Model[]][] = [
      [t("models.installed"), catalogue.models.filter((m) => m.needs_files && m.installed)],
      [t("models.available"), catalogue.models.filter((m) => m.needs_files && !m.installed)],
      [t("models.ready"), catalogue.models.filter((m) => !m.needs_files)],
    ];
    refill(
      this.element,
      h("h2", { id: "view-title" }, t("models.title")),
      catalogue.error && h("p", { class: "error", role: "alert" }, catalogue.error),
      !catalogue.loaded && !catalogue.error && h("p", { class: "empty", role: "status" }, t("loading")),
      ...groups
        .filter(([, models]) => models.length)
        .map(([title, models]) =>
          h("div", {}, h("h3", {}, title), h("ul", { class: "cards" }, ...models.map((m) => this.card(m)))),
        ),
    );
  }

  /** Changes only what a running task changes, so that buttons keep their focus. */
  progressed(model: Model): void {
    const area = document.getElementById(cardId(model))?.querySelector(".task");
    const bar = area?.querySelector("progress");
    const state = area?.querySelector(".state");
    if (!bar || !state || !model.task) return this.render();
    bar.value = model.task.progress;
    state.textContent = taskLine(model, model.task);
  }

  private card(model: Model): HTMLElement {
    const engine = this.catalogue.engine(model.engine);
    const blocked = model.installed && engine && !engine.installed;
    const state = !model.needs_files
      ? blocked
        ? "model.blocked"
        : "model.no_files"
      : model.installed
        ? "model.installed"
        : "model.not_installed";
    const refused = this.refused.get(cardId(model));
    return h(
      "li",
      {
        class: "card model",
        id: cardId(model),
        "data-model": model.id,
        "data-installed": String(model.installed),
        tabindex: -1,
        "aria-labelledby": `${cardId(model)}-name`,
      },
      h(
        "div",
        { class: "heading" },
        h("strong", { id: `${cardId(model)}-name` }, model.name),
        model.pinned && h("span", { class: "badge" }, t("model.pinned")),
        h("span", { class: `badge status ${model.installed && !blocked ? "completed" : ""}` }, t(state)),
      ),
      h("p", { class: "about" }, pick(model.description) || (engine ? pick(engine.description) : "")),
      this.facts(model),
      model.needs_files && (model.variants?.length ?? 0) > 0 && variants(model),
      blocked && h("p", { class: "warning" }, ...rich(pick(engine.install))),
      model.task && taskArea(model, model.task, () => void this.act(model, () => api.cancelModel(model.id))),
      refused && h("p", { class: "error", role: "alert" }, refused),
      model.needs_files && this.buttons(model),
    );
  }

  private facts(model: Model): HTMLElement {
    const row = (name: string, ...value: (Node | string)[]): Node[] => [h("dt", {}, name), h("dd", {}, ...value)];
    const uses = (model.tasks ?? []).map((task) =>
      known(`type.${task}`) ? t(`type.${task}` as "type.image.edit") : task,
    );
    const languages = model.languages ?? [];
    const named = languages.slice(0, 4).map(languageName);
    if (languages.length > 4) named.push(t("model.languages_more", { n: languages.length - 4 }));
    return h(
      "dl",
      { class: "facts" },
      ...row(t("model.uses"), list(uses)),
      ...(languages.length ? row(t("model.languages"), list(named)) : []),
      ...(model.licence.name || model.licence.url ? row(t("licence"), ...licenceLine(model.licence)) : []),
      ...(model.size_bytes ? row(t("model.disk"), bytes(model.size_bytes)) : []),
      ...(model.source
        ? row(t("model.source"), model.source === "import" ? t("model.source.import") : t("model.source.hub"))
        : []),
      ...(model.last_used_at && model.installed ? row(t("model.used"), time(model.last_used_at)) : []),
    );
  }

  private buttons(model: Model): HTMLElement {
    const { task } = model;
    const id = (what: string): { id: string } => ({ id: `${what}-${model.id}` });
    const variant = task?.kind === "install" && task.status === "failed" ? task.variant : "";
    const install = (label: string, attributes: Record<string, string>, preset = variant): HTMLElement =>
      button(label, () => askInstall(model, preset), { ...id("install"), ...attributes });
    const faulty = task?.kind === "verify" && (task.faults?.length ?? 0) > 0;
    const left =
      task?.kind === "install" &&
      !model.installed &&
      (task.status === "canceled" || task.status === "failed") &&
      task.done_bytes > 0;
    if (running(task)) return h("div", { class: "row" });
    return h(
      "div",
      { class: "row" },
      !model.installed &&
        install(
          variant || left ? t("model.continue") : t("model.install"),
          { class: "primary" },
          task?.kind === "install" ? task.variant : "",
        ),
      faulty &&
        button(t("model.repair"), () => askInstall(model, model.variants?.find((v) => v.installed)?.id ?? ""), {
          ...id("repair"),
          class: "primary",
        }),
      model.installed && model.variants?.some((v) => !v.installed) && install(t("model.install_other"), {}),
      model.installed &&
        button(t("model.verify"), () => void this.act(model, () => api.verify(model.id)), id("verify")),
      model.installed &&
        button(
          t(model.pinned ? "model.unpin" : "model.pin"),
          () => void this.act(model, () => api.pin(model.id, !model.pinned)),
          {
            ...id("pin"),
            title: t("model.pin.hint"),
          },
        ),
      (model.installed || left) &&
        button(t(model.installed ? "model.remove" : "model.discard"), () => this.askRemove(model), {
          ...id("remove"),
          class: "danger",
        }),
    );
  }

  private askRemove(model: Model): void {
    const remove = (): void => {
      dialog.close();
      void this.act(model, () => api.removeModel(model.id));
    };
    const question = model.installed
      ? t("model.remove.sure", { name: model.name, size: bytes(model.size_bytes) })
      : t("model.discard.sure", { name: model.name });
    const dialog = openDialog(
      t(model.installed ? "model.remove" : "model.discard"),
      h("p", {}, question),
      h(
        "div",
        { class: "row end" },
        button(t("keep"), () => dialog.close(), { id: "keep", autofocus: true }),
        button(t("model.remove"), remove, { class: "danger", id: "remove-yes" }),
      ),
    );
  }

  /** Does it and reads the list: the event that follows may come before or after the answer. */
  private async act(model: Model, call: () => Promise<unknown>): Promise<void> {
    this.refused.delete(cardId(model));
    try {
      await call();
    } catch (error) {
      this.refused.set(cardId(model), sentence(error));
    }
    await this.catalogue.load();
  }
}

function variants(model: Model): HTMLElement {
  const chip = (v: NonNullable<Model["variants"]>[number]): HTMLElement =>
    h(
      "li",
      { class: v.installed ? "chip on" : "chip" },
      v.installed && h("span", { "aria-hidden": "true" }, "✓ "),
      v.id,
      v.disk_bytes > 0 && ` · ${bytes(v.disk_bytes)}`,
      v.installed && h("span", { class: "hidden-text" }, ` (${t("model.installed")})`),
    );
  return h("ul", { class: "chips", "aria-label": t("model.variants") }, ...(model.variants ?? []).map(chip));
}

function taskLine(model: Model, task: ModelTask): string {
  const variant = task.variant || usualVariant(model);
  const of =
    task.total_bytes > 0
      ? t("task.of", { done: bytes(task.done_bytes), total: bytes(task.total_bytes), percent: percent(task.progress) })
      : "";
  const what =
    task.status === "queued"
      ? t("task.queued")
      : task.kind === "install"
        ? t("task.install", { variant })
        : t("task.verify");
  return [what, of].filter(Boolean).join(" · ");
}

/** What is being done with the model, or how the last of it ended. */
function taskArea(model: Model, task: ModelTask, cancel: () => void): HTMLElement | null {
  if (running(task)) {
    return h(
      "div",
      { class: "task", "data-status": task.status },
      h("progress", { max: 1, value: task.progress, "aria-label": t("job.progress", { what: model.name }) }),
      h(
        "div",
        { class: "foot" },
        h("span", { class: "state" }, taskLine(model, task)),
        button(t("job.cancel"), cancel, { id: `cancel-${model.id}` }),
      ),
    );
  }
  const faults = task.faults ?? [];
  if (task.error)
    return h("p", { class: "error task", role: "alert", "data-status": task.status }, ...rich(task.error.detail));
  if (faults.length) {
    return h(
      "div",
      { class: "error task", role: "alert", "data-status": task.status },
      h("p", {}, t("task.faults", { n: faults.length })),
      h("ul", {}, ...faults.slice(0, 10).map((fault) => h("li", {}, `${fault.path}: ${t(`fault.${fault.why}`)}`))),
    );
  }
  if (task.status === "canceled" && !model.installed)
    return h("p", { class: "hint task", "data-status": task.status }, t("task.canceled"));
  if (task.kind === "verify" && task.status === "completed")
    return h(
      "p",
      { class: "good task", "data-status": task.status },
      t("task.verified", { time: time(task.ended_at ?? task.created_at) }),
    );
  return null;
}
