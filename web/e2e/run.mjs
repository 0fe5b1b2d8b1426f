// Drives the embedded page in a real Chromium against a real studio: sign in, follow a job, reload, restart, play;
// then pictures, models and the doctor. Every wait is for something on the page; a step that does not come within the
// patience fails the run.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, openAsBlob, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Hub, manifest } from "./hub.mjs";
import { modelSteps } from "./models.mjs";
import { pictureSteps } from "./pictures.mjs";
import { voiceSteps } from "./voices.mjs";

const root = new URL("../..", import.meta.url).pathname;
const binary = join(root, "bin/apibr");
const patience = Number(process.env.APIBR_E2E_PATIENCE_MS ?? 60_000);
const browserPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
assert(browserPath, "no Chromium: run scripts/setup.sh test");

const texts = {
  "pt-BR": JSON.parse(readFileSync(join(root, "web/src/pt-BR.json"), "utf8")),
  en: JSON.parse(readFileSync(join(root, "web/src/en.json"), "utf8")),
};

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

class Studio {
  constructor(dir, port, env) {
    this.dir = dir;
    this.env = env;
    this.base = `http://127.0.0.1:${port}`;
    this.listen = `127.0.0.1:${port}`;
  }

  async start() {
    this.process = spawn(binary, ["serve", "--data-dir", this.dir, "--listen", this.listen], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.env },
    });
    this.ended = once(this.process, "exit");
    this.process.stderr.on("data", (chunk) => (this.log = (this.log ?? "") + chunk));
    // serve prints the one-time link once it takes jobs.
    const link = await new Promise((resolve, reject) => {
      let out = "";
      this.process.stdout.on("data", (chunk) => {
        out += chunk;
        const found = /http:\S+\/login\?token=\S+/.exec(out);
        if (found) resolve(found[0]);
      });
      this.ended.then(() => reject(new Error(`the studio ended: ${this.log}`)));
    });
    this.token = readFileSync(join(this.dir, "cli.token"), "utf8").trim();
    return link;
  }

  async kill(signal) {
    this.process.kill(signal);
    await this.ended;
  }

  async submitAvatar(fields = {}) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set("image", await openAsBlob(join(root, "samples/portrait.png")), "portrait.png");
    form.set("audio", await openAsBlob(join(root, "samples/voice.wav")), "voice.wav");
    form.set("quality", "draft");
    const response = await fetch(`${this.base}/api/v1/video/create-avatar`, {
      method: "POST",
      body: form,
      headers: { Authorization: `Bearer ${this.token}` },
    });
    assert.equal(response.status, 202, await response.clone().text());
    return (await response.json()).id;
  }
}

const steps = [];
const step = (name, run) => steps.push({ name, run });

step("without a session the page says how to sign in, in both languages", async ({ page, studio }) => {
  await page.goto(studio.base);
  await page.getByText(texts["pt-BR"]["signed_out.title"]).waitFor();
  await page.selectOption("#language", "en");
  await page.getByText(texts.en["signed_out.title"]).waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "en");
});

step("the one-time link signs in, once", async ({ page, browser, link }) => {
  await page.goto(link);
  await page.locator('#link[data-state="live"]').waitFor();
  await page.getByText(texts.en["queue.empty"]).waitFor();
  const stranger = await (await browser.newContext()).newPage();
  const answer = await stranger.goto(link);
  assert.equal(answer.status(), 401);
});

step("a job submitted by API shows its progress, and still does after a reload", async (world) => {
  const { page, studio } = world;
  world.job = await studio.submitAvatar();
  const card = page.locator(`#queue [data-job="${world.job}"]`);
  await card.waitFor();
  const moved = (from) =>
    page.waitForFunction(
      ([id, least]) => (document.querySelector(`[data-job="${id}"] progress`)?.value ?? 0) > least,
      [world.job, from],
    );
  await moved(0.15);
  await page.reload();
  await card.waitFor();
  await moved(0.15);
});

