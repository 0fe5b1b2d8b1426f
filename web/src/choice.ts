// Draft or final, and by which model; of models that are not there it says what to do.
import { parameters, usualVariant, type Candidate, type Catalogue, type Parameter } from "./catalogue";
import { field, h, rich, select } from "./dom";
import { bytes, pick, t } from "./i18n";
import type { Quality } from "./types";

export interface Chosen {
  quality: Quality;
  /** "" leaves it to the server. */
  model: string;
}

/** The ready candidates, one for each id. */
function ready(catalogue: Catalogue, task: string): Candidate[] {
  const all = catalogue.candidates(task).filter((c) => c.ready);
  return all.filter((c, i) => all.findIndex((other) => other.model.id === c.model.id) === i);
}

export const canMake = (catalogue: Catalogue, task: string, chosen: Chosen): boolean =>
  chosen.quality === "draft" || ready(catalogue, task).length > 0;

/** What may be set beside the usual, as far as it is known which engine answers. */
export function settings(catalogue: Catalogue, task: string, chosen: Chosen): Record<string, Parameter> {
  if (chosen.quality === "draft") return parameters(catalogue.draftEngine(task), task);
  const named = ready(catalogue, task).find((c) => c.model.id === chosen.model);
  const { seed } = parameters(ready(catalogue, task)[0]?.engine, task);
  return named ? parameters(named.engine, task) : seed ? { seed } : {};
}

export function choice(catalogue: Catalogue, task: string, chosen: Chosen, change: () => void): HTMLElement {
  const radio = (quality: Quality): HTMLElement => {
    const input = h("input", {
      type: "radio",
      name: `quality-${task}`,
      id: `quality-${quality}`,
      value: quality,
      checked: chosen.quality === quality,
    });
    input.addEventListener("change", () => {
      chosen.quality = quality;
      change();
    });
    return h(
      "label",
      { class: "option" },
      input,
      h("span", {}, h("strong", {}, t(`quality.${quality}`)), h("small", {}, t(`quality.${quality}.hint`))),
    );
  };
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, t("quality")),
    h("div", { class: "options" }, radio("draft"), radio("final")),
    chosen.quality === "final" ? finalPart(catalogue, task, chosen, change) : draftPart(catalogue, task),
  );
}

function draftPart(catalogue: Catalogue, task: string): HTMLElement | null {
  const engine = catalogue.draftEngine(task);
  return engine ? h("p", { class: "hint" }, pick(engine.description)) : null;
}

function finalPart(catalogue: Catalogue, task: string, chosen: Chosen, change: () => void): HTMLElement {
  if (!catalogue.loaded) return h("p", { class: "hint" }, catalogue.error || t("loading"));
  const usable = ready(catalogue, task);
  const missing = catalogue.candidates(task).filter((c) => !c.ready);
  if (!usable.some((c) => c.model.id === chosen.model)) chosen.model = "";
  const picked = usable.find((c) => c.model.id === chosen.model);
  const choose = (model: string): void => {
    chosen.model = model;
    change();
  };
  const options = [
    { value: "", label: t("model.auto") },
    ...usable.map((c) => ({ value: c.model.id, label: c.model.name })),
  ];
  return h(
    "div",
    { class: "stack" },
    usable.length
      ? field(t("model"), select("model", chosen.model, options, choose), picked && aboutModel(picked))
      : h("p", { class: "warning", role: "status", id: "no-model" }, t("model.none")),
    missing.length > 0 &&
      h(
        "details",
        { class: "missing", open: usable.length === 0 },
        h("summary", {}, t("model.missing", { n: missing.length })),
        h("ul", {}, ...missing.map(missingItem)),
      ),
  );
}

/** Of a model at its maker's API the engine says what is sent there, and that it is paid for. */
const aboutModel = ({ model, engine }: Candidate): HTMLElement =>
  h("p", { class: "hint" }, pick(model.description), model.needs_files ? "" : ` ${pick(engine.description)}`);

/** A model whose files are lacking is installed on the models page; else its engine says what it needs. */
function missingItem({ model, engine }: Candidate): HTMLElement {
  const size = model.variants?.find((v) => v.id === usualVariant(model))?.disk_bytes ?? 0;
  const link = h(
    "a",
    { class: "quiet", href: `#/models/${encodeURIComponent(model.id)}` },
    size ? t("model.install_of", { size: bytes(size) }) : t("model.install"),
  );
  return h(
    "li",
    {},
    h("strong", {}, model.name),
    h("p", { class: "hint" }, ...rich(model.installed ? pick(engine.install) : pick(model.description))),
    model.installed ? null : link,
  );
}
