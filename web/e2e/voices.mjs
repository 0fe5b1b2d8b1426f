// Voices and speech: samples are played, and the finished sentences of a running job are heard while the rest is made.
import assert from "node:assert/strict";

/** A text of several sentences, long enough to be listened to while it is made. */
const text = [1, 2, 3, 4, 5].map((n) => `Esta é a frase número ${n}, que diz algo sobre o tempo.`).join(" ");

async function post(studio, path, fields) {
  const response = await fetch(`${studio.base}${path}`, {
    method: "POST",
    body: JSON.stringify(fields),
    headers: { Authorization: `Bearer ${studio.token}`, "Content-Type": "application/json" },
  });
  assert(response.ok, await response.clone().text());
  return response.json();
}

async function builtinVoice(studio) {
  const response = await fetch(`${studio.base}/api/v1/audio/voices`, {
    headers: { Authorization: `Bearer ${studio.token}` },
  });
  return (await response.json()).data.find((voice) => voice.builtin && voice.language === "pt-BR");
}

export function voiceSteps(step, texts) {
  const { en, "pt-BR": pt } = texts;

  step("the voices page lists the voices in both languages", async (world) => {
    const { page, studio } = world;
    world.voice = await builtinVoice(studio);
    for (const [language, words] of Object.entries(texts)) {
      await page.selectOption("#language", language);
      await page.getByRole("link", { name: words["nav.voices"] }).click();
      await page.getByRole("heading", { name: words["voices.builtin"] }).waitFor();
      await page.getByText(words["voices.clone"]).waitFor();
    }
    const card = page.locator(`[data-voice="${world.voice.id}"]`);
    await card.getByText(world.voice.name).waitFor();
    await card.getByText(language(world.voice.language)).waitFor();
    const first = page.locator("#builtin-voices .voice").first();
    await first.getByText(/^(American |British )?English · /).waitFor(); // the reader's language comes first
  });

  step("a voice's sample is played and stopped from the keyboard", async (world) => {
    const { page, voice } = world;
    const card = page.locator(`[data-voice="${voice.id}"]`);
    const sample = page.waitForResponse((response) => response.url() === voice.preview_url);
    await card.getByRole("button", { name: en["voices.hear_of"].replace("{name}", voice.name) }).focus();
    await page.keyboard.press("Enter");
    assert.match((await sample).headers()["content-type"], /^audio\//);
    const stop = card.getByRole("button", { name: en["voices.stop_of"].replace("{name}", voice.name) });
    await stop.waitFor();
    await page.keyboard.press("Enter");
    await stop.waitFor({ state: "detached" });
    assert.equal(await page.locator(".voices .error").count(), 0);
  });

  step("finished sentences are heard from the keyboard while the rest is made", async (world) => {
    const { page, studio, voice } = world;
    await page.getByRole("link", { name: en["nav.queue"] }).click();
    const { id } = await post(studio, "/api/v1/audio/generate-speech", { text, voice_id: voice.id });
    const hear = page.locator(`#queue #hear-${id}`);
    await hear.waitFor();
    await hear.focus();
    await page.keyboard.press("Enter");
    const state = page.locator(`[data-job="${id}"] .sentences .state`);
    const at = (n) => state.filter({ hasText: new RegExp(`^${en["sentences.at"].replace("{n}", n).split("{")[0]}`) });
    await at(1).waitFor();
    assert.equal(await page.locator(`#hear-${id}`).getAttribute("aria-pressed"), "true");
    await page.selectOption("#language", "pt-BR");
    await page.getByRole("button", { name: pt["sentences.pause"], exact: true }).waitFor();
    await page.selectOption("#language", "en");
    await at(2).waitFor();
    await page.locator(`#results [data-job="${id}"][data-status="completed"]`).waitFor();
    assert(await page.locator(`#results [data-job="${id}"] audio`).count(), "the whole is there too");
    const pause = page.getByRole("button", { name: en["sentences.pause"], exact: true });
    if (await pause.count()) await pause.click(); // it may have ended by itself
    await page.reload();
    await page.locator(`#results [data-job="${id}"]`).waitFor();
    assert.equal(await page.locator(`#hear-${id}`).count(), 0, "an ended job is heard as a whole");
  });
}

const language = (tag) => new Intl.DisplayNames("en", { type: "language" }).of(tag);
