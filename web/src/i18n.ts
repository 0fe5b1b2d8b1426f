// Texts in both languages. The language is the reader's last choice, else the browser's, else Portuguese.
import en from "./en.json";
import ptBR from "./pt-BR.json";

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
