// Pictures: made, edited with a mask, enlarged; from a result, a file, and by drag and drop.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The newest result of a kind that has ended well. */
const done = (page, type) =>
  page
    .locator('#results [data-status="completed"]', {
      has: page.locator("strong", { hasText: new RegExp(`^${type}$`) }),
    })
    .first();

const decoded = (image) =>
  image.evaluate(async (element) => {
    await element.decode();
    return [element.naturalWidth, element.naturalHeight];
  });

/** The mean difference between the colours (0 to 255) of a part of a picture; 0 is grey. x and y are shares of it. */
const colourAt = (image, x, y) =>
  image.evaluate(
    async (element, [x, y]) => {
      await element.decode();
      const canvas = Object.assign(document.createElement("canvas"), {
        width: element.naturalWidth,
        height: element.naturalHeight,
      });
      const context = canvas.getContext("2d");
      context.drawImage(element, 0, 0);
      const { data } = context.getImageData(canvas.width * x - 2, canvas.height * y - 2, 4, 4);
      let sum = 0;
      for (let i = 0; i < data.length; i += 4)
        sum += Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
      return sum / (data.length / 4);
    },
    [x, y],
  );

/** Drags the brush over the canvas; the points are shares of its size. */
async function brush(page, points) {
  const canvas = page.locator("#mask-canvas");
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  for (const [i, [x, y]] of points.entries()) {
    await page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 4 });
    if (i === 0) await page.mouse.down();
  }
  await page.mouse.up();
}

/** A black PNG with a white rectangle: left, top, width and height as shares of its size. */
async function blackWithWhite(page, width, height, [x, y, w, h]) {
  const url = await page.evaluate(
    ([width, height, x, y, w, h]) => {
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d");
      context.fillRect(0, 0, width, height);
      context.fillStyle = "#fff";
      context.fillRect(x * width, y * height, w * width, h * height);
      return canvas.toDataURL("image/png");
    },
    [width, height, x, y, w, h],
  );
  return { name: "mask.png", mimeType: "image/png", buffer: Buffer.from(url.split(",")[1], "base64") };
}

async function dropFile(page, selector, file, name) {
  const transfer = await page.evaluateHandle(
    ([bytes, name]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: "image/png" }));
      return data;
    },
    [readFileSync(file).toString("base64"), name],
  );
  for (const type of ["dragover", "drop"]) await page.dispatchEvent(selector, type, { dataTransfer: transfer });
}

