// Filters and pages of all samples. The state stands in the address, so that a view can be linked to.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const PER_PAGE = 24;
const form = document.querySelector("form");
const gallery = document.querySelector(".gallery");
const pages = document.querySelector(".pages");

const FILTERS = [
  { key: "model", label: "model", values: () => data.models, always: true },
  { key: "verdict", label: "verdict", values: () => ["right", "wrong"] },
  { key: "status", label: "status", values: () => known((sample) => answers(sample).map((each) => each.status)) },
  { key: "task", label: "task", values: () => known((sample) => [sample.task]) },
  { key: "modality", label: "modality", values: () => known((sample) => [sample.modality]) },
  { key: "card", label: "data card", values: () => known((sample) => [sample.card]) },
  { key: "type", label: "type of answer", values: () => known((sample) => [sample.type]) },
  { key: "change", label: "against the model before", values: () => (data.models.length > 1 ? ["now right", "no longer right", "right both times", "wrong both times"] : []) },
  { key: "flag", label: "thinking", values: () => ["1"], words: { 1: "names another answer" } },
];

function answers(sample) {
  return sample.answers.filter((each) => each);
}

/** The values that occur, each once, in order. */
function known(values) {
  return [...new Set(data.samples.flatMap(values))].filter((each) => each).sort();
}

function element(name, attributes, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== "") found.setAttribute(key, value);
  }
  found.append(...children.filter((child) => child));
  return found;
}

function state() {
  return new URLSearchParams(location.hash.slice(1));
}

function go(changes) {
  const next = state();
  for (const [key, value] of Object.entries(changes)) value ? next.set(key, value) : next.delete(key);
  location.hash = next.toString();
}

function fits(sample, asked, model) {
  const answer = sample.answers[model];
  const earlier = sample.answers[model + 1];
  const had = (key, value) => !asked.get(key) || asked.get(key) === value;
  if (!answer) return false;
  const change = earlier && { "true true": "right both times", "true false": "no longer right", "false true": "now right", "false false": "wrong both times" }[`${earlier.right} ${answer.right}`];
  const words = (asked.get("text") ?? "").toLowerCase();
  return (
    had("verdict", answer.right ? "right" : "wrong") && had("status", answer.status) && had("task", sample.task) &&
    had("modality", sample.modality) && had("card", sample.card) && had("type", sample.type) && had("change", change) &&
    had("label", sample.label) && had("given", answer.given) && (!asked.get("flag") || answer.flag !== "") &&
    (!words || [sample.id, sample.question, sample.answer, answer.text].some((text) => text.toLowerCase().includes(words)))
  );
}

function draw() {
  const asked = state();
  const model = Math.max(0, data.models.indexOf(asked.get("model")));
  const found = data.samples.filter((sample) => fits(sample, asked, model));
  const last = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const page = Math.min(last, Math.max(1, Number(asked.get("page")) || 1));
  for (const field of form.elements) {
    if (field.name) field.value = asked.get(field.name) ?? (field.name === "model" ? data.models[0] : "");
  }
  const only = asked.get("label") && `right answer ${asked.get("label")}`;
  const given = asked.get("given") && `answered with ${asked.get("given")}`;
  const extra = [only, given].filter((each) => each).join(", ");
  document.querySelector(".count").textContent =
    `${found.length.toLocaleString("en")} of ${data.samples.length.toLocaleString("en")} samples${extra ? ` (${extra})` : ""}`;
  gallery.replaceChildren(...found.slice((page - 1) * PER_PAGE, page * PER_PAGE).map((sample) => card(sample, model)));
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

function card(sample, model) {
  const about = [sample.task, sample.modality, sample.card, sample.type].filter((each) => each).join(" · ").replaceAll("_", " ");
  const options = sample.options.map(([letter, text]) => element("li", {}, `${letter}. ${text}`));
  // The model that is filtered by, the one it came from beside it; the others folded away.
  const near = [model, model + 1].filter((place) => sample.answers[place]);
  const others = [...data.models.keys()].filter((place) => !near.includes(place) && sample.answers[place]);
  const shown = (places) => element("div", { class: "answers" }, ...places.map((place) => answer(sample.answers[place], place)));
  const picture = sample.picture
    ? element("img", { src: sample.picture, alt: `${sample.modality} image of sample ${sample.id}`, loading: "lazy" })
    : sample.lost && element("div", { class: "noimage" }, "image not kept");
  return element(
    "article",
    { class: picture ? "sample" : "sample plain" },
    picture,
    element(
      "div",
      {},
      element("p", { class: "about" }, about),
      element("p", { class: "question" }, sample.question),
      options.length && element("ul", { class: "options" }, ...options),
      element("p", {}, "right answer: ", element("b", {}, sample.answer)),
      element("p", { class: "quiet" }, sample.id),
      sample.prompt && element("details", {}, element("summary", {}, "prompt, as the model got it"), element("pre", {}, sample.prompt)),
    ),
    shown(near),
    others.length && element("details", { class: "others" }, element("summary", {}, `also ${others.map((place) => data.models[place]).join(", ")}`), shown(others)),
  );
}

function answer(given, place) {
  const verdict = given.right ? "✓ right" : `✗ ${given.status || "wrong"}`;
  const taken = given.taken === given.text ? "taken whole" : given.taken ? `taken as: ${given.taken}` : "no answer could be read";
  return element(
    "div",
    {},
    element(
      "p",
      {},
      element("b", {}, data.models[place]),
      " ",
      element("span", { class: given.right ? "right" : "wrong" }, verdict),
      given.flag && " ",
      given.flag && element("span", { class: "flag" }, `⚑ thinking names ${given.flag}`),
    ),
    element("pre", {}, given.text),
    element(
      "p",
      { class: "quiet" },
      given.rule ? `${taken} (rule ${given.rule}), ` : `${taken}, `,
      element("a", { href: data.files[place], "aria-label": `line ${given.line} of ${data.files[place]}` }, `line ${given.line}`),
    ),
  );
}

for (const { key, label, values, words, always } of FILTERS) {
  const found = values();
  if (!found.length) continue;
  const choices = found.map((value) => element("option", { value }, (words?.[value] ?? value).replaceAll("_", " ")));
  const select = element("select", { name: key }, !always && element("option", { value: "" }, "all"), ...choices);
  if (!always) select.firstChild.value = "";
  form.append(element("label", {}, label, select));
}
form.append(element("label", {}, "text", element("input", { name: "text", type: "search" })));
const clear = element("button", { type: "button" }, "show all");
clear.addEventListener("click", () => (location.hash = ""));
form.append(clear);
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => go({ [event.target.name]: event.target.value, page: "" }));
addEventListener("hashchange", draw);
draw();
