// The voices that speech can be made in, each with a sample to listen to.
import { api, sentence } from "./api";
import { button, h, refill } from "./dom";
import { language, languageName, t } from "./i18n";
import type { Voice } from "./types";

/** Voices of the reader's own language first, then by language; the usual one of each before the others. */
function nearFirst(a: Voice, b: Voice): number {
  const far = (voice: Voice): number => Number(voice.language.slice(0, 2) !== language().slice(0, 2));
  const byLanguage = languageName(a.language).localeCompare(languageName(b.language), language());
  return (
    far(a) - far(b) ||
    byLanguage ||
    Number(b.default) - Number(a.default) ||
    a.name.localeCompare(b.name, language())
  );
}

const cloneExample = 'apibr clone gravacao.mp3 --name "Minha Voz"';

export class Voices {
  readonly element = h("section", { class: "voices", "aria-labelledby": "view-title" });
  private readonly sound = new Audio();
  private list: Voice[] = [];
  private loaded = false;
  private error = "";
  /** Id of the voice that is heard, "" for none. */
  private heard = "";

  constructor() {
    this.sound.addEventListener("ended", () => this.stop());
    this.sound.addEventListener("error", () => this.heard && this.stop(t("voices.silent")));
  }

  async load(): Promise<void> {
    this.render();
    try {
      this.list = (await api.voices()).data ?? [];
      this.loaded = true;
      this.error = "";
    } catch (error) {
      this.error = sentence(error);
    }
    this.render();
  }

  /** Ends the sample that is heard, as when another part of the page is shown. */
  stop(error = ""): void {
    this.heard = "";
    this.error = error;
    this.sound.pause();
    this.render();
  }

  render(): void {
    const own = this.list.filter((voice) => !voice.builtin);
    const builtin = this.list.filter((voice) => voice.builtin).sort(nearFirst);
    refill(
      this.element,
      h("h2", { id: "view-title" }, t("voices.title")),
      this.error !== "" && h("p", { class: "error", role: "alert" }, this.error),
      !this.loaded && !this.error && h("p", { class: "hint" }, t("loading")),
      own.length > 0 && this.group("voices.own", own, "own-voices"),
      builtin.length > 0 && this.group("voices.builtin", builtin, "builtin-voices"),
      this.loaded &&
        own.length === 0 &&
        h("div", { class: "empty" }, h("p", {}, t("voices.clone")), h("code", {}, cloneExample)),
    );
  }

  private group(title: "voices.own" | "voices.builtin", voices: Voice[], id: string): HTMLElement {
    return h(
      "section",
      { "aria-labelledby": `${id}-title` },
      h("h3", { id: `${id}-title` }, t(title)),
      h("ul", { class: "cards", id }, ...voices.map((voice) => this.card(voice))),
    );
  }

  private card(voice: Voice): HTMLElement {
    const heard = this.heard === voice.id;
    const url = voice.preview_url;
    const toggle = (): void => (heard ? this.stop() : void this.hear(voice.id, url ?? ""));
    return h(
      "li",
      { class: "card voice", "data-voice": voice.id },
      h(
        "div",
        { class: "row between" },
        h("div", { class: "who" }, h("strong", {}, voice.name), h("small", {}, this.about(voice))),
        url
          ? button(t(heard ? "voices.stop" : "voices.hear"), toggle, {
              id: `voice-${voice.id}`,
              "aria-pressed": String(heard),
              "aria-label": t(heard ? "voices.stop_of" : "voices.hear_of", { name: voice.name }),
            })
          : null,
      ),
    );
  }

  private about(voice: Voice): string {
    const parts = [languageName(voice.language)];
    if (voice.sex) parts.push(t(`voices.${voice.sex}`));
    if (voice.default) parts.push(t("voices.default"));
    if (voice.status === "pending") parts.push(t("voices.pending"));
    if (voice.status === "failed") parts.push(t("voices.failed"));
    return parts.join(" · ");
  }

  private async hear(id: string, url: string): Promise<void> {
    this.heard = id;
    this.error = "";
    this.sound.src = url;
    this.render();
    try {
      await this.sound.play();
    } catch (error) {
      // Another sample that was chosen meanwhile ends this one.
      const replaced = error instanceof DOMException && error.name === "AbortError";
      if (this.heard === id && !replaced) this.stop(sentence(error));
    }
  }
}
