// Models from a hub of this machine, and the doctor's report.
import assert from "node:assert/strict";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export function modelSteps(step, texts) {
  const { en, "pt-BR": pt } = texts;
  const card = (page) => page.locator('[data-model="portrait"]');

  step("the models are listed with size and licence, in both languages", async ({ page }) => {
    for (const [language, text] of Object.entries(texts)) {
      await page.selectOption("#language", language);
      await page.getByRole("link", { name: text["nav.models"] }).click();
      await card(page).getByText(text["model.not_installed"]).waitFor();
      await card(page)
        .getByText(language === "en" ? "Only portraits." : "Só retratos.")
        .waitFor();
      await card(page).getByText(text["licence.not_commercial"]).waitFor();
      assert.equal(await card(page).getByRole("link").getAttribute("href"), "https://example.org/licence");
      await card(page).getByText("Q4 · 8 MB").waitFor();
      await page.locator('[data-model="flux-kontext"]', { hasText: text["model.not_installed"] }).waitFor();
    }
  });

  step(
    "a model is installed once its licence is accepted; the bar moves, and the download is canceled",
    async ({ page }) => {
      await page.selectOption("#language", "pt-BR");
      await card(page).getByRole("button", { name: pt["model.install"] }).click();
      const dialog = page.getByRole("dialog", { name: pt["install.title"].replace("{name}", "Portrait Model") });
      await dialog.getByRole("button", { name: pt["install.now"] }).click();
      assert(await dialog.locator("#accept").evaluate((box) => box.matches(":invalid")), "not without the licence");
      await dialog.getByRole("checkbox").check();
      await dialog.getByRole("button", { name: pt["install.now"] }).click();
      await dialog.waitFor({ state: "detached" });
      await page.waitForFunction(() => (document.querySelector('[data-model="portrait"] progress')?.value ?? 0) > 0.3);
      assert.match(await card(page).locator(".state").innerText(), /baixando Q4 · .+ MB de 8 MB \(\d+%\)/);
      await card(page).getByRole("button", { name: pt["job.cancel"] }).click();
      await card(page).getByText(pt["task.canceled"]).waitFor();
    },
  );

  step("it goes on from there, without asking for the licence again", async ({ page, hub }) => {
    hub.openLine();
    await card(page).getByRole("button", { name: pt["model.continue"] }).click();
    const dialog = page.getByRole("dialog");
    assert.equal(await dialog.locator("#accept").count(), 0);
    await dialog.getByRole("button", { name: pt["install.now"] }).click();
    await page.locator('[data-model="portrait"][data-installed="true"]').waitFor();
  });

  step("a check finds a damaged file, and the repair brings it again", async ({ page, studio }) => {
    const folder = join(studio.dir, "models", "portrait");
    const file = readdirSync(folder, { recursive: true })
      .map((name) => join(folder, name))
      .find((name) => name.endsWith(".safetensors"));
    writeFileSync(file, Buffer.alloc(statSync(file).size, "damaged"));
    await card(page).getByRole("button", { name: pt["model.verify"] }).click();
    await card(page).getByRole("alert").getByText(pt["fault.content"]).waitFor();
    await card(page).getByRole("button", { name: pt["model.repair"] }).click();
    await page.getByRole("dialog").getByRole("button", { name: pt["install.now"] }).click();
    await card(page).locator(".task").waitFor({ state: "detached" });
    await card(page).getByRole("button", { name: pt["model.verify"] }).click();
    await card(page).locator('.good[data-status="completed"]').waitFor();
  });

  step("it is pinned and let go, and removed only after a question", async ({ page }) => {
    await card(page).getByRole("button", { name: pt["model.pin"] }).click();
    await card(page).getByText(pt["model.pinned"], { exact: true }).waitFor();
    await card(page).getByRole("button", { name: pt["model.unpin"] }).click();
    await card(page).getByText(pt["model.pinned"], { exact: true }).waitFor({ state: "detached" });
    const remove = card(page).getByRole("button", { name: pt["model.remove"] });
    await remove.click();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert(await remove.evaluate((element) => element === document.activeElement), "the focus is back");
    assert.equal(await card(page).getAttribute("data-installed"), "true");
    await remove.click();
    await page.getByRole("dialog").getByRole("button", { name: pt["model.remove"] }).click();
    await page.locator('[data-model="portrait"][data-installed="false"]').waitFor();
  });

  step("a refusal of the hub is said in the reader's language, and again in the other", async ({ page, hub }) => {
    hub.gated = true;
    await card(page).getByRole("button", { name: pt["model.install"] }).click();
    await page.getByRole("dialog").getByRole("button", { name: pt["install.now"] }).click();
    await card(page).getByRole("alert").getByText("só é entregue a quem aceitou a licença").waitFor();
    await page.selectOption("#language", "en");
    await card(page).getByRole("alert").getByText("is given only to those who accepted its licence").waitFor();
  });

  step("the doctor tells of this computer, in both languages", async ({ page }) => {
    const answer = await page.evaluate(async () => (await fetch("/api/v1/doctor")).json());
    for (const [language, text] of Object.entries(texts)) {
      await page.selectOption("#language", language);
      await page.getByRole("link", { name: text["nav.doctor"] }).click();
      await page
        .locator('[data-check="memory"]', { hasText: language === "en" ? "of memory" : "de memória" })
        .waitFor();
      assert.equal(await page.locator("[data-check]").count(), answer.checks.length);
      for (const check of answer.checks.filter((c) => !c.ok)) {
        const item = page.locator(`#doctor-wrong [data-check="${check.id}"]`);
        assert.ok((await item.innerText()).includes(text["doctor.fix"]), `${check.id} says what to do`);
      }
      const again = page.getByRole("button", { name: text["doctor.again"] });
      const looked = page.waitForResponse("**/api/v1/doctor");
      await again.click();
      await looked;
      await page.locator('[data-check="memory"]').waitFor();
    }
  });

  step("at 375 pixels nothing is wider than the page, in both languages, light and dark", async ({ page }) => {
    const size = page.viewportSize();
    await page.setViewportSize({ width: 375, height: 812 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const [language, text] of Object.entries(texts)) {
        await page.selectOption("#language", language);
        for (const view of ["queue", "pictures", "models", "doctor"]) {
          await page.getByRole("link", { name: text[`nav.${view}`], exact: true }).click();
          await page.locator(`#nav [data-view="${view}"][aria-current="page"]`).waitFor();
          assert.equal(
            await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
            0,
            `${view} in ${language}`,
          );
        }
      }
    }
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: null });
  });

  step("every control has a name", async ({ page }) => {
    for (const view of ["queue", "pictures", "models", "doctor"]) {
      await page.locator(`#nav [data-view="${view}"]`).click();
      const nameless = await page.evaluate(() =>
        [
          ...document.querySelectorAll(
            "main button, main a, main input:not([hidden]), main select, main textarea, main canvas",
          ),
        ]
          .filter((element) => {
            const labels = [...(element.labels ?? [])].map((label) => label.textContent).join("");
            return !(element.getAttribute("aria-label") || labels || element.textContent).trim();
          })
          .map((element) => element.outerHTML),
      );
      assert.deepEqual(nameless, [], view);
    }
  });
}
