/** Grids of feature maps, in which features are switched off and on. */

import { mapUrl } from "./api.js";
import { $, enlarge, make, sized } from "./dom.js";

export const CODES = { u1: "only I1", u2: "only I2", c: "both" };

export const key = (code) => make("span", { class: "key", "data-code": code });

export function buildMaps(state, edit) {
  $("maps").replaceChildren(...Object.keys(CODES).map((code) => section(state, edit, code)));
}

/** Marks every map again after an edit. */
export function refreshMaps(edit) {
  for (const code of Object.keys(CODES)) {
    const maps = [...($(`maps-${code}`)?.children ?? [])];
    const off = maps.filter((map) => !edit.isOn(code, Number(map.dataset.feature)));
    for (const map of maps) {
      const on = !off.includes(map);
      map.setAttribute("aria-pressed", on);
      map.lastChild.textContent = on ? map.dataset.feature : `${map.dataset.feature} off`;
    }
    if (maps.length) $(`maps-${code}-count`).textContent = `${maps.length - off.length} of ${maps.length} on`;
  }
}

function section(state, edit, code) {
  const features = state.strongest[code];
  const button = (on) => {
    const text = on ? "All on" : "All off";
    const id = `maps-${code}-${on ? "on" : "off"}`;
    const made = make("button", { type: "button", id, "aria-label": `${text}: ${code}` }, text);
    made.onclick = () => edit.switchFeatures(code, features, on);
    return made;
  };
  const title = make("h3", {}, key(code), code, " ", make("span", { class: "quiet" }, CODES[code]));
  const count = make("span", { class: "quiet", id: `maps-${code}-count` });
  const space = make("span", { class: "space" });
  const head = make("div", { class: "row" }, title, count, space, button(false), button(true));
  return make("div", {}, head, gridOf(state, edit, code, features));
}

/** The maps of a code. One of them is in the tab order; arrows move to the others. */
function gridOf(state, edit, code, features) {
  const label = `Features of ${code}, strongest first`;
  const grid = make("div", { class: "grid", id: `maps-${code}`, role: "group", "aria-label": label });
  grid.append(...features.map((feature, rank) => {
    const map = make("button", {
      type: "button",
      class: "map",
      tabindex: rank ? -1 : 0,
      "data-code": code,
      "data-feature": feature,
      "aria-label": `${code} feature ${feature}`,
    });
    const picture = sized(state, mapUrl(state, code, feature), "", { loading: "lazy" });
    map.append(picture, make("span", { "aria-hidden": "true" }));
    map.onclick = () => edit.switchFeatures(code, [feature], !edit.isOn(code, feature));
    map.ondblclick = () => enlarge(`${code} feature ${feature}`, mapUrl(state, code, feature, true));
    return map;
  }));
  grid.addEventListener("keydown", (event) => onKey(event, grid));
  return grid;
}

function onKey(event, grid) {
  const maps = [...grid.children];
  const index = maps.indexOf(event.target);
  if (event.key.toLowerCase() === "f" && !event.ctrlKey && !event.metaKey) {
    event.target.dispatchEvent(new MouseEvent("dblclick"));
    return;
  }
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  const ends = { Home: 0, End: maps.length - 1 };
  const next = maps[ends[event.key] ?? index + steps[event.key]];
  if (!next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
