/** Elements, and the messages that the page shows. */

export const $ = (id) => document.getElementById(id);

/** Makes an element; text goes through textContent, so names of files are never parsed as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Makes a <select> from [value, text] pairs. */
export function makeSelect(id, choices, value = choices[0][0]) {
  const select = make("select", { id });
  select.append(...choices.map(([name, text]) => make("option", { value: name }, text)));
  select.value = value;
  return select;
}

/** A picture of a pair, laid out in its final shape before it arrives; a busy server is asked again. */
export function sized(state, src, alt, attributes = {}) {
  const size = { width: state.width, height: state.height };
  const picture = make("img", { src, alt, ...size, decoding: "async", ...attributes });
  let left = 3; // tries
  picture.onerror = () => {
    left -= 1;
    if (left) setTimeout(() => { picture.src = src; }, 1000);
  };
  return picture;
}

/** Shows a picture in a window of its own. */
export function enlarge(title, src) {
  $("enlarged-title").textContent = title;
  $("enlarged-image").alt = title;
  $("enlarged-image").src = src;
  $("enlarged").showModal();
}

/** Shows an error until it is dismissed; at most four at a time, each text once. */
export function showError(error) {
  if (error?.name === "AbortError") return;
  const text = error?.message ?? String(error);
  const box = $("errors");
  for (const shown of box.children) if (shown.firstChild.textContent === text) return;
  while (box.children.length > 3) box.firstChild.remove();
  const label = "Dismiss this error";
  const close = make("button", { type: "button", class: "dismiss", "aria-label": label }, "×");
  const shown = make("div", { class: "error" }, make("p", {}, text), close);
  close.onclick = () => shown.remove();
  box.append(shown);
}

export const clearErrors = () => $("errors").replaceChildren();

let current = null; // the AbortController of the work that is shown as busy

export const cancelWork = () => current?.abort();

/** Runs slow work behind a line that says what happens and can cancel it; newer work cancels older.
 * Errors are shown, not thrown. */
export async function busy(text, work) {
  cancelWork();
  const stop = new AbortController();
  current = stop;
  $("busy-text").textContent = text;
  $("busy-bar").removeAttribute("value");
  $("busy-cancel").onclick = cancelWork;
  $("busy").hidden = false;
  document.body.setAttribute("aria-busy", "true");
  try {
    return await work(stop.signal);
  } catch (error) {
    showError(error);
    return undefined;
  } finally {
    if (current === stop) {
      current = null;
      $("busy").hidden = true;
      document.body.removeAttribute("aria-busy");
    }
  }
}

/** Says how far the work that is shown as busy has come. */
export function progress(done, total, text) {
  $("busy-bar").max = total;
  $("busy-bar").value = done;
  $("busy-text").textContent = text;
}