export function pictureSteps(step, texts, root) {
  const { en, "pt-BR": pt } = texts;
  const portrait = join(root, "samples/portrait.png");

  step("final quality says what is not installed and what to do, in both languages", async ({ page }) => {
    for (const [language, text] of Object.entries(texts)) {
      await page.selectOption("#language", language);
      await page.getByRole("link", { name: text["nav.pictures"] }).click();
      await page.getByRole("radio", { name: text["quality.final"] }).check();
      await page.getByText(text["model.none"]).waitFor();
      assert(await page.locator("#submit").isDisabled());
      const missing = page.locator(".missing li", { hasText: "FLUX.1 [dev]" });
      assert.match(await missing.getByRole("link").innerText(), language === "en" ? /18\.2 GB/ : /18,2 GB/);
      await page
        .locator(".missing li", { hasText: language === "en" ? "Set engines.bfl.key" : "Defina engines.bfl.key" })
        .waitFor();
      await page.getByRole("radio", { name: text["quality.draft"] }).check();
    }
  });

  step("a picture is made from the page", async ({ page }) => {
    await page.selectOption("#language", "pt-BR");
    await page.getByLabel(pt["pictures.prompt"]).fill("retrato de uma mulher sorrindo");
    await page.getByLabel(pt["pictures.size"]).selectOption("512x512");
    await page.getByRole("button", { name: pt["pictures.generate.submit"], exact: true }).click();
    await page.getByText(pt["pictures.queued"]).waitFor();
    const image = done(page, pt["type.image.generate"]).locator("img");
    assert.deepEqual(await decoded(image), [512, 512]);
  });

  step("it is carried over and edited with a mask: only what is marked changes", async ({ page }) => {
    await done(page, pt["type.image.generate"]).getByRole("button", { name: pt["picture.edit"] }).click();
    assert(
      await page.locator("#instruction").evaluate((element) => element === document.activeElement),
      "the next thing to fill has the focus",
    );
    await page.getByLabel(pt["mask.use"]).check();
    await page.getByLabel(pt["pictures.instruction"]).fill("preto e branco");
    await page.locator("#submit").click();
    await page.getByText(pt["mask.empty"]).waitFor(); // an empty mask does not count
    await brush(page, [
      [0.05, 0.3],
      [0.05, 0.7],
    ]);
    await page.getByRole("button", { name: pt["mask.clear"] }).click();
    await brush(page, [
      [0.05, 0.3],
      [0.05, 0.5],
      [0.05, 0.7],
    ]);
    await brush(page, [[0.95, 0.5]]);
    await page.getByRole("button", { name: pt["mask.undo"] }).click();
    await page.locator("#submit").click();
    const card = done(page, pt["type.image.edit"]);
    await card.waitFor();
    const image = card.locator("img");
    assert((await colourAt(image, 0.05, 0.5)) < 2, "grey where it was marked");
    assert((await colourAt(image, 0.95, 0.5)) > 20, "coloured where it was not");
    const job = await card.getAttribute("data-job");
    const { input, parent_id } = await page.evaluate(async (id) => (await fetch(`/api/v1/jobs/${id}`)).json(), job);
    assert.equal(input.instruction, "preto e branco");
    assert.ok(parent_id, "it is a version of the picture that it was made from");
  });

  step("a mask from the keyboard, in English, and one of another size is refused", async ({ page }) => {
    await page.selectOption("#language", "en");
    assert(await page.getByLabel(en["mask.use"]).isChecked(), "the other language leaves the work as it is");
    await page.getByRole("button", { name: en["mask.clear"] }).click();
    await page.locator("#mask-file").setInputFiles(await blackWithWhite(page, 300, 200, [0, 0, 1, 1]));
    await page.getByRole("alert").getByText("300 × 200").waitFor();
    await page.locator("#mask-canvas").focus();
    for (let i = 0; i < 30; i++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    await page.keyboard.press("Shift+ArrowUp");
    await page.getByLabel(en["pictures.instruction"]).fill("black and white");
    const before = await page.locator('#results > [data-status="completed"]').count();
    await page.locator("#instruction").press("Control+Enter");
    await page.waitForFunction(
      (n) => document.querySelectorAll('#results > [data-status="completed"]').length > n,
      before,
    );
    const image = done(page, en["type.image.edit"]).locator("img");
    assert((await colourAt(image, 0.98, 0.5)) < 2, "grey where the keyboard painted");
    assert((await colourAt(image, 0.02, 0.5)) > 20, "coloured elsewhere");
  });

  step("a mask that is uploaded marks what is white in it", async ({ page }) => {
    await done(page, en["type.image.generate"]).getByRole("button", { name: en["picture.edit"] }).click();
    await page.getByLabel(en["mask.use"]).check();
    await page.locator("#mask-file").setInputFiles(await blackWithWhite(page, 512, 512, [0, 0, 0.5, 1]));
    await page.waitForFunction(() => document.querySelector("#mask-undo").ariaDisabled === "false");
    const before = await page.locator('#results > [data-status="completed"]').count();
    await page.locator("#submit").click();
    await page.waitForFunction(
      (n) => document.querySelectorAll('#results > [data-status="completed"]').length > n,
      before,
    );
    const image = done(page, en["type.image.edit"]).locator("img");
    assert((await colourAt(image, 0.02, 0.5)) < 2, "grey where the mask is white");
    assert((await colourAt(image, 0.98, 0.5)) > 20, "coloured where it is black");
  });

  step("a picture that is dropped is enlarged twice, and its result four times", async ({ page }) => {
    await page.getByRole("tab", { name: en["pictures.upscale"] }).click();
    await page.getByRole("button", { name: en["picture.change"] }).click();
    await dropFile(page, "#dropzone", portrait, "portrait.png");
    const source = await decoded(page.locator(".stage img"));
    await page.getByText(`${source[0] * 2} × ${source[1] * 2}`).waitFor();
    await page.locator("#submit").click();
    const image = done(page, en["type.image.upscale"]).locator("img");
    assert.deepEqual(
      await decoded(image),
      source.map((edge) => edge * 2),
    );

    await page.getByRole("button", { name: en["picture.change"] }).click();
    await page.getByRole("button", { name: en["picture.earlier"] }).click();
    await page.locator("dialog .thumbs button").last().click(); // the oldest: 512 x 512
    await page.getByLabel("4×").check();
    await page.locator("#submit").click();
    await page.waitForFunction(() => document.querySelector("#results img")?.naturalWidth === 2048);
  });

  step("a file that is not a picture is refused in the reader's language", async ({ page }) => {
    await page.selectOption("#language", "pt-BR");
    await page.getByRole("button", { name: pt["picture.change"] }).click();
    await page
      .locator("#source-file")
      .setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    const portuguese = await page.locator("#dropzone [role=alert]").innerText();
    await page.selectOption("#language", "en");
    await page
      .locator("#source-file")
      .setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    const english = page.locator("#dropzone [role=alert]");
    await english.waitFor();
    assert.notEqual(await english.innerText(), portuguese);
    assert.match(portuguese, /arquivo|imagem/);
  });
}
