/** The page: which screen is shown, what is dropped on it, and the theme. */

import * as api from "./api.js";
import { $, busy, cancelWork, clearErrors, make, showError } from "./dom.js";
import { checkSize, Folder, megabytes } from "./folder.js";
import { Pair } from "./pair.js";
import { filesOfDrop, filesOfInput, inOrder } from "./sources.js";

const THEMES = ["auto", "light", "dark"];
const PROMPT = $("drop-text").textContent;
const SCREENS = ["start", "work", "folder"];

let about;
let pair;
let folder;
let waiting = null; // an image whose partner is not there yet

function show(screen) {
  for (const name of SCREENS) $(name).hidden = name !== screen;
  document.body.dataset.screen = screen;
  $("new").hidden = screen === "start";
  if (screen !== "work") {
    $("swap").hidden = true;
    $("pair-name").textContent = "";
  }
}

/** Opens what was dropped or chosen: one photo, one image of a pair, a pair, or many files. */
async function take(files) {
  clearErrors();
  if (!files.length) return;
  if (waiting && files.length === 1) files = [waiting.entry, ...files];
  if (files.length > about.limits.files) {
    const limit = `the limit is ${about.limits.files}`;
    showError(new Error(`${files.length} files were chosen; ${limit}. Use fnet fuse for more`));
  } else if (files.length > 2) {
    pair.close();
    forgetWaiting();
    show("folder");
    await folder.open(files);
  } else if (files.length === 2) await takeTwo(await inOrder(...files));
  else await takeOne(files[0]);
}

const send = (files) => busy("Uploading", (signal) => Promise.all(files.map(async (entry) => {
  checkSize(entry.file, about.limits.bytes);
  return api.upload(entry, signal);
})));

async function takeOne(entry) {
  const sent = (await send([entry]))?.[0];
  if (!sent) return;
  if (sent.kind === "photo") return openPair({ photo: sent.file }, [sent.file]);
  forgetWaiting();
  waiting = { entry, id: sent.file };
  backToStart();
  $("drop-text").textContent = `${entry.file.name} is one of two images. Drop or choose the other one`;
  $("choose").focus();
}

async function takeTwo(files) {
  const sent = await send(files);
  if (!sent) return;
  const ids = sent.map(({ file }) => file);
  await openPair({ i1: ids[0], i2: ids[1] }, ids);
}

async function openPair(sources, uploads) {
  forgetWaiting();
  if (!(await pair.open(sources, uploads))) {
    for (const id of uploads) api.forget("uploads", id);
    return;
  }
  folder.close();
  if (document.body.dataset.screen === "work") return;
  show("work");
  pair.viewer.resize();
  $("stage").focus({ preventScroll: true });
}

function forgetWaiting() {
  if (waiting) api.forget("uploads", waiting.id);
  waiting = null;
  $("drop-text").textContent = PROMPT;
}

function backToStart() {
  pair.close();
  folder.close();
  show("start");
}

function listenToDrops() {
  let depth = 0; // of elements that a drag has entered
  const hover = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", () => hover(1));
  addEventListener("dragleave", () => hover(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    hover(-depth);
    await filesOfDrop(event.dataTransfer).then(take).catch(showError);
  });
  for (const [button, input] of [["choose", "files"], ["choose-folder", "folder-files"]]) {
    $(button).onclick = () => $(input).click();
    $(input).onchange = () => {
      take(filesOfInput($(input))).catch(showError);
      $(input).value = ""; // so that the same file can be chosen again
    };
  }
}

function listenToTheme() {
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    $("theme").textContent = `Theme: ${theme}`;
  };
  $("theme").onclick = () =>
    set(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
  set("auto");
}

async function start() {
  listenToTheme();
  about = await api.about();
  pair = new Pair(about);
  folder = new Folder(about);
  $("version").textContent = about.version;
  $("limits").textContent = `At most ${megabytes(about.limits.bytes)} per file and ${about.limits.files} files.`;
  $("samples").append(...about.samples.map(({ name, title }) => {
    const button = make("button", { type: "button", "data-sample": name }, title);
    button.onclick = () => {
      clearErrors();
      openPair({ sample: name }, []);
    };
    return button;
  }));
  $("new").onclick = () => {
    clearErrors();
    cancelWork();
    forgetWaiting();
    backToStart();
    $("choose").focus();
  };
  $("swap").onclick = () => pair.swap();
  listenToDrops();
  addEventListener("unhandledrejection", (event) => showError(event.reason));
  document.body.dataset.ready = "true";
}

start().catch(showError);
