// Hover values of the charts, and reloading while the run goes on. Without this the page reads the same.
"use strict";

const NAMESPACE = "http://www.w3.org/2000/svg";

for (const figure of document.querySelectorAll("figure.chart")) chart(figure);
reload(Number(document.body.dataset.reload));

/** Show the values nearest to the pointer, or move from one to the next by arrow keys. */
function chart(figure) {
  const svg = figure.querySelector("svg");
  const link = figure.querySelector("a[download]");
  const table = atob(link.getAttribute("href").split(",")[1]);
  const lines = table.trim().split("\n").slice(1).map((line) => line.split(",").map((cell) => (cell === "" ? null : Number(cell))));
  const names = [...figure.querySelectorAll(".key")].map((key) => key.textContent);
  const [xLow, xHigh, xStart, xEnd] = svg.dataset.x.split(" ").map(Number);
  const [yLow, yHigh, yStart, yEnd] = svg.dataset.y.split(" ").map(Number);
  const atX = (value) => xStart + ((value - xLow) / (xHigh - xLow)) * (xEnd - xStart);
  const atY = (value) => yStart + ((value - yLow) / (yHigh - yLow)) * (yEnd - yStart);
  const width = svg.viewBox.baseVal.width;

  const cross = document.createElementNS(NAMESPACE, "g");
  cross.setAttribute("class", "cross");
  svg.append(cross);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  figure.append(tip);
  svg.setAttribute("tabindex", "0");
  let place = -1;

  function show(next) {
    place = Math.max(0, Math.min(lines.length - 1, next));
    const x = lines[place][0];
    cross.replaceChildren(line(atX(x), yStart, yEnd));
    const said = [`step ${x.toLocaleString("en")}`];
    for (let series = 0; series + 1 < lines[place].length; series++) {
      // What is measured now and then is told as it last was.
      const measured = lines.slice(0, place + 1).findLast((row) => row[series + 1] !== null);
      if (!measured) continue;
      const y = measured[series + 1];
      cross.append(dot(atX(measured[0]), atY(y), series));
      const when = measured[0] === x ? "" : ` (step ${measured[0].toLocaleString("en")})`;
      said.push((names[series] ? `${names[series]}: ${y}` : String(y)) + when);
    }
    tip.replaceChildren(...said.map((text) => Object.assign(document.createElement("div"), { textContent: text })));
    const share = atX(x) / width;
    tip.style.left = share < 0.5 ? `${100 * share + 3}%` : "auto";
    tip.style.right = share < 0.5 ? "auto" : `${100 * (1 - share) + 3}%`;
    tip.style.top = `${svg.offsetTop ?? figure.querySelector("figcaption").offsetHeight + 8}px`;
    tip.classList.add("seen");
  }

  function hide() {
    place = -1;
    cross.replaceChildren();
    tip.classList.remove("seen");
    tip.replaceChildren();
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const value = xLow + ((((event.clientX - box.left) / box.width) * width - xStart) / (xEnd - xStart)) * (xHigh - xLow);
    let best = 0;
    for (let row = 1; row < lines.length; row++) {
      if (Math.abs(lines[row][0] - value) < Math.abs(lines[best][0] - value)) best = row;
    }
    show(best);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.key === "Escape") hide();
    if (!by) return;
    event.preventDefault();
    show(place < 0 ? (by > 0 ? 0 : lines.length - 1) : place + by);
  });
}

function line(x, from, to) {
  const found = document.createElementNS(NAMESPACE, "line");
  for (const [key, value] of Object.entries({ x1: x, x2: x, y1: from, y2: to })) found.setAttribute(key, value);
  return found;
}

function dot(x, y, series) {
  const found = document.createElementNS(NAMESPACE, "circle");
  for (const [key, value] of Object.entries({ cx: x, cy: y, r: 3.5, class: `s${series % 5}` })) found.setAttribute(key, value);
  return found;
}

/** Load the page again every so many seconds, with the same parts unfolded. Zero or nothing: the run has ended. */
function reload(seconds) {
  const folded = [...document.querySelectorAll("details")];
  const title = (each) => each.querySelector("summary").textContent;
  const open = history.state?.open ?? [];
  for (const each of folded) if (open.includes(title(each))) each.open = true;
  if (!seconds) return;
  for (const each of folded) {
    each.addEventListener("toggle", () => history.replaceState({ open: folded.filter((one) => one.open).map(title) }, ""));
  }
  const timer = setTimeout(() => location.reload(), 1000 * seconds);
  const button = document.getElementById("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    clearTimeout(timer);
    button.textContent = "reloading is off";
    button.disabled = true;
  });
}
