// Making, editing and enlarging pictures.
import { api, sentence } from "./api";
import type { Catalogue } from "./catalogue";
import { canMake, choice, settings, type Chosen } from "./choice";
import { button, field, h, refill, select } from "./dom";
import { t } from "./i18n";
import { MaskEditor } from "./mask";
import { pictureIn, sourceOf, sourcePicker, type Source } from "./source";
import type { Job } from "./types";

export type Action = "generate" | "edit" | "upscale";
const actions: Action[] = ["generate", "edit", "upscale"];

/** Sizes that all models take: multiples of 16 around one megapixel. */
const sizes: [string, "square" | "portrait" | "landscape" | "wide" | "small"][] = [
  ["1024x1024", "square"],
  ["832x1216", "portrait"],
  ["1216x832", "landscape"],
  ["1344x768", "wide"],
  ["512x512", "small"],
];

/** Numbers that are shown if the engine has them. */
const numbers = ["num_inference_steps", "guidance_scale", "strength", "seed"] as const;

export class Pictures {
  readonly element = h("section", { class: "form", "aria-labelledby": "view-title" });
  private action: Action = "generate";
  private source: Source | null = null;
  private mask: MaskEditor | null = null;
  private masked = false;
  private uploading = false;
  private sending = false;
  private error = "";
  private sourceError = "";
  private done = "";
  /** Whether the further settings are unfolded. */
  private opened = false;
  /** What was typed, by the names of the API; a field keeps its text while the form is made anew. */
  private readonly typed: Record<string, string> = {
    prompt: "",
    instruction: "",
    size: "1024x1024",
    num_images: "1",
    scale: "2",
    negative_prompt: "",
  };
  private readonly chosen: Record<Action, Chosen> = {
    generate: { quality: "draft", model: "" },
    edit: { quality: "draft", model: "" },
    upscale: { quality: "draft", model: "" },
  };

  constructor(
    private readonly catalogue: Catalogue,
    private readonly made: (job: Job) => void,
  ) {}

  /** Takes a picture over, as from a result. */
  use(action: Action, source: Source): void {
    this.setSource(source);
    this.open(action);
    document.getElementById(action === "edit" ? "instruction" : "scale-2")?.focus();
  }

  /** A file that was dropped or pasted anywhere; false when this form takes none now. */
  take(data: DataTransfer | null): boolean {
    const file = pictureIn(data);
    if (!file || this.action === "generate" || this.uploading) return false;
    void this.upload(file);
    return true;
  }

  get takesFiles(): boolean {
    return this.action !== "generate";
  }

  render(): void {
    refill(
      this.element,
      h("h2", { id: "view-title" }, t("pictures.title")),
      this.tabs(),
      h(
        "form",
        {
          id: "picture-form",
          role: "tabpanel",
          "aria-labelledby": `tab-${this.action}`,
          on: { submit: (event) => (event.preventDefault(), void this.send()) },
        },
        ...this.fields(),
      ),
    );
  }

  /** In another language the mask's own buttons speak it too. */
  relabel(): void {
    if (this.mask && this.source) this.mask = new MaskEditor(this.source.url, this.source, this.mask);
    this.done = this.sourceError = this.error = "";
    this.render();
  }

  private open(action: Action): void {
    this.action = action;
    this.error = this.done = "";
    this.render();
  }

