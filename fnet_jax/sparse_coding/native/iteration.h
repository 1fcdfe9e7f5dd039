// One iteration of a sparse coder, independent of the instruction set.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace fnet {

constexpr int ROWS = 24;     // of a tile
constexpr int COLUMNS = 32;  // of a tile
constexpr int POINTS = 32;   // rows that a tile reads and writes, those of 9×9 filters included
constexpr int MARGIN = 16;   // columns for the same, in whole vectors
constexpr int SPAN = COLUMNS + MARGIN;
constexpr int AREA = ROWS * COLUMNS;  // of a map in a tile
constexpr int LARGEST = POINTS - ROWS + 1;  // filters

constexpr int PLANES = 47;      // of the products of two spectra: 2 real ones, and 15 complex of 3
constexpr int BLOCK = 8;        // maps whose sums are in registers, with transforms
constexpr int FEW = 4;          // the same without
constexpr int CHUNK = 16;       // maps whose spectra are in the cache
constexpr int PLANE = CHUNK * COLUMNS + 16;  // no power of 2, which would crowd a set of the cache
constexpr int SUMS = COLUMNS + 2 * MARGIN;   // of sums, with zeros on both sides

// Whether filters of this size are applied with transforms, which do not help smaller ones.
constexpr bool transforms(int size) { return size >= 5; }

enum Kind : int64_t { SIGMOIDAL, HARD, SOFT };

// u = T(a u1 + b u2 + W_up images), and W_down u.
struct Iteration {
  int64_t batch, height, width;
  int in, out;  // images before and after
  int maps, size;
  Kind kind;
  float a, b, theta, alpha, gamma;
  const float *images;  // (batch, in, height, width)
  const float *scales;  // of each of them
  const float *mask;    // (batch, height, width): what is 0 there is 0 in the maps
  const float *w_up;    // (maps / FEW, in, size, size, FEW)
  const float *w_down;  // (out, maps, size, size), but of larger filters (out, size, maps, size)
  // The same for transforms: (PLANES, maps / BLOCK, in, size, BLOCK), (PLANES, out, maps, size).
  const float *planes_up, *planes_down;
  const float *u1, *u2;  // maps of the two iterations before, tile by tile; null if there are none
  float *u;              // (batch, tiles, maps, ROWS, COLUMNS); may be u2

  int64_t rows() const { return (height + ROWS - 1) / ROWS; }
  int64_t columns() const { return (width + COLUMNS - 1) / COLUMNS; }
  int64_t bands() const { return batch * rows(); }
  int64_t tiles() const { return batch * rows() * columns(); }
  int64_t patch() const { return int64_t(out) * POINTS * SPAN; }
};

// A tile, and the place of its contribution to the images after: (out, POINTS, SPAN).
struct Tile {
  int64_t image, y, x;
  int64_t at;  // of its maps
  float *patch;

  Tile(const Iteration &it, int64_t index, float *patches)
      : image(index / (it.rows() * it.columns())),
        y(index / it.columns() % it.rows() * ROWS),
        x(index % it.columns() * COLUMNS),
        at(index * it.maps * AREA),
        patch(patches + index * it.patch()) {}
};

// Copies the surroundings of a tile, from r rows above and columns before it; zeros outside.
inline void cut(const float *image, float scale, const Iteration &it, const Tile &tile, int r,
                int rows, int span, float *to) {
  const int64_t first = std::max<int64_t>(tile.x - r, 0);
  const int64_t last = std::min<int64_t>(tile.x - r + span, it.width);
  for (int64_t y = tile.y - r; y < tile.y - r + rows; ++y, to += span) {
    std::fill(to, to + span, 0.f);
    if (y < 0 || y >= it.height) continue;
    for (int64_t x = first; x < last; ++x) to[x - (tile.x - r)] = scale * image[y * it.width + x];
  }
}

// Writes a row of tiles of the images after: the sums over their tiles and the rows above and
// below, and 0 outside the mask.
inline void paste(const Iteration &it, int64_t band, float *patches, float *images) {
  const int r = it.size / 2, span = COLUMNS + 2 * r;
  const int64_t image = band / it.rows(), row = band % it.rows();
  const int64_t top = row * ROWS, bottom = std::min(top + ROWS, it.height);
  float *const first = images + image * it.out * it.height * it.width;
  for (int c = 0; c < it.out; ++c)
    std::fill(first + (c * it.height + top) * it.width, first + (c * it.height + bottom) * it.width,
              0.f);
  for (int64_t near = std::max<int64_t>(row - 1, 0); near < std::min(row + 2, it.rows()); ++near)
    for (int64_t column = 0; column < it.columns(); ++column) {
      const Tile tile(it, (image * it.rows() + near) * it.columns() + column, patches);
      const int64_t left = std::max<int64_t>(tile.x - r, 0);
      const int64_t right = std::min(tile.x - r + span, it.width);
      const int64_t above = std::max(tile.y - r, top);
      const int64_t below = std::min(tile.y + ROWS + r, bottom);
      for (int c = 0; c < it.out; ++c)
        for (int64_t y = above; y < below; ++y) {
          const float *const from =
              tile.patch + (c * POINTS + y - tile.y + r) * SPAN - (tile.x - r);
          float *const to = first + (c * it.height + y) * it.width;
          for (int64_t x = left; x < right; ++x) to[x] += from[x];
        }
    }
  const float *const mask = it.mask + image * it.height * it.width;
  for (int c = 0; c < it.out; ++c)
    for (int64_t k = top * it.width; k < bottom * it.width; ++k)
      first[c * it.height * it.width + k] *= mask[k];
}

// Computes a tile in a buffer of floats.
struct Engine {
  const char *name;
  int64_t (*room)(const Iteration &);
  void (*compute)(const Iteration &, const Tile &, float *memory);
};

}  // namespace fnet
