// Filters and pages of an evaluation's samples. A benchmark is read when it is asked for; the state stands in the address.
"use strict";

const PER_PAGE = 24;
const models = JSON.parse(document.getElementById("models").textContent);
const chunks = [...document.querySelectorAll("script.chunk")];
const read = new Map();
const form = document.querySelector("form");
const gallery = document.querySelector(".gallery");
const pages = document.querySelector(".pages");
const VERDICTS = ["right", "wrong", "strict and lenient differ", "lenient and medevalkit differ", "models differ"];

function element(name, attributes, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== "") found.setAttribute(key, value);
  }
  found.append(...children.filter((child) => child));
  return found;
}

function benchmark(name) {
  const chunk = chunks.find((each) => each.dataset.name === name);
  if (!read.has(name)) read.set(name, JSON.parse(chunk.textContent));
  return read.get(name);
}

function state() {
  return new URLSearchParams(location.hash.slice(1));
}

function go(changes) {
  const next = state();
  for (const [key, value] of Object.entries(changes)) value ? next.set(key, value) : next.delete(key);
  location.hash = next.toString();
}

function judged(sample, answer, verdict) {
  if (!verdict) return true;
  if (verdict === "right" || verdict === "wrong") return answer.lenient === (verdict === "right");
  if (verdict === VERDICTS[2]) return answer.strict !== answer.lenient;
  if (verdict === VERDICTS[3]) return answer.medevalkit !== null && answer.medevalkit !== answer.lenient;
  return new Set(sample.answers.filter((each) => each).map((each) => each.lenient)).size > 1;
}

function fits(sample, asked, place) {
  const answer = sample.answers[place];
  const had = (key, value) => !asked.get(key) || asked.get(key) === value;
  const words = (asked.get("text") ?? "").toLowerCase();
  return (
    answer && judged(sample, answer, asked.get("verdict")) && had("status", answer.status) && had("rule", answer.rule) &&
    had("type", sample.question_type) && had("modality", sample.modality) && had("task", sample.task) && had("tier", answer.tier) &&
    (!words || [sample.id, sample.question, sample.gold, answer.text].some((text) => text.toLowerCase().includes(words)))
  );
}

function choose(key, label, values, all) {
  const asked = state().get(key) ?? "";
  const select = element("select", { name: key });
  if (all) select.append(new Option("all", ""));
  for (const [value, text] of values) select.append(new Option(text.replaceAll("_", " "), value));
  select.value = asked || (all ? "" : values[0][0]);
  return element("label", {}, label, select);
}

function filters(data, place) {
  const known = (value) => [...new Set(data.samples.map(value))].filter((each) => each).sort().map((each) => [each, each]);
  const given = (value) => known((sample) => sample.answers[place] && value(sample.answers[place]));
  const asked = state().get("text") ?? "";
  const focused = document.activeElement?.name;
  const search = element("input", { name: "text", type: "search" });
  const clear = element("button", { type: "button" }, "show all");
  search.value = asked;
  clear.addEventListener("click", () => (location.hash = ""));
  form.replaceChildren(
    choose("benchmark", "benchmark", chunks.map((each) => [each.dataset.name, each.dataset.title])),
    choose("model", "model", models.map((each, number) => [String(number), each])),
    choose("verdict", "verdict", VERDICTS.slice(0, models.length > 1 ? 5 : 4).map((each) => [each, each]), true),
    choose("status", "status", given((answer) => answer.status), true),
    choose("rule", "rule", given((answer) => answer.rule), true),
    choose("type", "type of answer", known((sample) => sample.question_type), true),
    choose("task", "task", known((sample) => sample.task), true),
    choose("modality", "modality", known((sample) => sample.modality), true),
    choose("tier", "trained on", given((answer) => answer.tier), true),
    element("label", {}, "text", search),
    clear,
  );
  if (focused) form.elements[focused]?.focus();
}

function draw() {
  if (!chunks.length) return;
  const asked = state();
  const name = chunks.some((each) => each.dataset.name === asked.get("benchmark")) ? asked.get("benchmark") : chunks[0].dataset.name;
  const place = Math.min(models.length - 1, Math.max(0, Number(asked.get("model")) || 0));
  const data = benchmark(name);
  filters(data, place);
  const found = data.samples.filter((sample) => fits(sample, asked, place));
  const last = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const page = Math.min(last, Math.max(1, Number(asked.get("page")) || 1));
  document.querySelector(".count").textContent = `${found.length.toLocaleString("en")} of ${data.samples.length.toLocaleString("en")} samples`;
  gallery.replaceChildren(...found.slice((page - 1) * PER_PAGE, page * PER_PAGE).map((sample) => card(sample, data.pictures)));
  pages.hidden = last === 1;
  pages.querySelector("span").textContent = `page ${page} of ${last}`;
  const [before, next] = [document.getElementById("before"), document.getElementById("next")];
  before.disabled = page === 1;
  next.disabled = page === last;
  before.onclick = () => turn(page - 1);
  next.onclick = () => turn(page + 1);
}

function turn(page) {
  go({ page });
  document.querySelector(".count").scrollIntoView();
}

function card(sample, pictures) {
  const about = [sample.card, sample.task, sample.modality, sample.question_type].filter((each) => each).join(" · ").replaceAll("_", " ");
  const options = Object.entries(sample.options).map(([letter, text]) => element("li", {}, `${letter}. ${text}`));
  const shown = sample.images.map((name, number) =>
    pictures[name]
      ? element("img", { src: pictures[name], alt: `picture ${number + 1} of sample ${sample.id}`, loading: "lazy" })
      : element("div", { class: "noimage" }, "picture not on this page"),
  );
  return element(
    "article",
    { class: shown.length ? "sample" : "sample plain" },
    shown.length && element("div", {}, ...shown),
    element(
      "div",
      {},
      element("p", { class: "about" }, about),
      element("p", { class: "question" }, sample.question),
      options.length && element("ul", { class: "options" }, ...options),
      element("p", {}, "right answer: ", element("b", {}, sample.gold)),
      element("p", { class: "quiet" }, sample.id),
    ),
    element("div", { class: "answers" }, ...sample.answers.map(answer).filter((each) => each)),
  );
}

function answer(given, place) {
  if (!given) return null;
  const free = given.status === "free";
  const verdict = given.lenient ? "✓ right" : `✗ ${given.status}`;
  const theirs = given.medevalkit === null ? "cannot score it" : given.medevalkit ? "right" : "wrong";
  const taken = given.extracted ? `taken as: ${given.extracted}` : "no answer could be read";
  return element(
    "div",
    {},
    element("p", {}, element("b", {}, models[place]), " ", element("span", { class: free ? "quiet" : given.lenient ? "right" : "wrong" }, free ? "free text" : verdict)),
    element("pre", {}, given.text),
    !free && element("p", { class: "quiet" }, `${taken} (${given.rule ? `rule ${given.rule}` : "no rule"}); strict: ${given.strict ? "right" : "not right"}; medevalkit: ${theirs}`),
    given.tier && given.tier !== "clean" && element("p", {}, element("span", { class: "flag" }, `⚑ ${given.tier}: trained on`)),
    given.finish === "length" && element("p", { class: "quiet" }, "cut off at the most tokens"),
  );
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
  const { name, value } = event.target;
  go(name === "benchmark" ? { benchmark: value, status: "", rule: "", tier: "", type: "", task: "", modality: "", page: "" } : { [name]: value, page: "" });
});
addEventListener("hashchange", draw);
draw();
