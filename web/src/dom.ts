// Building elements without innerHTML: text stays text, whatever a name or prompt holds.
type Child = Node | string | null | undefined | false;

type Handlers = Record<string, (event: Event) => void>;
type Attributes = Record<string, string | number | boolean | undefined | Handlers>;

/** An element with attributes (`on` holds event handlers) and children; false and null children are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "object") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else if (value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/** Replaces the content; the focused element gets its focus and selection back, if its id is there again. */
export function refill(container: Element, ...children: Child[]): void {
  const active = document.activeElement;
  const id = active && container.contains(active) ? active.id : "";
  const text =
    active instanceof HTMLTextAreaElement || (active instanceof HTMLInputElement && active.type === "text")
      ? active
      : null;
  const selection: [number | null, number | null] | null = text && [text.selectionStart, text.selectionEnd];
  container.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
  if (!id) return;
  const again = document.getElementById(id);
  again?.focus({ preventScroll: true });
  if (selection && (again instanceof HTMLTextAreaElement || again instanceof HTMLInputElement))
    again.setSelectionRange(...selection);
}

/** A sentence of the server in which `commands` stand between backticks. */
export function rich(text: string): (Node | string)[] {
  return text.split("`").map((part, i) => (i % 2 ? h("code", { class: "inline" }, part) : part));
}

export function button(label: string, click: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", ...attributes, on: { click } }, label);
}

/** A label with its control below it. */
export function field(label: string, control: HTMLElement, ...hints: Child[]): HTMLElement {
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, ...hints);
}

export function select(
  id: string,
  value: string,
  options: { value: string; label: string; disabled?: boolean }[],
  change: (value: string) => void,
): HTMLSelectElement {
  const element = h(
    "select",
    { id },
    ...options.map((o) => h("option", { value: o.value, disabled: o.disabled }, o.label)),
  );
  element.value = value;
  element.addEventListener("change", () => change(element.value));
  return element;
}

/** A modal dialog that removes itself; the focus goes back, also to an element that was made anew meanwhile. */
export function openDialog(title: string, ...content: Child[]): HTMLDialogElement {
  const before = document.activeElement;
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, ...content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    const target = before?.isConnected ? before : before?.id && document.getElementById(before.id);
    if (target instanceof HTMLElement) target.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
