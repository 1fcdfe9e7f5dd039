/** From what is dropped or chosen to files, and to the order of two. */

const FIRST = ["vi", "vis", "visible", "vl", "rgb", "color", "colour", "ct", "pet", "spect"];
const SECOND = ["ir", "inf", "infrared", "nir", "lwir", "thermal", "mr", "mri"];
const CHROMA = 12; // difference of two channels from which a pixel is colored, of 255

/** All files of a drop, with those in folders, as { file, name }; the name has the folders. */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  return (await Promise.all(entries.map((entry) => filesOfEntry(entry, "")))).flat();
}

async function filesOfEntry(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return file.name.startsWith(".") ? [] : [{ file, name: folder + file.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader returns a limited number of entries per call
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map((child) => filesOfEntry(child, `${folder}${entry.name}/`)))).flat();
}

/** The files of an <input type=file>. */
export function filesOfInput(input) {
  const files = [...input.files].filter((file) => !file.name.startsWith("."));
  return files.map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

/** Positive for names of I1, negative for names of I2, 0 if unknown. */
export function hint(name) {
  const words = name.toLowerCase().split(/[^a-z]+/);
  const count = (known) => words.filter((word) => known.includes(word)).length;
  return Math.sign(count(FIRST) - count(SECOND));
}

/** Two files as [I1, I2]: by name, else color before grey, else as given. */
export async function inOrder(first, second) {
  let order = hint(first.name) - hint(second.name);
  if (!order) {
    const colored = await Promise.all([first, second].map(({ file }) => isColored(file)));
    order = Number(colored[0]) - Number(colored[1]);
  }
  return order < 0 ? [second, first] : [first, second];
}

/** Whether an image has colors; false if the browser cannot read it. */
async function isColored(file) {
  try {
    const image = await createImageBitmap(file, { resizeWidth: 64, resizeHeight: 64 });
    const context = new OffscreenCanvas(64, 64).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, 64, 64);
    for (let i = 0; i < data.length; i += 4) {
      const channels = data.subarray(i, i + 3);
      if (Math.max(...channels) - Math.min(...channels) > CHROMA) return true;
    }
  } catch {
    // such as TIFF, which browsers do not decode
  }
  return false;
}
