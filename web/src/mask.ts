// A mask drawn over a picture: by pointer, by keyboard or from a file. What is sent has the picture's own size, white
// where it shall change.
import { button, field, h } from "./dom";
import { t, type Key } from "./i18n";

interface Point {
  x: number;
  y: number;
}

/** What was done, in the order in which it was done: to undo is to do all but the last again. */
type Action =
  | { kind: "stroke"; erase: boolean; width: number; points: Point[] }
  | { kind: "image"; image: HTMLCanvasElement };

/** The longest edge of the canvas that is drawn on; a larger one would not be seen, and costs memory. */
const longestEdge = 1536;
const colour = "#ff2e63";

export interface Size {
  width: number;
  height: number;
}

export class MaskEditor {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly ring = h("div", { class: "ring", hidden: true });
  private readonly note = h("p", { class: "error", role: "alert" });
  private readonly undoButton: HTMLButtonElement;
  private readonly clearButton: HTMLButtonElement;
  private readonly modes: Record<"paint" | "erase", HTMLButtonElement>;
  private readonly range: HTMLInputElement;
  private actions: Action[];
  private stroke: Extract<Action, { kind: "stroke" }> | null = null;
  private erase = false;
  private at: Point;

  /** earlier is the editor of the same picture in another language: what was drawn there stays. */
  constructor(
    url: string,
    private readonly size: Size,
    earlier?: MaskEditor | null,
  ) {
    this.actions = earlier?.actions ?? [];
    const scale = Math.min(1, longestEdge / Math.max(size.width, size.height));
    this.canvas = h("canvas", {
      id: "mask-canvas",
      width: Math.max(1, Math.round(size.width * scale)),
      height: Math.max(1, Math.round(size.height * scale)),
      tabindex: 0,
      role: "application",
      "aria-label": t("mask.canvas"),
      "aria-describedby": "mask-hint",
    });
    this.at = { x: this.canvas.width / 2, y: this.canvas.height / 2 };
    this.listen();
    this.modes = {
      paint: button(t("mask.paint"), () => this.setErase(false), { id: "mask-paint" }),
      erase: button(t("mask.erase"), () => this.setErase(true), { id: "mask-erase" }),
    };
    this.undoButton = button(t("mask.undo"), () => this.undo(), { id: "mask-undo" });
    this.clearButton = button(t("mask.clear"), () => this.clear(), { id: "mask-clear" });
    this.range = h("input", {
      type: "range",
      id: "mask-size",
      min: 1,
      max: 40,
      value: 10,
      on: { input: () => this.moveRing() },
    });
    const file = h("input", { type: "file", id: "mask-file", accept: "image/*", hidden: true });
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      file.value = "";
      if (chosen) void this.take(chosen);
    });
    this.element = h(
      "div",
      { class: "mask" },
      h("div", { class: "stage" }, h("img", { src: url, alt: t("picture.source") }), this.canvas, this.ring),
      h(
        "div",
        { class: "tools", role: "group", "aria-label": t("mask") },
        h("span", { class: "joined" }, this.modes.paint, this.modes.erase),
        this.undoButton,
        this.clearButton,
        button(t("mask.upload"), () => file.click(), { id: "mask-upload" }),
        file,
      ),
      field(t("mask.size"), this.range),
      this.note,
      h("p", { class: "hint", id: "mask-hint" }, t("mask.hint")),
    );
    this.setErase(false);
    this.redraw();
  }

  /** The mask in the picture's size; null when nothing is marked. */
  async blob(): Promise<Blob | null> {
    const context = this.context();
    const { data } = context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    if (!data.some((value, i) => i % 4 === 3 && value > 0)) return null;
    const full = h("canvas", this.size as unknown as Record<string, number>);
    const out = full.getContext("2d")!;
    out.drawImage(this.canvas, 0, 0, this.size.width, this.size.height);
    out.globalCompositeOperation = "source-in";
    out.fillStyle = "#fff";
    out.fillRect(0, 0, this.size.width, this.size.height);
    out.globalCompositeOperation = "destination-over";
    out.fillStyle = "#000";
    out.fillRect(0, 0, this.size.width, this.size.height);
    return new Promise((resolve) => full.toBlob(resolve, "image/png"));
  }

  /** A mask from a file becomes what is marked; the brush goes on from there. */
  async take(file: File): Promise<void> {
    this.say("");
    let bitmap: ImageBitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return this.say("mask.unreadable");
    }
    if (bitmap.width !== this.size.width || bitmap.height !== this.size.height) {
      return this.say("mask.other_size", {
        mask: `${bitmap.width} × ${bitmap.height}`,
        picture: `${this.size.width} × ${this.size.height}`,
      });
    }
    const image = h("canvas", { width: this.canvas.width, height: this.canvas.height });
    const context = image.getContext("2d")!;
    context.drawImage(bitmap, 0, 0, image.width, image.height);
    const pixels = context.getImageData(0, 0, image.width, image.height);
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) as [
      number,
      number,
      number,
    ];
    for (let i = 0; i < pixels.data.length; i += 4) {
      const light = (pixels.data[i]! * 299 + pixels.data[i + 1]! * 587 + pixels.data[i + 2]! * 114) / 1000;
      // White or transparent is marked, as the engines read a mask.
      pixels.data.set([red, green, blue, 255 - ((255 - light) * pixels.data[i + 3]!) / 255], i);
    }
    context.putImageData(pixels, 0, 0);
    this.actions = [{ kind: "image", image }];
    this.redraw();
  }

  private say(key: Key | "", values: Record<string, string> = {}): void {
    this.note.textContent = key && t(key, values);
  }

  private context(): CanvasRenderingContext2D {
    return this.canvas.getContext("2d", { willReadFrequently: true })!;
  }

  /** Brush width in pixels of the canvas: the slider counts hundredths of the longer edge. */
  private width(): number {
    return (Number(this.range.value) / 100) * Math.max(this.canvas.width, this.canvas.height);
  }

  private setErase(erase: boolean): void {
    this.erase = erase;
    this.modes.paint.setAttribute("aria-pressed", String(!erase));
    this.modes.erase.setAttribute("aria-pressed", String(erase));
  }

  private listen(): void {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.begin(this.point(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) if (this.stroke) this.extend(this.point(one));
      this.at = this.point(event);
      this.moveRing();
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.stroke = null));
    for (const [event, shown] of [
      ["pointerenter", true],
      ["focus", true],
      ["pointerleave", false],
      ["blur", false],
    ] as const) {
      canvas.addEventListener(event, () => {
        this.ring.hidden = !shown && document.activeElement !== canvas;
        this.moveRing();
      });
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const step = steps[event.key];
    if (step) {
      const from = this.at;
      const far = Math.max(2, this.width() / 3);
      this.at = {
        x: clamp(from.x + step[0] * far, this.canvas.width),
        y: clamp(from.y + step[1] * far, this.canvas.height),
      };
      if (event.shiftKey) {
        this.begin(from);
        this.extend(this.at);
        this.stroke = null;
      }
    } else if (event.key === " ") {
      this.begin(this.at);
      this.stroke = null;
    } else if (event.key === "+" || event.key === "-") {
      this.range.value = String(Number(this.range.value) + (event.key === "+" ? 2 : -2));
    } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
    this.moveRing();
  }

  private point(event: MouseEvent): Point {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.canvas.width,
      y: ((event.clientY - box.top) / box.height) * this.canvas.height,
    };
  }

  private begin(at: Point): void {
    this.say("");
    this.stroke = { kind: "stroke", erase: this.erase, width: this.width(), points: [at] };
    this.actions.push(this.stroke);
    this.draw(this.stroke, 0);
    this.buttons();
  }

  private extend(to: Point): void {
    if (!this.stroke) return;
    this.stroke.points.push(to);
    this.draw(this.stroke, this.stroke.points.length - 2);
  }

  /** Draws a stroke from its point number `from` on; a single point is a dot. */
  private draw(action: Action, from: number): void {
    const context = this.context();
    if (action.kind === "image") return context.drawImage(action.image, 0, 0);
    context.globalCompositeOperation = action.erase ? "destination-out" : "source-over";
    context.strokeStyle = colour;
    context.lineWidth = action.width;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    const points = action.points.slice(from);
    context.moveTo(points[0]!.x, points[0]!.y);
    for (const point of points) context.lineTo(point.x, point.y);
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  private redraw(): void {
    this.context().clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const action of this.actions) this.draw(action, 0);
    this.buttons();
  }

  private undo(): void {
    this.actions.pop();
    this.redraw();
  }

  private clear(): void {
    this.say("");
    this.actions = [];
    this.redraw();
  }

  /** A button that becomes disabled would lose the focus to the page's start, so they only say that they do nothing. */
  private buttons(): void {
    for (const one of [this.undoButton, this.clearButton])
      one.setAttribute("aria-disabled", String(this.actions.length === 0));
  }

  private moveRing(): void {
    const scale = this.canvas.getBoundingClientRect().width / this.canvas.width;
    const { style } = this.ring;
    style.width = style.height = `${this.width() * scale}px`;
    style.left = `${this.at.x * scale}px`;
    style.top = `${this.at.y * scale}px`;
  }
}

const clamp = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
