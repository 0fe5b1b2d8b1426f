// The picture that is edited or enlarged: from a file, by drag and drop or paste, or from earlier results.
import { api, sentence } from "./api";
import { button, h, openDialog } from "./dom";
import { t } from "./i18n";
import type { Asset } from "./types";

export interface Source {
  /** The asset's id. */
  id: string;
  /** The job that made it: the next one is a new version of that. */
  job: string | null;
  url: string;
  name: string;
  width: number;
  height: number;
}

export const sourceOf = (asset: Asset): Source => ({
  id: asset.id,
  job: asset.job_id,
  url: asset.signed_url,
  name: asset.name,
  width: asset.width ?? 0,
  height: asset.height ?? 0,
});

/** The picture among what was dropped or pasted. */
export const pictureIn = (data: DataTransfer | null): File | undefined =>
  [...(data?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? data?.files[0];

/** Where a picture is put: by a button, from the results, or dropped. */
export function sourcePicker(
  busy: boolean,
  error: string,
  file: (file: File) => void,
  earlier: (source: Source) => void,
): HTMLElement {
  const input = h("input", { type: "file", id: "source-file", accept: "image/*", hidden: true });
  input.addEventListener("change", () => {
    const chosen = input.files?.[0];
    input.value = "";
    if (chosen) file(chosen);
  });
  return h(
    "div",
    { class: "dropzone", id: "dropzone" },
    h("p", {}, busy ? t("picture.uploading") : t("picture.drop")),
    h(
      "div",
      { class: "row" },
      button(t("picture.file"), () => input.click(), { id: "source-button", disabled: busy }),
      button(t("picture.earlier"), () => void pickEarlier(earlier), { id: "earlier-button", disabled: busy }),
    ),
    input,
    error && h("p", { class: "error", role: "alert" }, error),
  );
}

/** Shows the generated pictures, newest first, a page at a time. */
async function pickEarlier(chosen: (source: Source) => void): Promise<void> {
  const grid = h("ul", { class: "thumbs" });
  const note = h("p", { class: "hint", role: "status" }, t("loading"));
  const more = button(t("picture.more"), () => void page(), { hidden: true, class: "quiet" });
  let cursor: string | null = null;
  const dialog = openDialog(
    t("picture.earlier"),
    note,
    grid,
    h(
      "div",
      { class: "row end" },
      more,
      button(t("close"), () => dialog.close()),
    ),
  );
  const page = async (): Promise<void> => {
    try {
      const answer = await api.pictures(cursor);
      cursor = answer.next_cursor;
      for (const asset of answer.data.filter((a) => a.origin === "generated")) {
        const use = (): void => {
          dialog.close();
          chosen(sourceOf(asset));
        };
        const image = h("img", { src: asset.signed_url, alt: asset.name, loading: "lazy" });
        grid.append(h("li", {}, h("button", { type: "button", on: { click: use } }, image)));
      }
      note.textContent = grid.childElementCount ? "" : t("picture.no_earlier");
      more.hidden = !cursor;
    } catch (error) {
      note.textContent = sentence(error);
    }
  };
  await page();
}
