// Building elements without innerHTML: text stays text, whatever a name or prompt holds.
type Child = Node | string | null | undefined | false;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Partial<Record<string, string | number | boolean>> & { on?: Record<string, (event: Event) => void> } = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on" || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, handler] of Object.entries(attributes.on ?? {})) element.addEventListener(event, handler);
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}
