/** Many files: uploaded, paired and fused as one job. */

import * as api from "./api.js";
import { $, busy, make, progress, showError } from "./dom.js";
import { formatSelect, row, Settings } from "./settings.js";

const TOGETHER = 3; // uploads at a time
const POLL = 400; // milliseconds between two looks at a job

export class Folder {
  constructor(about) {
    this.limit = about.limits.bytes;
    this.settings = new Settings($("folder-settings"), about, { prefix: "folder", register: true });
    this.format = formatSelect("folder-format", about);
    $("folder-settings").append(row("Format", this.format));
    $("folder-fuse").onclick = () => this.fuse();
    $("folder-cancel").onclick = () => api.cancelJob(this.job).catch(showError);
    $("folder-zip").onclick = () =>
      busy("Preparing the download", async () => api.save(await api.zip(this.job), "fused.zip"));
    this.uploaded = new Map();
  }

  /** Uploads files and lists them. */
  async open(files) {
    this.close();
    $("folder-fuse").disabled = true;
    this.files = files;
    this.list(files.map(({ name }) => ({ name, state: "waiting" })));
    this.say("ready", `${files.length} files`);
    await busy(`Uploading ${files.length} files`, (signal) => this.uploadAll(signal));
    const count = this.uploaded.size;
    this.say("ready", `${count} of ${files.length} files uploaded`);
    $("folder-fuse").disabled = count < 2;
    $("folder-fuse").focus();
  }

  async uploadAll(signal) {
    const queue = [...this.files.entries()];
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [index, entry] = next;
        try {
          checkSize(entry.file, this.limit);
          this.uploaded.set(entry, (await api.upload(entry, signal)).file);
          this.mark(index, "uploaded");
        } catch (error) {
          if (error.name === "AbortError") throw error;
          this.mark(index, "failed", error.message);
        }
        const done = this.files.length - queue.length;
        progress(done, this.files.length, `Uploading ${done} of ${this.files.length} files`);
      }
    };
    await Promise.all(Array.from({ length: TOGETHER }, work));
  }

  async fuse() {
    const settings = this.settings.values();
    const format = this.format.value || null;
    const files = this.files.map((entry) => this.uploaded.get(entry)).filter(Boolean); // in their order
    $("folder-fuse").disabled = true;
    try {
      this.job = (await api.createJob({ files, settings, format })).job;
      $("folder-cancel").hidden = false;
      $("folder-zip").hidden = true;
      await this.follow(this.job);
    } catch (error) {
      showError(error);
    } finally {
      $("folder-fuse").disabled = false;
      $("folder-cancel").hidden = true;
    }
  }

  async follow(id) {
    for (;;) {
      const job = await api.job(id);
      if (id !== this.job) return;
      this.list(job.names);
      const lines = [...job.lines, ...(job.unmatched ?? []).map((name) => `${name} has no partner`)];
      $("folder-lines").replaceChildren(...lines.map((line) => make("li", {}, line)));
      $("folder-bar").max = Math.max(1, job.total);
      $("folder-bar").value = job.done;
      this.say(job.state, `${job.done} of ${job.total} pairs, ${job.state}`);
      if (job.state !== "running") {
        $("folder-zip").hidden = job.state !== "done";
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  }

  list(names) {
    const emptyRow = () => make("tr", {}, make("td"), make("td"));
    $("folder-list").replaceChildren(...names.map(emptyRow));
    names.forEach(({ name, state, error }, index) => {
      $("folder-list").children[index].firstChild.textContent = name;
      this.mark(index, state, error);
    });
  }

  mark(index, state, error) {
    const row = $("folder-list").children[index];
    row.dataset.state = state;
    row.lastChild.textContent = error ? `${state}: ${error}` : state;
  }

  say(state, text) {
    $("folder-state").dataset.state = state;
    $("folder-state").textContent = text;
  }

  /** Forgets the job and its files. */
  close() {
    if (this.job) api.forget("jobs", this.job);
    for (const id of this.uploaded.values()) api.forget("uploads", id);
    this.job = null;
    this.uploaded.clear();
    $("folder-lines").replaceChildren();
    $("folder-bar").value = 0;
    $("folder-zip").hidden = true;
  }
}

export const megabytes = (bytes) => `${Math.ceil(bytes / 2 ** 20)} MB`;

/** Refuses a file before it travels. */
export function checkSize(file, limit) {
  if (file.size <= limit) return;
  const sizes = `${megabytes(file.size)}; the limit is ${megabytes(limit)}`;
  throw new Error(`${file.name} has ${sizes}. Use fnet fuse for larger files`);
}
