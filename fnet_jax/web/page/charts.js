/** Line charts of thresholds and momentum. */

import { $, make, makeSvg } from "./dom.js";

const [WIDTH, HEIGHT] = [420, 200];
const [LEFT, RIGHT, TOP, BOTTOM] = [52, WIDTH - 16, 12, HEIGHT - 26]; // edges of the plot
const MARKS = { // each code has a shape of its own, not only a color
  u1: (x, y) => makeSvg("circle", { cx: x, cy: y, r: 4 }),
  u2: (x, y) => makeSvg("rect", { x: x - 4, y: y - 4, width: 8, height: 8 }),
  c: (x, y) => makeSvg("path", { d: `M${x} ${y - 5}l5 9h-10z` }),
};

export function buildCharts(state) {
  $("charts").replaceChildren(
    figure("Thresholds θᵏ by iteration k", "chart-thresholds", state.thresholds),
    figure("Momentum ρᵏ by iteration k", "chart-momentum", state.momentum),
  );
}

function figure(title, id, series) {
  return make("figure", {}, make("figcaption", {}, title), plot(title, id, series), tableOf(series));
}

const short = (value) => String(Number(value.toPrecision(3)));
const lengthOf = (series) => Math.max(...Object.values(series).map((values) => values.length));

function plot(title, id, series) {
  const all = Object.values(series).flat();
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all) || 1];
  const count = lengthOf(series);
  const x = (k) => LEFT + ((RIGHT - LEFT) * k) / Math.max(1, count - 1);
  const y = (value) => BOTTOM - ((BOTTOM - TOP) * (value - low)) / (high - low);
  const svg = makeSvg("svg", { id, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(
      makeSvg("path", { class: "grid-line", d: `M${LEFT} ${y(value)}H${RIGHT}` }),
      makeSvg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    );
  }
  for (let k = 0; k < count; k += 1)
    svg.append(makeSvg("text", { x: x(k), y: HEIGHT - 8, "text-anchor": "middle" }, String(k)));
  for (const [code, values] of Object.entries(series)) {
    const points = values.map((value, k) => [x(k), y(value)]);
    const d = `M${points.map((point) => point.join(" ")).join("L")}`;
    const line = makeSvg("path", { class: "line", d });
    svg.append(makeSvg("g", { "data-code": code }, line, ...points.map((point) => MARKS[code](...point))));
  }
  return svg;
}

/** The numbers of a chart; its heads are the legend. */
function tableOf(series) {
  const codes = Object.keys(series);
  const box = { class: "shape", viewBox: "0 0 12 12", "aria-hidden": "true" };
  const shape = (code) => makeSvg("svg", { ...box, "data-code": code }, MARKS[code](6, 6));
  const heads = codes.map((code) => make("th", { scope: "col" }, shape(code), code));
  const value = (code, k) =>
    make("td", { class: "number" }, k in series[code] ? short(series[code][k]) : "–");
  const rows = Array.from({ length: lengthOf(series) }, (_, k) =>
    make("tr", {}, make("th", { scope: "row" }, String(k)), ...codes.map((code) => value(code, k))));
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "k"), ...heads));
  return make("table", {}, head, make("tbody", {}, ...rows));
}
