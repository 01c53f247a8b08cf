// Opens the page of an evaluation in a browser without a network: what axe says of it at two widths, and whether its filters work.
const { chromium } = require("playwright-core");

async function main([browserPath, page]) {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const found = { violations: [], complaints: [], wide: [] };
  for (const [width, colorScheme] of [[1200, "light"], [390, "dark"]]) {
    const context = await browser.newContext({ bypassCSP: true, viewport: { width, height: 900 }, colorScheme });
    const tab = await context.newPage();
    await tab.goto(`file://${page}`);
    for (const each of await tab.$$("details")) await each.evaluate((one) => (one.open = true));
    await tab.addScriptTag({ path: require.resolve("axe-core/axe.min.js") });
    const told = await tab.evaluate(() => axe.run());
    found.violations.push(...told.violations.map((one) => `${one.id}: ${one.nodes[0].html}`));
    found.wide.push((await tab.evaluate(() => document.documentElement.scrollWidth)) - width);
    await context.close();
  }
  const tab = await browser.newPage();
  tab.on("console", (one) => found.complaints.push(one.text()));
  tab.on("pageerror", (one) => found.complaints.push(one.message));
  tab.on("request", (one) => one.url().startsWith("http") && found.complaints.push(one.url()));
  await tab.goto(`file://${page}`);
  found.all = await tab.textContent(".count");
  await tab.selectOption("select[name=verdict]", "right");
  await tab.waitForFunction((before) => document.querySelector(".count").textContent !== before, found.all);
  found.right = await tab.textContent(".count");
  found.picture = await tab.$eval(".gallery img", (one) => one.decode().then(() => one.naturalWidth));
  await tab.selectOption("select[name=benchmark]", "other");
  await tab.waitForFunction((before) => document.querySelector(".count").textContent !== before, found.right);
  found.other = await tab.textContent(".count");
  await browser.close();
  console.log(JSON.stringify(found));
}

main(process.argv.slice(2));
