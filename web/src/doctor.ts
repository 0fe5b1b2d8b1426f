// What the doctor found on this computer: first what is wrong and what to do, then all that is well.
import { api, sentence } from "./api";
import { button, h, refill, rich } from "./dom";
import { pick, t } from "./i18n";
import type { DoctorCheck, DoctorReport } from "./types";

type Sign = "ok" | "note" | "warning" | "error";
const marks: Record<Sign, string> = { ok: "✓", note: "i", warning: "!", error: "✗" };

const signOf = (check: DoctorCheck): Sign => (check.ok ? "ok" : check.level === "ok" ? "note" : check.level);
const urgency: Sign[] = ["error", "warning", "note"];

export class Doctor {
  readonly element = h("section", { class: "doctor", "aria-labelledby": "view-title" });
  private report: DoctorReport | null = null;
  private error = "";
  private busy = false;

  /** Looks anew: what is free or plugged in changes while the page is open. */
  async load(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.render();
    try {
      this.report = await api.doctor();
      this.error = "";
    } catch (error) {
      this.error = sentence(error);
    }
    this.busy = false;
    this.render();
  }

  render(): void {
    const checks = this.report?.checks ?? [];
    const wrong = urgency.flatMap((sign) => checks.filter((check) => signOf(check) === sign));
    const well = checks.filter((check) => check.ok);
    refill(
      this.element,
      h(
        "div",
        { class: "title" },
        h("h2", { id: "view-title" }, t("doctor.title")),
        button(t("doctor.again"), () => void this.load(), { id: "doctor-again", "aria-disabled": String(this.busy) }),
      ),
      h(
        "p",
        {
          class: `summary ${this.report ? (this.report.ok ? (wrong.length ? "warning" : "good") : "error") : "hint"}`,
          role: "status",
        },
        this.summary(wrong),
      ),
      this.error && h("p", { class: "error", role: "alert" }, this.error),
      wrong.length > 0 && group("doctor-wrong", t("doctor.wrong"), wrong),
      well.length > 0 && group("doctor-well", t("doctor.well"), well),
    );
  }

  private summary(wrong: DoctorCheck[]): string {
    if (this.busy) return t("doctor.looking");
    if (!this.report) return "";
    if (!this.report.ok) return t("doctor.broken");
    return wrong.length ? t("doctor.works", { n: wrong.length }) : t("doctor.fine");
  }
}

function group(id: string, title: string, checks: DoctorCheck[]): HTMLElement {
  return h(
    "div",
    {},
    h("h3", { id: `${id}-title` }, title),
    h("ul", { class: "checks", id, "aria-labelledby": `${id}-title` }, ...checks.map(item)),
  );
}

function item(check: DoctorCheck): HTMLElement {
  const sign = signOf(check);
  const fix = pick(check.fix);
  return h(
    "li",
    { class: `check-item ${sign}`, "data-check": check.id },
    h("span", { class: "mark", "aria-hidden": "true" }, marks[sign]),
    h(
      "div",
      {},
      h("p", {}, h("span", { class: "hidden-text" }, `${t(`doctor.sign.${sign}`)}: `), ...rich(pick(check.message))),
      fix && h("p", { class: "fix" }, h("strong", {}, `${t("doctor.fix")} `), ...rich(fix)),
    ),
  );
}
