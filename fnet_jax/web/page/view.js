/** Views of one pair: the same part of every image, at the same scale, side by side or under a swipe. */

import { $, make } from "./dom.js";

export const NAMES = { i1: "I1", i2: "I2", fused: "Fused" };
const CRISP = 2; // device pixels per image pixel from which pixels are shown as squares
const LARGEST = 64;
const MARK = 8; // device pixels per image pixel from which the marked pixel is outlined, not crossed

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class Viewer {
  /** `pointed` is called with the pixel (x, y) under the pointer, or with null. */
  constructor(pointed) {
    this.pointed = pointed;
    this.stage = $("stage");
    const names = [...Object.keys(NAMES), "swipe"];
    this.canvases = Object.fromEntries(names.map((name) => [name, $(`view-${name}`)]));
    this.images = {};
    this.size = [1, 1];
    this.center = [0.5, 0.5]; // in pixels of the image
    this.scale = 1; // device pixels per image pixel
    this.fitted = true;
    this.split = 0.5;
    this.sides = ["i1", "fused"];
    this.pointers = new Map();
    this.at = null; // position under the pointer, in pixels of the image
    this.over = null; // the canvas under the pointer
    new ResizeObserver(() => this.resize()).observe(this.stage);
    for (const canvas of Object.values(this.canvases)) this.listen(canvas);
    this.listenToKeys();
    this.listenToDivider();
    this.makeControls();
    this.setMode(matchMedia("(max-width: 700px)").matches ? "swipe" : "side");
  }

  /** Replaces images; a pair of another size is fitted into the views. */
  show(images, size = this.size) {
    for (const [name, image] of Object.entries(images)) {
      this.images[name]?.close();
      this.images[name] = image;
    }
    const other = size[0] !== this.size[0] || size[1] !== this.size[1];
    this.size = size;
    this.stage.style.setProperty("--shape", `${size[0]} / ${size[1]}`);
    if (other) this.fit();
    else this.draw();
  }

  clear() {
    for (const image of Object.values(this.images)) image.close();
    this.images = {};
    this.size = [1, 1];
    this.at = null;
  }

  setMode(mode) {
    this.stage.dataset.mode = mode;
    $("mode-side").setAttribute("aria-pressed", mode === "side");
    $("mode-swipe").setAttribute("aria-pressed", mode === "swipe");
    $("swipe-choice").hidden = mode !== "swipe";
    this.resize();
  }

  shown() {
    return this.stage.dataset.mode === "swipe" ? ["swipe"] : Object.keys(NAMES);
  }

  resize() {
    for (const name of this.shown()) {
      const canvas = this.canvases[name];
      const width = Math.round(canvas.clientWidth * devicePixelRatio);
      const height = Math.round(canvas.clientHeight * devicePixelRatio);
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
    if (this.fitted) this.fit();
    else this.draw();
  }

  fittingScale() {
    const canvas = this.canvases[this.shown()[0]];
    return Math.max(1e-3, Math.min(canvas.width / this.size[0], canvas.height / this.size[1], LARGEST));
  }

  fit() {
    this.scale = this.fittingScale();
    this.center = this.size.map((n) => n / 2);
    this.fitted = true;
    this.draw();
  }

  /** Changes the scale; what is at `point`, in device pixels from the middle, stays there. */
  zoomTo(scale, point = [0, 0]) {
    const lowest = Math.min(1, this.fittingScale()) / 2;
    const next = clamp(scale, lowest, LARGEST);
    this.moveBy(...point.map((n) => n / this.scale - n / next));
    this.scale = next;
    this.draw();
  }

  moveBy(x, y) {
    this.fitted = false;
    this.center = [clamp(this.center[0] + x, 0, this.size[0]), clamp(this.center[1] + y, 0, this.size[1])];
  }

  draw() {
    if (!this.images.i1 || !this.canvases[this.shown()[0]].width) return;
    for (const name of this.shown()) this.drawOn(this.canvases[name], name);
    const percent = this.scale * 100;
    $("zoom").textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
    Object.assign(this.stage.dataset, {
      scale: this.scale.toFixed(4),
      x: this.center[0].toFixed(2),
      y: this.center[1].toFixed(2),
    });
    this.stage.classList.toggle("zoomed", !this.fitted);
    this.pointed(this.pixel());
  }

  drawLater() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  drawOn(canvas, name) {
    const context = canvas.getContext("2d");
    const start = (n, axis) => Math.round(n / 2 - this.center[axis] * this.scale);
    const offset = [canvas.width, canvas.height].map(start);
    const place = () => context.setTransform(this.scale, 0, 0, this.scale, ...offset);
    context.resetTransform();
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = this.scale < CRISP;
    context.imageSmoothingQuality = "high";
    const paint = (image) => image && context.drawImage(image, 0, 0, ...this.size);
    if (name === "swipe") {
      const middle = Math.round(canvas.width * this.split);
      const parts = [[0, middle], [middle, canvas.width - middle]];
      parts.forEach(([start, width], side) => {
        context.save();
        context.beginPath();
        context.rect(start, 0, width, canvas.height);
        context.clip();
        place();
        paint(this.images[this.sides[side]]);
        context.restore();
      });
    } else {
      place();
      paint(this.images[name]);
    }
    const pixel = this.pixel();
    if (pixel && this.over !== canvas) this.mark(context, pixel, offset);
  }

  /** Marks a pixel in black and white, visible on any ground. */
  mark(context, pixel, offset) {
    const [x, y] = pixel.map((n, axis) => n * this.scale + offset[axis]);
    const shape = new Path2D();
    if (this.scale >= MARK) shape.rect(x, y, this.scale, this.scale);
    else {
      const [left, top] = [x + this.scale / 2, y + this.scale / 2];
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        shape.moveTo(left + 4 * dx, top + 4 * dy);
        shape.lineTo(left + 11 * dx, top + 11 * dy);
      }
    }
    context.resetTransform();
    for (const [color, width] of [["#000", 4], ["#fff", 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke(shape);
    }
  }

  /** The pixel under the pointer; with the keyboard, the one in the middle of the views. */
  pixel() {
    const point = this.at ?? (this.stage.matches(":focus-visible") ? this.center : null);
    if (!point) return null;
    const pixel = point.map(Math.floor);
    return pixel.every((n, axis) => n >= 0 && n < this.size[axis]) ? pixel : null;
  }

  /** A position of an event in device pixels from the middle of its canvas. */
  fromMiddle(event, canvas) {
    const box = canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) * devicePixelRatio - canvas.width / 2,
      (event.clientY - box.top) * devicePixelRatio - canvas.height / 2,
    ];
  }

  listen(canvas) {
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const step = event.deltaY * (event.deltaMode === 1 ? 30 : 1) * (event.ctrlKey ? 6 : 1);
      this.zoomTo(this.scale * 2 ** clamp(-step / 240, -1, 1), this.fromMiddle(event, canvas));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.fromMiddle(event, canvas));
      this.start = { center: this.center, scale: this.scale, fitted: this.fitted };
    });
    canvas.addEventListener("pointermove", (event) => this.move(event, canvas));
    canvas.addEventListener("pointerup", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointercancel", (event) => { // it became a scrolling of the page
      if (this.pointers.delete(event.pointerId)) Object.assign(this, this.start);
      this.drawLater();
    });
    canvas.addEventListener("pointerleave", () => {
      this.at = this.over = null;
      this.drawLater();
    });
  }

  move(event, canvas) {
    const now = this.fromMiddle(event, canvas);
    const before = this.pointers.get(event.pointerId);
    if (before) {
      this.pointers.set(event.pointerId, now);
      const shift = before.map((n, axis) => (n - now[axis]) / this.scale / this.pointers.size);
      this.moveBy(...shift);
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) this.pinch(before, now, other);
    }
    this.over = canvas;
    this.at = now.map((n, axis) => this.center[axis] + n / this.scale);
    this.drawLater();
  }

  pinch(before, now, other) {
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    const middle = now.map((n, axis) => (n + other[axis]) / 2);
    if (apart(before) > 0) this.zoomTo((this.scale * apart(now)) / apart(before), middle);
  }

  listenToKeys() {
    const step = 40;
    const actions = {
      ArrowLeft: () => this.moveBy(-step / this.scale, 0),
      ArrowRight: () => this.moveBy(step / this.scale, 0),
      ArrowUp: () => this.moveBy(0, -step / this.scale),
      ArrowDown: () => this.moveBy(0, step / this.scale),
      "+": () => this.zoomTo(this.scale * Math.SQRT2),
      "=": () => this.zoomTo(this.scale * Math.SQRT2),
      "-": () => this.zoomTo(this.scale / Math.SQRT2),
      0: () => this.fit(),
      1: () => this.zoomTo(1),
    };
    this.stage.addEventListener("keydown", (event) => {
      const action = event.target === this.stage && !event.ctrlKey && !event.metaKey && actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
      this.drawLater();
    });
    for (const name of ["focus", "blur"]) this.stage.addEventListener(name, () => this.drawLater());
    $("zoom-in").onclick = actions["+"];
    $("zoom-out").onclick = actions["-"];
    $("zoom-fit").onclick = actions[0];
    $("zoom-one").onclick = actions[1];
  }

  listenToDivider() {
    const divider = $("divider");
    const set = (part) => {
      this.split = clamp(part, 0, 1);
      divider.style.left = `${this.split * 100}%`;
      divider.setAttribute("aria-valuenow", Math.round(this.split * 100));
      this.drawLater();
    };
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = this.canvases.swipe.getBoundingClientRect();
      set((event.clientX - box.left) / box.width);
    });
    const keys = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 };
    divider.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      set(this.split + keys[event.key]);
    });
    set(this.split);
  }

  makeControls() {
    $("mode-side").onclick = () => this.setMode("side");
    $("mode-swipe").onclick = () => this.setMode("swipe");
    const choices = [$("swipe-left"), $("swipe-right")];
    const changed = () => {
      this.sides = choices.map((select) => select.value);
      $("swipe-caption").textContent = this.sides.map((name) => NAMES[name]).join(" | ");
      this.draw();
    };
    choices.forEach((select, side) => {
      select.append(...Object.entries(NAMES).map(([value, text]) => make("option", { value }, text)));
      select.value = this.sides[side];
      select.onchange = changed;
    });
    changed();
  }
}