  private tabs(): HTMLElement {
    const tab = (action: Action): HTMLElement =>
      button(t(`pictures.${action}`), () => this.open(action), {
        id: `tab-${action}`,
        role: "tab",
        "aria-selected": String(action === this.action),
        "aria-controls": "picture-form",
        tabindex: action === this.action ? 0 : -1,
      });
    const turn = (event: Event): void => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[(event as KeyboardEvent).key];
      if (!by) return;
      event.preventDefault();
      this.open(actions[(actions.indexOf(this.action) + by + actions.length) % actions.length]!);
      document.getElementById(`tab-${this.action}`)?.focus();
    };
    return h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": t("pictures.title"), on: { keydown: turn } },
      ...actions.map(tab),
    );
  }

  private fields(): (Node | false)[] {
    const task = `image.${this.action}`;
    const chosen = this.chosen[this.action];
    const possible = canMake(this.catalogue, task, chosen);
    return [
      ...(this.action === "generate" ? this.generateFields() : this.sourceFields()),
      choice(this.catalogue, task, chosen, () => this.render()),
      this.more(task, chosen),
      this.error !== "" && h("p", { class: "error", role: "alert" }, this.error),
      h(
        "div",
        { class: "row" },
        h(
          "button",
          {
            type: "submit",
            id: "submit",
            class: "primary",
            disabled: this.sending || !possible,
            "aria-describedby": possible ? undefined : "no-model",
          },
          t(`pictures.${this.action}.submit`),
        ),
        h("span", { class: "hint", role: "status" }, this.done),
      ),
    ].filter((part): part is HTMLElement => Boolean(part));
  }

  private generateFields(): HTMLElement[] {
    const label = ([value, name]: (typeof sizes)[number]): { value: string; label: string } => ({
      value,
      label: `${t(`size.${name}`)} · ${value.replace("x", " × ")}`,
    });
    return [
      this.text("prompt", "pictures.prompt", "pictures.prompt.example"),
      h(
        "div",
        { class: "pair" },
        field(
          t("pictures.size"),
          select(
            "size",
            this.typed["size"]!,
            [{ value: "", label: t("size.auto") }, ...sizes.map(label)],
            (value) => (this.typed["size"] = value),
          ),
        ),
        field(
          t("pictures.count"),
          select(
            "num_images",
            this.typed["num_images"]!,
            ["1", "2", "3", "4"].map((n) => ({ value: n, label: n })),
            (value) => (this.typed["num_images"] = value),
          ),
        ),
      ),
    ];
  }

  private sourceFields(): HTMLElement[] {
    if (!this.source)
      return [
        sourcePicker(
          this.uploading,
          this.sourceError,
          (file) => void this.upload(file),
          (source) => (this.setSource(source), this.render()),
        ),
      ];
    const { source } = this;
    const about = h(
      "div",
      { class: "row between" },
      h("span", { class: "hint" }, `${source.name} · ${source.width} × ${source.height}`),
      button(
        t("picture.change"),
        () => (this.setSource(null), this.render(), document.getElementById("source-button")?.focus()),
        {
          id: "change-source",
          class: "quiet",
        },
      ),
    );
    const plain = (): HTMLElement =>
      h("div", { class: "stage" }, h("img", { src: source.url, alt: t("picture.source") }));
    if (this.action === "upscale") return [plain(), about, this.scales(source)];
    const toggle = h("input", { type: "checkbox", id: "use-mask", checked: this.masked });
    toggle.addEventListener("change", () => {
      this.masked = toggle.checked;
      this.render();
    });
    if (this.masked) this.mask ??= new MaskEditor(source.url, source);
    return [
      this.masked ? this.mask!.element : plain(),
      about,
      h("label", { class: "check" }, toggle, h("span", {}, t("mask.use"), h("small", {}, t("mask.use.hint")))),
      this.text("instruction", "pictures.instruction", "pictures.instruction.example"),
    ];
  }

  private scales(source: Source): HTMLElement {
    const option = (scale: number): HTMLElement => {
      const input = h("input", {
        type: "radio",
        name: "scale",
        id: `scale-${scale}`,
        value: scale,
        checked: this.typed["scale"] === String(scale),
      });
      input.addEventListener("change", () => (this.typed["scale"] = String(scale)));
      return h(
        "label",
        { class: "option" },
        input,
        h(
          "span",
          {},
          h("strong", {}, `${scale}×`),
          h("small", {}, `${source.width * scale} × ${source.height * scale}`),
        ),
      );
    };
    return h(
      "fieldset",
      { class: "choice" },
      h("legend", {}, t("pictures.scale")),
      h("div", { class: "options" }, option(2), option(4)),
    );
  }

  private text(
    name: "prompt" | "instruction",
    label: "pictures.prompt" | "pictures.instruction",
    example: "pictures.prompt.example" | "pictures.instruction.example",
  ): HTMLElement {
    const area = h(
      "textarea",
      { id: name, rows: 3, maxlength: 4000, required: true, placeholder: t(example) },
      this.typed[name],
    );
    area.addEventListener("input", () => (this.typed[name] = area.value));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.form?.requestSubmit();
    });
    return field(t(label), area);
  }

  /** What the chosen engine can be told beside the usual. */
  private more(task: string, chosen: Chosen): HTMLElement | null {
    const known = settings(this.catalogue, task, chosen);
    const inputs: HTMLElement[] = [];
    if (known["negative_prompt"]) {
      const area = h("textarea", { id: "negative_prompt", rows: 2, maxlength: 4000 }, this.typed["negative_prompt"]);
      area.addEventListener("input", () => (this.typed["negative_prompt"] = area.value));
      inputs.push(field(t("pictures.negative_prompt"), area));
    }
    for (const name of numbers) {
      const schema = known[name];
      if (!schema || (name === "strength" && !(this.action === "edit" && this.masked))) continue;
      const input = h("input", {
        id: name,
        type: "number",
        min: schema.minimum,
        max: schema.maximum,
        step: schema.type === "integer" ? 1 : "any",
        placeholder: schema.default,
        value: this.typed[name],
        inputmode: schema.type === "integer" ? "numeric" : "decimal",
      });
      input.addEventListener("input", () => (this.typed[name] = input.value));
      inputs.push(field(t(`pictures.${name}`), input));
    }
    return inputs.length
      ? h(
          "details",
          {
            class: "more",
            open: this.opened,
            on: { toggle: (event) => (this.opened = (event.target as HTMLDetailsElement).open) },
          },
          h("summary", {}, t("pictures.more")),
          h("div", { class: "pair" }, ...inputs),
        )
      : null;
  }

  private setSource(source: Source | null): void {
    this.source = source;
    this.mask = null;
    this.masked = false;
    this.sourceError = this.error = this.done = "";
  }

  /** A picture is uploaded at once: the server knows its true size, and says at once when it cannot be read. */
  private async upload(file: File): Promise<void> {
    this.uploading = true;
    this.setSource(null);
    this.render();
    try {
      const asset = await api.upload(file);
      if (asset.kind === "image") this.setSource(sourceOf(asset));
      else this.sourceError = t("picture.none");
    } catch (error) {
      this.sourceError = sentence(error);
    }
    this.uploading = false;
    this.render();
  }

  private async send(): Promise<void> {
    if (this.sending) return;
    this.error = this.done = "";
    if (this.action !== "generate" && !this.source) {
      this.sourceError = t("picture.needed");
      return this.render();
    }
    const form = await this.form();
    if (!form) return this.render();
    this.sending = true;
    this.render();
    try {
      this.made(await api.makePicture(this.action, form));
      this.done = t("pictures.queued");
    } catch (error) {
      this.error = sentence(error);
    }
    this.sending = false;
    this.render();
  }

  private async form(): Promise<FormData | null> {
    const form = new FormData();
    const chosen = this.chosen[this.action];
    const set = (name: string, value: string | undefined): void => void (value && form.set(name, value));
    set("quality", chosen.quality);
    if (chosen.quality === "final") set("model", chosen.model);
    const known = settings(this.catalogue, `image.${this.action}`, chosen);
    for (const name of ["negative_prompt", ...numbers])
      if (known[name] && (name !== "strength" || this.masked)) set(name, this.typed[name]);
    if (this.action === "generate") {
      set("prompt", this.typed["prompt"]);
      const [width, height] = this.typed["size"]!.split("x");
      set("width", width);
      set("height", height);
      set("num_images", this.typed["num_images"]);
      return form;
    }
    set("image", this.source!.id);
    set("parent_id", this.source!.job ?? undefined);
    if (this.action === "upscale") set("scale", this.typed["scale"]);
    else {
      set("instruction", this.typed["instruction"]);
      if (this.masked) {
        const mask = await this.mask!.blob();
        if (!mask) {
          this.error = t("mask.empty");
          return null;
        }
        form.set("mask", mask, "mask.png");
      }
    }
    return form;
  }
}
