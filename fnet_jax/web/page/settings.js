/** Settings of a fusion: color, range, size of the network, and in folders registration. */

import { make, makeSelect } from "./dom.js";

const RANGES = [
  ["", "default"],
  ["type", "type: of the file's type"],
  ["folder", "folder: one for all images of a side"],
  ["image", "image: one per image"],
  ["custom", "LOW,HIGH …"],
];

const LIMITS = String.raw`\s*[\d.eE+\-]+\s*,\s*[\d.eE+\-]+\s*`; // such as 15,40

/** A field with its label. */
export const row = (text, field) =>
  make("div", { class: "setting" }, make("label", { for: field.id }, text), field);

/** The choice of the format of fused files; empty for that of I1. */
export const formatSelect = (id, about) =>
  makeSelect(id, [["", "as I1"], ...about.formats.map((name) => [name, name])]);

export class Settings {
  /** Builds the fields in `box`; `changed` gets the settings that the user changed. */
  constructor(box, about, { prefix = "setting", register = false, changed = () => {} } = {}) {
    const titled = (entries) => entries.map(({ name, title }) => [name, title]);
    this.color = makeSelect(`${prefix}-color`, titled(about.colors), "auto");
    this.size = makeSelect(`${prefix}-size`, titled(about.sizes), about.size);
    this.range = makeSelect(`${prefix}-range`, RANGES);
    this.limits = make("input", {
      id: `${prefix}-limits`,
      placeholder: "LOW,HIGH such as 15,40",
      pattern: LIMITS,
      autocomplete: "off",
      "aria-label": "LOW,HIGH",
    });
    this.limits.hidden = true;
    this.register = makeSelect(`${prefix}-register`, [["none", "no"], ["auto", "where it helps"]]);
    this.box = box;
    box.append(row("Color", this.color), row("Range", this.range), this.limits, row("Size", this.size));
    if (register) box.append(row("Register", this.register));
    this.color.onchange = () => changed({ color: this.color.value });
    this.size.onchange = () => changed({ size: this.size.value });
    this.range.onchange = () => {
      const custom = this.range.value === "custom";
      this.limits.hidden = !custom;
      if (custom) this.limits.focus();
      else changed({ range: this.range.value || null });
    };
    this.limits.onchange = () => {
      if (this.limits.reportValidity() && this.limits.value) changed({ range: this.rule() });
    };
  }

  /** The rule of ranges as the server reads it. */
  rule() {
    if (this.range.value === "custom") return this.limits.value.replaceAll(/\s/g, "") || null;
    return this.range.value || null;
  }

  values() {
    const [color, size, register] = [this.color, this.size, this.register].map((field) => field.value);
    return { color, range: this.rule(), size, register };
  }

  /** Shows the settings that the server states. */
  show({ color, range, size, register }) {
    this.color.value = color;
    this.size.value = size;
    this.register.value = register;
    const custom = Boolean(range?.includes(","));
    this.range.value = custom ? "custom" : range ?? "";
    this.limits.hidden = !custom;
    if (custom) this.limits.value = range;
  }

  enable(enabled) {
    for (const field of this.box.querySelectorAll("select, input")) field.disabled = !enabled;
  }
}
