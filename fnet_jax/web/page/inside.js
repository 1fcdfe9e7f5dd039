/** Looking inside: feature maps, parts, contributions and thresholds of the pair that is shown. */

import { pictureUrl } from "./api.js";
import { buildCharts } from "./charts.js";
import { $, make, sized } from "./dom.js";
import { buildMaps, CODES, key, refreshMaps } from "./maps.js";

const TABS = { maps: buildMaps, parts: buildParts, shares: buildShares, charts: buildCharts };
const NAMES = Object.keys(TABS);

export class Inside {
  constructor(edit) {
    this.edit = edit;
    this.state = null;
    this.built = new Set(); // tabs that are up to date
    this.open = NAMES[0];
    for (const name of NAMES) $(`tab-${name}`).onclick = () => this.openTab(name);
    $("tabs").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.openTab(NAMES.at((NAMES.indexOf(this.open) + step) % NAMES.length));
      $(`tab-${this.open}`).focus();
    });
    $("enlarged-close").onclick = () => $("enlarged").close();
  }

  /** Shows a pair, or what has changed of it; a tab is built when it is open. */
  show(state) {
    this.state = state;
    this.built.clear();
    $("inside").hidden = !state.live;
    this.openTab(this.open);
  }

  openTab(name) {
    this.open = name;
    for (const other of NAMES) {
      $(`panel-${other}`).hidden = other !== name;
      $(`tab-${other}`).setAttribute("aria-selected", other === name);
      $(`tab-${other}`).tabIndex = other === name ? 0 : -1;
    }
    if (!this.state?.live || this.built.has(name)) return;
    this.built.add(name);
    TABS[name](this.state, this.edit);
    refreshMaps(this.edit);
  }
}

function buildParts(state) {
  $("parts").replaceChildren(...Object.entries(CODES).map(([code, from]) => {
    const name = `If_${code}`;
    const caption = make("figcaption", {}, key(code), make("b", {}, name), ` ${from}`);
    const picture = sized(state, pictureUrl(state, name), `Part ${name}`, { id: `part-${code}` });
    return make("figure", {}, caption, picture);
  }));
}

const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);

function buildShares(state) {
  const rows = Object.entries(CODES).map(([code, from]) => make("tr", {},
    make("th", { scope: "row" }, key(code), code),
    make("td", {}, from),
    make("td", { id: `share-${code}`, class: "number" }, percent(state.shares[code]))));
  const alt = "Which code each pixel comes from: u1 orange, u2 sky blue, c black; white where there is nothing";
  $("shares").replaceChildren(
    sized(state, pictureUrl(state, "shares"), alt, { id: "shares-picture" }),
    make("table", { "aria-label": "Mean shares" }, make("tbody", {}, ...rows)),
  );
}
