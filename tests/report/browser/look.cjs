// Opens report.html and samples.html of a run in Chromium, at two widths, light and dark; prints what it found as JSON.
// `node look.cjs CHROMIUM RUN_FOLDER [FOLDER_FOR_PICTURES]`. Needs axe-core and playwright-core (NODE_PATH).
"use strict";

const fs = require("fs");
const { chromium } = require("playwright-core");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const [executablePath, run, pictures] = process.argv.slice(2);

/** What axe holds against a page, with every part of it unfolded. */
async function violations(page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  await page.evaluate(AXE);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((one) => ({ rule: one.id, impact: one.impact, nodes: one.nodes.map((node) => node.html.slice(0, 200)) }));
}

/** A page with its own policy in force: everything it asks for and complains of. */
async function watched(context, name) {
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (fault) => complaints.push(String(fault)));
  page.on("request", (request) => /^(file|data):/.test(request.url()) || complaints.push(`asks for ${request.url()}`));
  await page.goto(`file://${run}/${name}.html`);
  return { page, complaints };
}

async function size(page) {
  return page.evaluate(() => ({ page: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth }));
}

async function looked(browser, name, width, colorScheme) {
  const viewport = { width, height: 900 };
  const strict = await browser.newContext({ viewport, colorScheme });
  const { page, complaints } = await watched(strict, name);
  await page.waitForFunction(() => [...document.querySelectorAll("img")].some((image) => image.complete && image.naturalWidth));
  const widths = await size(page);
  const seen = await page.evaluate(() => {
    // What a reader who does not scroll sideways sees: the values of every model, and no text in columns of one letter.
    const right = document.documentElement.clientWidth;
    const cells = [...document.querySelectorAll(".results td .value")];
    const folders = [...document.querySelectorAll(".plan code")];
    return {
      values: cells.length,
      outside: cells.filter((cell) => cell.getBoundingClientRect().right > right).length,
      tallest: Math.max(0, ...folders.map((folder) => folder.getBoundingClientRect().height)),
      loaded: [...document.querySelectorAll("img")].filter((image) => image.complete && image.naturalWidth).length,
    };
  });
  if (pictures) await page.screenshot({ path: `${pictures}/${name}-${width}-${colorScheme}.png`, fullPage: true });
  await strict.close();
  const open = await browser.newContext({ viewport, colorScheme, bypassCSP: true });
  const other = await watched(open, name);
  const found = await violations(other.page);
  await open.close();
  return { name, width, colorScheme, complaints, widths, seen, violations: found };
}

/** Titles of charts that reach into the labels of their ticks, and rows of charts whose drawings do not begin together. */
async function charts(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page } = await watched(context, "report");
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  const found = await page.evaluate(() => {
    const overlaps = [...document.querySelectorAll("figure.chart")].filter((figure) => {
      const title = [...figure.querySelectorAll("text.label")].at(-1).getBoundingClientRect();
      return [...figure.querySelectorAll("text.tick[text-anchor=end]")].some((tick) => tick.getBoundingClientRect().left < title.right);
    });
    const uneven = [...document.querySelectorAll(".charts")].filter((row) => {
      const places = new Map();
      for (const figure of row.querySelectorAll("figure")) {
        const top = Math.round(figure.getBoundingClientRect().top);
        places.set(top, [...(places.get(top) ?? []), Math.round(figure.querySelector("svg").getBoundingClientRect().top)]);
      }
      return [...places.values()].some((tops) => new Set(tops).size > 1);
    });
    return { count: document.querySelectorAll("figure.chart").length, overlaps: overlaps.length, uneven: uneven.length };
  });
  // A value under the pointer, and the next by key.
  const svg = page.locator("figure.chart svg").first();
  await svg.scrollIntoViewIfNeeded();
  const box = await svg.boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.5);
  const tip = page.locator("figure.chart .tip").first();
  found.hovered = await tip.innerText();
  if (pictures) await page.screenshot({ path: `${pictures}/hover.png` });
  await page.mouse.move(1, 1);
  await svg.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  found.keyed = await tip.innerText();
  await page.keyboard.press("Escape");
  found.hidden = !(await tip.isVisible());
  await context.close();
  return found;
}

/** Filters of the samples page, from the address, by hand, and page after page. */
async function filters(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, complaints } = await watched(context, "samples");
  // The page is drawn anew when its address has changed, a moment later.
  const count = async () => (await page.waitForTimeout(200)) ?? page.locator(".count").innerText();
  const cards = () => page.locator("article").count();
  const found = { all: await count(), shown: await cards() };
  await page.locator("select[name=verdict]").selectOption("wrong");
  found.wrong = await count();
  found.verdicts = await page.evaluate(() => [...document.querySelectorAll("article")].map((card) => card.querySelector(".answers .right, .answers .wrong").className));
  await page.locator("select[name=task]").selectOption({ index: 1 });
  found.task = await count();
  found.address = page.url().split("#")[1];
  await page.reload();
  found.reloaded = await count();
  await page.locator("text=show all").click();
  await page.locator("#next").click();
  found.second = await page.locator(".pages span").innerText();
  await page.locator("input[name=text]").fill("no such text anywhere");
  await page.locator("input[name=text]").press("Tab");
  found.nothing = await count();
  found.complaints = complaints;
  await context.close();
  return found;
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const pages = [];
  for (const name of ["report", "samples"]) {
    for (const width of [1280, 390]) for (const scheme of ["light", "dark"]) pages.push(await looked(browser, name, width, scheme));
  }
  const found = { browser: browser.version(), pages, charts: await charts(browser), filters: await filters(browser) };
  await browser.close();
  process.stdout.write(JSON.stringify(found, null, 1));
}

main();
