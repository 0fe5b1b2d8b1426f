// The queue as it lives and the results as they come.
import { api, sentence } from "./api";
import { activeCard, resultCard, updatePreview, updateProgress, type CardActions } from "./cards";
import { button, h, refill } from "./dom";
import { language, t, type Language } from "./i18n";
import { SentencePlayers } from "./sentences";
import type { Store } from "./store";
import type { Job } from "./types";

const cliExample = 'apibr avatar --image foto.jpg --voice "Minha Voz" --script "Olá!" -o avatar.mp4';

/** A card with what it shows. */
interface Kept {
  job: Job;
  language: Language;
  heard: HTMLElement | null;
  card: HTMLElement;
}

export class Jobs {
  readonly element = h("div", { class: "jobs" });
  private notice = "";
  /** Result cards are kept while what they show is unchanged, so that another job's end does not stop a video. */
  private readonly kept = new Map<string, Kept>();
  private readonly actions: CardActions;
  private readonly heard = new SentencePlayers(() => this.render());

  constructor(
    private readonly store: Store,
    carry: Pick<CardActions, "edit" | "upscale">,
  ) {
    this.actions = {
      ...carry,
      cancel: (job) => void this.act(() => api.cancel(job.id)),
      retry: (job) => void this.act(() => api.retry(job.id)),
    };
  }

  render(): void {
    const { store } = this;
    const active = store.active();
    const ended = store.ended();
    refill(
      this.element,
      this.notice && h("p", { class: "error", role: "alert" }, this.notice),
      store.paused && h("p", { class: "warning", role: "status" }, store.pausedMessage || t("queue.paused")),
      h(
        "section",
        { "aria-labelledby": "queue-title" },
        h(
          "div",
          { class: "title" },
          h("h2", { id: "queue-title" }, t("queue.title")),
          button(t(store.paused ? "queue.resume" : "queue.pause"), () => void this.togglePause(), {
            id: "pause",
            class: "quiet",
          }),
        ),
        active.length
          ? h(
              "ul",
              { class: "cards", id: "queue" },
              ...active.map((job) => activeCard(job, store.previews.get(job.id), this.heard.of(job), this.actions)),
            )
          : h(
              "div",
              { class: "empty" },
              h("p", {}, t("queue.empty")),
              h("p", { class: "suggestion" }, h("a", { href: "#/pictures" }, t("queue.start")), ` ${t("queue.hint")}`),
              h("code", { class: "suggestion" }, cliExample),
            ),
      ),
      h(
        "section",
        { "aria-labelledby": "results-title" },
        h("h2", { id: "results-title" }, t("results.title")),
        ended.length
          ? h("ul", { class: "cards", id: "results" }, ...this.results(ended))
          : h("p", { class: "empty" }, t("results.empty")),
      ),
    );
  }

  progressed(job: Job): void {
    const card = this.cardOf(job.id);
    if (!card) return;
    updateProgress(card, job);
    const heard = this.heard.of(job);
    if (heard && !heard.isConnected) card.querySelector("progress")?.after(heard);
  }

  previewed(id: string): void {
    const card = this.cardOf(id);
    const url = this.store.previews.get(id);
    if (card && url) updatePreview(card, url);
  }

  private cardOf(id: string): Element | null {
    return this.element.querySelector(`[data-job="${CSS.escape(id)}"]`);
  }

  private results(jobs: Job[]): HTMLElement[] {
    const words = (job: Job): string => JSON.stringify([job.status, job.attempt, job.error, job.warnings]);
    return jobs.map((job) => {
      const old = this.kept.get(job.id);
      const heard = this.heard.of(job);
      const same = old && old.language === language() && words(old.job) === words(job);
      if (same && old.heard === heard) return old.card;
      const card = resultCard(job, heard, this.actions);
      this.kept.set(job.id, { job, language: language(), heard, card });
      return card;
    });
  }

  private async act(call: () => Promise<Job>): Promise<void> {
    await this.attempt(async () => this.store.offer(await call()));
  }

  private async togglePause(): Promise<void> {
    await this.attempt(async () => void (this.store.paused = (await api.setPaused(!this.store.paused)).paused));
  }

  private async attempt(call: () => Promise<void>): Promise<void> {
    try {
      await call();
      this.notice = "";
    } catch (error) {
      this.notice = t("failed.action", { detail: sentence(error) });
    }
    this.render();
  }
}
