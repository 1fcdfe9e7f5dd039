/** The values under the pointer. */

import { $ } from "./dom.js";
import { NAMES } from "./view.js";

const one = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

/** The stored value of a pixel, "128" or "12 40 200", without a copy of the whole image. */
function valueOf(image, pixel, size) {
  const place = (n, axis) => Math.floor(((pixel[axis] + 0.5) * n) / size[axis]);
  const [x, y] = [image.width, image.height].map(place);
  one.clearRect(0, 0, 1, 1);
  one.drawImage(image, -x, -y);
  const [red, green, blue] = one.getImageData(0, 0, 1, 1).data;
  return red === green && green === blue ? `${red}` : `${red} ${green} ${blue}`;
}

/** Writes position, values and temperature of a pixel; dashes for null. */
export function readOut(pixel, images, size, celsius) {
  $("at").textContent = pixel ? pixel.join(", ") : "–";
  for (const name of Object.keys(NAMES)) {
    $(`value-${name}`).textContent = pixel && images[name] ? valueOf(images[name], pixel, size) : "–";
  }
  const degrees = pixel && celsius ? celsius[pixel[1] * size[0] + pixel[0]] : NaN;
  $("degrees").textContent = Number.isNaN(degrees) ? "–" : `${degrees.toFixed(1)} °C`;
}
