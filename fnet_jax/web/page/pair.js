/** The pair on the page: opened, shown, changed, downloaded and closed. */

import * as api from "./api.js";
import { $, busy, enlarge, make, showError } from "./dom.js";
import { Inside } from "./inside.js";
import { refreshMaps } from "./maps.js";
import { readOut } from "./readout.js";
import { formatSelect, Settings } from "./settings.js";
import { Edit, Live } from "./sliders.js";
import { Viewer } from "./view.js";

const NOTABLE = 2; // pixels of displacement
const COMMAND_DELAY = 250; // milliseconds of rest before the command line is asked for

export class Pair {
  constructor(about) {
    this.state = null;
    this.celsius = null;
    this.edit = new Edit(() => this.edited());
    this.viewer = new Viewer((pixel) => readOut(pixel, this.viewer.images, this.viewer.size, this.celsius));
    this.live = new Live((fused) => this.viewer.show({ fused }), () => this.askCommand());
    this.inside = new Inside(this.edit);
    this.settings = new Settings($("settings"), about, { changed: (settings) => this.change(settings) });
    $("format-label").append(formatSelect("format", about));
    $("format").onchange = () => this.askCommand();
    $("register").onclick = () => this.change({ register: "auto" }, "Registering");
    $("unregister").onclick = () => this.change({ register: "none" }, "Undoing the registration");
    $("download").onclick = () => this.download();
    $("copy").onclick = () => copyCommand();
    $("notes-dismiss").onclick = () => { $("notes-area").hidden = true; };
    for (const name of ["before", "after"]) {
      $(name).onerror = () => { $(`${name}-open`).hidden = true; };
      $(`${name}-open`).onclick = () => enlarge($(name).alt, $(name).src);
    }
  }

  /** Opens a pair, given as POST api/pairs reads it; `uploads` are its files, in the order I1, I2. */
  async open(sources, uploads = []) {
    const opened = await busy("Fusing", async (signal) => {
      const state = await api.createPair(sources, signal);
      this.close({ keep: uploads });
      this.uploads = uploads;
      this.edit.reset();
      this.viewer.clear();
      await this.apply(state);
      return true;
    });
    return Boolean(opened);
  }

  /** Shows a state of the server: all that depends on it is loaded again. */
  async apply(state) {
    this.state = state;
    $("work").dataset.pair = state.pair;
    $("pair-name").textContent = `${state.name} · ${state.width} × ${state.height}`;
    this.settings.show(state.settings);
    this.edit.enable(state.live);
    $("why").hidden = state.live;
    $("why").textContent = state.why ?? "";
    $("swap").hidden = this.uploads.length !== 2;
    this.showRegistration(state);
    this.showNotes(state.notes);
    const [i1, i2, fused, celsius] = await Promise.all([
      api.picture(state, "i1"), api.picture(state, "i2"), api.fused(state.pair, this.edit.request()),
      state.thermal ? api.celsius(state) : null,
    ]);
    if (this.state !== state) return;
    this.celsius = celsius;
    $("degrees-cell").hidden = !state.thermal;
    this.viewer.show({ i1, i2, fused }, [state.width, state.height]);
    this.inside.show(state);
    this.askCommand();
    $("work").dataset.version = state.version;
  }

  edited() {
    refreshMaps(this.edit);
    if (this.state?.live) this.live.want(this.state.pair, this.edit.request());
  }

  /** Changes settings; on an error the fields return to what the server has. */
  async change(settings, text = "Fusing") {
    const focused = document.activeElement;
    const fields = [$("register"), $("unregister"), $("download")];
    this.settings.enable(false);
    for (const field of fields) field.disabled = true;
    await busy(text, async (signal) => {
      await this.apply(await api.changeSettings(this.state.pair, settings, signal));
    });
    this.settings.enable(true);
    for (const field of fields) field.disabled = false;
    this.settings.show(this.state.settings);
    if (document.activeElement === document.body) // as a field that is disabled or hidden loses the focus
      [focused, ...fields].find((field) => !field.hidden).focus();
  }

  async swap() {
    const [first, second] = this.uploads;
    const uploads = [second, first];
    const { color, range, size, register } = this.state.settings;
    await this.open({ i1: second, i2: first, color, range, size, register }, uploads);
  }

  showRegistration({ registration: found, displaced, settings }) {
    const status = $("registration");
    status.dataset.accepted = found ? found.accepted : "";
    $("checkerboards").hidden = !found;
    $("register").hidden = Boolean(found?.applied);
    $("unregister").hidden = settings.register === "none" || !found?.applied;
    if (!found) {
      status.textContent = displaced > NOTABLE ? `I2 appears displaced by ${displaced.toFixed(1)} pixels.` : "";
      return;
    }
    const way = found.model === "start" ? "no correction was needed" : `by ${found.model}`;
    const lines = [found.accepted ? `Accepted: ${way}.` : `Refused: ${found.reason}.`];
    if (Number.isFinite(found.expected_error))
      lines.push(`Expected error: ${found.expected_error.toFixed(1)} pixels.`);
    status.textContent = lines.join(" ").replace("..", ".");
    for (const name of ["before", "after"]) {
      $(`${name}-open`).hidden = false;
      $(name).width = this.state.width;
      $(name).height = this.state.height;
      $(name).src = api.pictureUrl(this.state, name);
    }
  }

  showNotes(notes) {
    $("notes").replaceChildren(...notes.map((note) => make("li", {}, note)));
    $("notes-area").hidden = !notes.length;
  }

  request() {
    return { format: $("format").value || null, edit: this.edit.request() };
  }

  askCommand() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (!this.state) return;
      try {
        showCommand((await api.command(this.state.pair, this.request())).command);
      } catch (error) {
        showError(error);
      }
    }, COMMAND_DELAY);
  }

  async download() {
    await busy("Preparing the download", async () => {
      const { blob, name } = await api.download(this.state.pair, this.request());
      api.save(blob, name);
    });
  }

  /** Closes the pair; the server forgets it and its files, except those to `keep`. */
  close({ keep = [] } = {}) {
    this.live.stop();
    clearTimeout(this.timer);
    if (!this.state) return;
    api.forget("pairs", this.state.pair);
    for (const id of this.uploads) if (!keep.includes(id)) api.forget("uploads", id);
    this.state = null;
  }
}

/** Shows a command line; lines break between its words only. */
function showCommand(line) {
  const words = line.split(" ").flatMap((word) => [make("span", {}, word), " "]);
  $("command").replaceChildren(...words.slice(0, -1));
}

async function copyCommand() {
  const text = $("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    $("copied").textContent = "Copied";
  } catch { // no clipboard outside loopback and HTTPS
    getSelection().selectAllChildren($("command"));
    $("copied").textContent = "Selected; copy it with the keyboard";
  }
  setTimeout(() => { $("copied").textContent = ""; }, 3000);
}
