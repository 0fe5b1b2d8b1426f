// Texts in both languages. The language is the reader's last choice, else the browser's, else Portuguese.
import en from "./en.json";
import ptBR from "./pt-BR.json";
import type { Texts } from "./types";

export type Language = "pt-BR" | "en";
export type Key = keyof typeof ptBR;

const texts: Record<Language, Record<Key, string>> = { "pt-BR": ptBR, en };
const storageKey = "apibr.language";

let current: Language = initial();

function initial(): Language {
  const kept = localStorage.getItem(storageKey);
  if (kept === "en" || kept === "pt-BR") return kept;
  return navigator.language.toLowerCase().startsWith("en") ? "en" : "pt-BR";
}

export const language = (): Language => current;

export function setLanguage(next: Language): void {
  current = next;
  localStorage.setItem(storageKey, next);
  document.documentElement.lang = next;
}

/** The text of key, with {name} replaced by values. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return texts[current][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Whether a server word (a stage, a status) has a text of its own. */
export function known(key: string): key is Key {
  return key in ptBR;
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = whole >= 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole} s`;
  return parts;
}

export const time = (iso: string): string =>
  new Intl.DateTimeFormat(current, { dateStyle: "short", timeStyle: "short" }).format(new Date(iso));

export const percent = (fraction: number): string =>
  new Intl.NumberFormat(current, { style: "percent", maximumFractionDigits: 0 }).format(fraction);

/** A text that the server gives in both languages. */
export const pick = (texts: Texts): string => texts[current];

const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Bytes in the unit that suits them, as disks and downloads are counted: 1 GB is a thousand MB. */
export function bytes(count: number): string {
  const power = count < 1 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), units.length - 1);
  return new Intl.NumberFormat(current, {
    style: "unit",
    unit: units[power]!,
    unitDisplay: "short",
    maximumFractionDigits: power > 2 ? 1 : 0,
  }).format(count / 1000 ** power);
}

/** A language's name in the reader's language, as in "português (Brasil)". */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames(current, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag; // no tag of BCP 47
  }
}

export const list = (words: string[]): string => new Intl.ListFormat(current, { type: "unit" }).format(words);
