/** Calls of the server. Addresses are relative: the token is in the page's own address only. */

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const TRIES = 5; // of a request that the server is too busy for
const PAUSE = 250; // milliseconds before the second try; twice as long before each further one

/** Sends a request; resolves to its Response, or throws the server's own words. */
async function call(method, path, content = {}, tries = TRIES) {
  for (let pause = PAUSE, left = tries; ; left -= 1, pause *= 2) {
    try {
      return await callOnce(method, path, content);
    } catch (error) {
      if (error.status !== 503 || left <= 1) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function callOnce(method, path, { json, body, signal }) {
  const options = { method, signal, cache: "no-store", credentials: "same-origin" };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json" };
  } else if (body !== undefined) {
    options.body = body;
    options.headers = { "Content-Type": "application/octet-stream" };
  }
  let response;
  try {
    response = await fetch(`api/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer; check that fnet web is still running", 0);
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new ApiError(said.error ?? `The server answered ${response.status}`, response.status);
}

const asJson = async (...args) => (await call(...args)).json();

/** Decodes a picture to its stored values: no color management, no premultiplied alpha. */
export async function bitmapOf(response) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  return createImageBitmap(await response.blob(), options);
}

export const about = () => asJson("GET", "about");
export const upload = ({ file, name }, signal) =>
  asJson("POST", `uploads?name=${encodeURIComponent(name)}`, { body: file, signal });
export const forget = (kind, id) => call("DELETE", `${kind}/${id}`).catch(() => {});

export const createPair = (sources, signal) => asJson("POST", "pairs", { json: sources, signal });
export const changeSettings = (pair, settings, signal) =>
  asJson("POST", `pairs/${pair}/settings`, { json: settings, signal });

export const pictureUrl = (state, name) => `api/pairs/${state.pair}/picture/${name}.png?v=${state.version}`;
export const mapUrl = (state, code, feature, full = false) =>
  `api/pairs/${state.pair}/map/${code}/${feature}.png?v=${state.version}${full ? "&full=1" : ""}`;
export const picture = async (state, name) =>
  bitmapOf(await call("GET", `pairs/${state.pair}/picture/${name}.png?v=${state.version}`));
export const fused = async (pair, edit, tries) =>
  bitmapOf(await call("POST", `pairs/${pair}/fused`, { json: edit }, tries));
export async function celsius(state) {
  const response = await call("GET", `pairs/${state.pair}/celsius.f32?v=${state.version}`);
  return new Float32Array(await response.arrayBuffer());
}

export const command = (pair, request) => asJson("POST", `pairs/${pair}/command`, { json: request });
export async function download(pair, request) {
  const response = await call("POST", `pairs/${pair}/download`, { json: request });
  return { blob: await response.blob(), name: nameIn(response.headers.get("Content-Disposition")) };
}

export const createJob = (job) => asJson("POST", "jobs", { json: job });
export const job = (id) => asJson("GET", `jobs/${id}`);
export const cancelJob = (id) => call("DELETE", `jobs/${id}`);
export const zip = async (id) => (await call("GET", `jobs/${id}/fused.zip`)).blob();

/** The file name in a Content-Disposition header. */
function nameIn(header) {
  const encoded = /filename\*=(?:UTF-8|utf-8)''([^;]+)/.exec(header ?? "");
  if (encoded) return decodeURIComponent(encoded[1]);
  return /filename="?([^";]+)"?/.exec(header ?? "")?.[1] ?? "fused.png";
}

/** Hands a blob to the browser as a download. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
