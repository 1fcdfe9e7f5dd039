/** The edit of the fused image (scales, θ, features that are off) and the loop that shows it live. */

import * as api from "./api.js";
import { $, make, showError } from "./dom.js";

const RETRY = 150; // milliseconds until a busy server is asked again
const linear = { low: 0, high: 2, from: (value) => value, to: (position) => position };
const logarithmic = { low: 0.25, high: 4, from: Math.log2, to: (position) => 2 ** position };
const SLIDERS = [
  { name: "u1", text: "u1", title: "what only I1 shows", ...linear },
  { name: "u2", text: "u2", title: "what only I2 shows", ...linear },
  { name: "c", text: "c", title: "what both show", ...linear },
  { name: "theta", text: "θ", title: "scale of the thresholds: higher is sparser", ...logarithmic },
];

export class Edit {
  constructor(changed) {
    this.changed = changed;
    this.values = {};
    this.off = new Set(); // such as "u1:7"
    this.setters = SLIDERS.map((slider) => this.add(slider));
    $("reset").onclick = () => {
      this.reset();
      this.changed();
    };
    this.reset();
  }

  add({ name, text, title, low, high, from, to }) {
    const range = make("input", {
      type: "range", id: `slider-${name}`, min: from(low), max: from(high), step: 0.05,
    });
    const number = make("input", {
      type: "number", id: `number-${name}`, min: low, max: high, step: 0.01,
      "aria-label": `${text}, as a number`,
    });
    const set = (value) => {
      this.values[name] = Math.min(high, Math.max(low, value));
      const shown = Number(this.values[name].toFixed(3));
      range.value = from(this.values[name]);
      range.setAttribute("aria-valuetext", shown);
      if (document.activeElement !== number) number.value = shown;
    };
    range.addEventListener("input", () => {
      set(Number(to(Number(range.value)).toFixed(2)));
      this.changed();
    });
    number.addEventListener("input", () => {
      const value = number.valueAsNumber;
      if (!(value >= low && value <= high)) return;
      set(value);
      this.changed();
    });
    number.addEventListener("blur", () => set(this.values[name]));
    const hint = make("span", { class: "quiet" }, title);
    const swatch = make("span", { class: "key", "data-code": name });
    const label = make("label", { for: range.id }, swatch, make("b", {}, text), " ", hint);
    $("sliders").append(make("div", { class: "slider" }, label, range, number));
    return set;
  }

  reset() {
    for (const set of this.setters) set(1);
    this.off.clear();
  }

  /** Switches features off or on. */
  switchFeatures(code, features, on) {
    for (const feature of features) this.off[on ? "delete" : "add"](`${code}:${feature}`);
    this.changed();
  }

  isOn(code, feature) {
    return !this.off.has(`${code}:${feature}`);
  }

  /** The edit as the server reads it. */
  request() {
    const off = [...this.off].map((key) => key.split(":")).map(([code, feature]) => [code, Number(feature)]);
    return { ...this.values, off };
  }

  enable(live) {
    for (const input of document.querySelectorAll("#sliders input, #reset")) input.disabled = !live;
  }
}

/** Asks for one fused image at a time; while it is under way, only the newest edit waits. */
export class Live {
  /** `show` draws a fused image; `settled` is called when no edit waits any more. */
  constructor(show, settled) {
    Object.assign(this, { show, settled, pair: null, waiting: null, running: false, count: 0 });
  }

  want(pair, edit) {
    this.pair = pair;
    this.waiting = edit;
    if (!this.running) this.run();
  }

  /** Forgets the pair: what still arrives for it is dropped. */
  stop() {
    this.pair = this.waiting = null;
    $("latency").textContent = $("latency").dataset.latency = "";
  }

  async run() {
    this.running = true;
    $("latency").dataset.busy = "true";
    while (this.waiting) {
      const [pair, edit] = [this.pair, this.waiting];
      this.waiting = null;
      const start = performance.now();
      try {
        const image = await api.fused(pair, edit, 1);
        if (pair !== this.pair) image.close();
        else {
          this.show(image);
          this.report(performance.now() - start);
        }
      } catch (error) {
        if (pair !== this.pair) continue;
        if (error.status === 503) {
          await new Promise((resolve) => setTimeout(resolve, RETRY));
          if (pair === this.pair) this.waiting ??= edit;
        } else showError(error);
      }
    }
    this.running = false;
    $("latency").dataset.busy = "false";
    if (this.pair) this.settled();
  }

  report(milliseconds) {
    this.count += 1;
    const status = $("latency");
    status.dataset.latency = milliseconds.toFixed(1);
    status.dataset.count = this.count;
    status.textContent = `${milliseconds.toFixed(0)} ms`;
  }
}