step("the studio is killed in the middle; the page comes back by itself and the job goes on", async (world) => {
  const { page, studio } = world;
  await page.waitForFunction(
    (id) => (document.querySelector(`[data-job="${id}"] progress`)?.value ?? 0) > 0.4,
    world.job,
  );
  await studio.kill("SIGKILL");
  await page.locator('#link[data-state="lost"]').waitFor();
  await studio.start();
  await page.locator('#link[data-state="live"]').waitFor();
  await page.locator(`#results [data-job="${world.job}"][data-status="completed"]`).waitFor();
  assert.equal(await page.locator(`[data-job="${world.job}"]`).count(), 1, "the job is shown once");
});

step("the video plays", async ({ page, job }) => {
  const video = page.locator(`#results [data-job="${job}"] video`);
  await video.evaluate(async (element) => {
    element.muted = true;
    await element.play();
  });
  await page.waitForFunction(
    (id) => document.querySelector(`#results [data-job="${id}"] video`).currentTime > 0.3,
    job,
  );
  assert.equal(await video.evaluate((element) => element.videoWidth), 512);
});

step("the queue is paused and resumed from the page", async ({ page }) => {
  await page.getByRole("button", { name: texts.en["queue.pause"] }).click();
  await page.getByText(texts.en["queue.paused"]).waitFor();
  await page.getByRole("button", { name: texts.en["queue.resume"] }).click();
  await page.getByText(texts.en["queue.paused"]).waitFor({ state: "detached" });
});

step("a job is canceled from the page", async ({ page, studio }) => {
  const id = await studio.submitAvatar({ duration: "120" }); // long enough not to end before it is canceled
  const canceled = page.locator(`#results [data-job="${id}"][data-status="canceled"]`);
  // The answer to the click says "processing" still and is held back until the event has overtaken it, as may happen
  // by itself.
  await page.route("**/cancel", async (route) => {
    const answer = await route.fetch();
    await canceled.waitFor();
    await route.fulfill({ response: answer });
  });
  const answered = page.waitForResponse("**/cancel");
  await page.locator(`#queue [data-job="${id}"]`).getByRole("button", { name: texts.en["job.cancel"] }).click();
  await (await answered).finished();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.equal(await canceled.count(), 1, "an answer that came late has brought the job back");
  await page.unroute("**/cancel");
});

pictureSteps(step, texts, root);
modelSteps(step, texts);
voiceSteps(step, texts);

step("both languages have the same texts", async () => {
  assert.deepEqual(Object.keys(texts.en).sort(), Object.keys(texts["pt-BR"]).sort());
  for (const language of Object.values(texts))
    for (const [key, value] of Object.entries(language)) assert(value.trim(), `${key} is empty`);
});

async function main() {
  const dir = mkdtempSync(join(tmpdir(), "apibr-web-"));
  const manifests = join(dir, "manifests");
  mkdirSync(manifests);
  writeFileSync(join(manifests, "painter.yaml"), manifest);
  const hub = await new Hub().start();
  const studio = new Studio(dir, await freePort(), {
    APIBR_MODELS_HUB_URL: hub.url,
    APIBR_PYTHON_MANIFESTS: manifests,
  });
  const browser = await chromium.launch({
    executablePath: browserPath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  let passed = 0;
  let failed = 0;
  try {
    const link = await studio.start();
    const page = await (await browser.newContext({ locale: "pt-BR" })).newPage();
    page.setDefaultTimeout(patience);
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on(
      "console",
      (message) => message.text().includes("Content Security Policy") && complaints.push(message.text()),
    );
    const world = { page, browser, studio, link, hub };
    for (const { name, run } of steps) {
      try {
        await run(world);
        assert.deepEqual(complaints, []);
        passed++;
        console.log(`ok - ${name}`);
      } catch (error) {
        failed++;
        console.log(`not ok - ${name}\n${error.stack}`);
        if (process.env.APIBR_E2E_SCREENSHOT) await page.screenshot({ path: process.env.APIBR_E2E_SCREENSHOT });
        break;
      }
    }
    if (process.env.APIBR_E2E_SCREENSHOT && !failed)
      await page.screenshot({ path: process.env.APIBR_E2E_SCREENSHOT, fullPage: true });
  } finally {
    await browser.close();
    await studio.kill("SIGTERM");
    hub.stop();
    rmSync(dir, { recursive: true, force: true });
    if (failed) console.log(studio.log?.slice(-4000));
  }
  console.log(`${passed} passed, ${failed} failed, ${steps.length - passed - failed} not run`);
  process.exitCode = failed ? 1 : 0;
}

await main();
