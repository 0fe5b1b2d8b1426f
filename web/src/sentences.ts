// Speech that is heard while the rest of it is made: the finished sentences one after the other.
import { api, sentence } from "./api";
import { button, h } from "./dom";
import { t } from "./i18n";
import { finished, type Job, type Segment } from "./types";

/** Plays the sentences of one job. Its sound goes on while the card around it is made anew. */
export class SentencePlayer {
  readonly element = h("div", { class: "sentences" });
  private readonly sound = new Audio();
  private readonly play: HTMLButtonElement;
  private readonly state = h("span", { class: "state" });
  private segments: Segment[] = [];
  private complete = false;
  /** Number of the sentence that is heard, or heard next. */
  private at = 0;
  private wanted = false;
  private reading = false;
  private error = "";

  constructor(
    private readonly job: string,
    /** Hears when the last sentence has been played. */
    private readonly ended: () => void,
  ) {
    this.play = button("", () => void this.toggle(), { id: `hear-${job}`, class: "quiet" });
    this.element.append(this.play, this.state);
    this.sound.addEventListener("ended", () => ((this.at += 1), void this.next()));
    this.sound.addEventListener("error", () => this.sound.getAttribute("src") && this.stop(t("sentences.gone")));
  }

  get playing(): boolean {
    return this.wanted;
  }

  /** Takes what is known of the job now: how many sentences there are, and whether it has ended. */
  follow(job: Job): void {
    const ready = job.progress_detail?.segments ?? 0;
    const news = ready > this.segments.length || (finished(job) && !this.complete);
    this.label(ready);
    if (this.wanted && news && this.sound.paused && !this.reading) void this.next();
  }

  /** The button and the state speak the language of the page. */
  label(ready = this.segments.length): void {
    this.play.textContent = t(this.wanted ? "sentences.pause" : "sentences.play");
    this.play.setAttribute("aria-pressed", String(this.wanted));
    const count = Math.max(ready, this.segments.length);
    const waits = this.wanted && this.at >= this.segments.length;
    this.state.textContent =
      this.error ||
      (waits
        ? t("sentences.waiting")
        : this.wanted
          ? t("sentences.at", { n: this.at + 1, count })
          : t(count === 1 ? "sentences.one" : "sentences.ready", { count }));
  }

  stop(error = ""): void {
    this.wanted = false;
    this.error = error;
    this.sound.pause();
    this.label();
  }

  private async toggle(): Promise<void> {
    if (this.wanted) return this.stop();
    this.wanted = true;
    this.error = "";
    if (this.sound.getAttribute("src") && !this.sound.ended) await this.begin();
    else await this.next();
  }

  /** Plays the sentence at the place reached, once it is there. */
  private async next(): Promise<void> {
    if (!this.wanted || this.reading) return;
    if (this.at >= this.segments.length && !this.complete) await this.read();
    const segment = this.segments[this.at];
    if (!this.wanted) return;
    if (segment) {
      this.sound.src = segment.url;
      await this.begin();
    } else if (this.complete) {
      this.at = 0;
      this.sound.removeAttribute("src");
      this.stop();
      this.ended();
    } else this.label();
  }

  private async begin(): Promise<void> {
    this.label();
    try {
      await this.sound.play();
    } catch (error) {
      // A pause while it was loading is not a failure.
      if (!(error instanceof DOMException && error.name === "AbortError")) this.stop(sentence(error));
    }
  }

  private async read(): Promise<void> {
    this.reading = true;
    try {
      const list = await api.segments(this.job);
      this.segments = list.data ?? [];
      this.complete = list.complete;
    } catch (error) {
      this.stop(sentence(error));
    } finally {
      this.reading = false;
    }
  }
}

/** The players of all jobs that have been listened to or can be. */
export class SentencePlayers {
  private readonly players = new Map<string, SentencePlayer>();

  constructor(private readonly ended: () => void) {}

  /** The player of a running job with finished sentences, or of one that is still heard after its job's end. */
  of(job: Job): HTMLElement | null {
    let player = this.players.get(job.id);
    const running = job.status === "processing" && (job.progress_detail?.segments ?? 0) > 0;
    if (!player && running) {
      player = new SentencePlayer(job.id, this.ended);
      this.players.set(job.id, player);
    }
    if (!player) return null;
    if (!running && !player.playing) {
      this.players.delete(job.id);
      return null;
    }
    player.follow(job);
    return player.element;
  }
}
