// The question before an installation: which variant, and whether the licence is accepted.
import { api, sentence } from "./api";
import { usualVariant } from "./catalogue";
import { button, h, openDialog, refill, rich } from "./dom";
import { bytes, t, time } from "./i18n";
import type { Model } from "./types";

export function licenceLine(licence: Model["licence"]): (Node | string)[] {
  const name = licence.name || licence.id;
  const link = licence.url
    ? h(
        "a",
        { href: licence.url, target: "_blank", rel: "noopener noreferrer" },
        name,
        h("span", { class: "hidden-text" }, ` ${t("new_tab")}`),
      )
    : name;
  return [link, " · ", t(licence.commercial ? "licence.commercial" : "licence.not_commercial")];
}

/** Asks and starts the installation; a refusal stays in the dialog. Events bring the rest. */
export function askInstall(model: Model, preset: string): void {
  const { licence } = model;
  let variant = preset || usualVariant(model);
  const accept = h("input", { type: "checkbox", id: "accept", required: true });
  const note = h("p", { class: "error", role: "alert" });
  const asks = licence.accept && !licence.accepted_at;
  const option = (v: NonNullable<Model["variants"]>[number]): HTMLElement => {
    const input = h("input", {
      type: "radio",
      name: "variant",
      id: `variant-${v.id}`,
      value: v.id,
      checked: v.id === variant,
    });
    input.addEventListener("change", () => (variant = v.id));
    const words = [
      v.disk_bytes ? bytes(v.disk_bytes) : "",
      v.id === usualVariant(model) ? t("install.usual") : "",
      v.installed ? t("install.again") : "",
    ].filter(Boolean);
    return h(
      "label",
      { class: "option" },
      input,
      h("span", {}, h("strong", {}, v.id), h("small", {}, words.join(" · "))),
    );
  };
  const send = async (): Promise<void> => {
    submit.disabled = true;
    refill(note);
    try {
      await api.install(model.id, variant, asks && accept.checked);
      dialog.close();
    } catch (error) {
      refill(note, sentence(error));
      submit.disabled = false;
    }
  };
  const submit = h("button", { type: "submit", class: "primary", id: "install-yes" }, t("install.now"));
  const dialog = openDialog(
    t("install.title", { name: model.name }),
    h(
      "form",
      { on: { submit: (event) => (event.preventDefault(), void send()) } },
      (model.variants?.length ?? 0) > 1 &&
        h(
          "fieldset",
          { class: "choice" },
          h("legend", {}, t("install.variant")),
          h("div", { class: "options" }, ...model.variants!.map(option)),
          h("p", { class: "hint" }, t("install.variant.hint")),
        ),
      h("div", { class: "licence" }, h("p", {}, h("strong", {}, `${t("licence")}: `), ...licenceLine(licence))),
      licence.accept &&
        licence.accepted_at &&
        h("p", { class: "hint" }, t("licence.accepted", { time: time(licence.accepted_at) })),
      asks && h("label", { class: "check" }, accept, h("span", {}, t("licence.accept", { name: licence.name }))),
      model.gated && h("p", { class: "hint" }, ...rich(t("install.gated"))),
      note,
      h(
        "div",
        { class: "row end" },
        button(t("cancel"), () => dialog.close()),
        submit,
      ),
    ),
  );
}
