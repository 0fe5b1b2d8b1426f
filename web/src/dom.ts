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
