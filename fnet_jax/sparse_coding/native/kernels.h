// One iteration on one tile, with vectors of LANES floats.
//
// This file is included once for each instruction set, in a separate namespace, after LANES and
// MANY_REGISTERS (32 rather than 16) are defined. It calls no function of the standard library,
// because the linker would keep only one of several equal ones.
//
// Filters of many rows are applied as products of Fourier transforms along y, of 32 points for 24
// rows and the 8 rows that 9×9 filters reach beyond them, and as direct sums along x; vectors run
// along x. A complex product is three real ones (Gauss), so all products form PLANES real planes,
// in each of which a correlation is one sum over channels and taps. Filters of few rows are applied
// as direct sums, row by row.

#define INLINE inline __attribute__((always_inline))
#define INLINED __attribute__((always_inline))
#define APART __attribute__((noinline))  // compiled once, not for each size of filters

typedef float V __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));

INLINE V load(const float *from) { return *reinterpret_cast<const Unaligned *>(from); }
INLINE void store(float *to, V value) { *reinterpret_cast<Unaligned *>(to) = value; }
INLINE V all(float value) { return value - V{}; }
INLINE V kept(V value, V bits) {
  return reinterpret_cast<V>(reinterpret_cast<Integers>(value) & reinterpret_cast<Integers>(bits));
}
INLINE V larger(V one, V two) { return one > two ? one : two; }

template <int k> struct Number {
  static constexpr int value = k;
};
template <int... k, class F>
INLINE void each_of(std::integer_sequence<int, k...>, [[maybe_unused]] F f) {
  (f(Number<k>{}), ...);
}
// f(0), …, f(count - 1), with compile-time constants.
template <int count, class F> INLINE void each(F f) {
  each_of(std::make_integer_sequence<int, count>{}, f);
}

// ---- Fourier transforms of 32 real values, of LANES columns at a time -----------------------

constexpr float COS[9] = {1.f,          0.980785280f, 0.923879533f, 0.831469612f, 0.707106781f,
                          0.555570233f, 0.382683432f, 0.195090322f, 0.f};  // of 2πk/32

// X[k] = Σ x[offset + stride n] exp(-2πi kn/N) for k = 0…N/2, of which the first rows are given.
template <int given, int N, int stride, int offset>
INLINE void transform(const V *x, V *re, V *im) {
  if constexpr (N == 2 && offset + stride >= given) {
    re[0] = re[1] = x[offset];
  } else if constexpr (N == 2) {
    re[0] = x[offset] + x[offset + stride];
    re[1] = x[offset] - x[offset + stride];
  } else {
    constexpr int half = N / 2, quarter = N / 4;
    V even_re[quarter + 1], even_im[quarter + 1], odd_re[quarter + 1], odd_im[quarter + 1];
    transform<given, half, 2 * stride, offset>(x, even_re, even_im);
    transform<given, half, 2 * stride, offset + stride>(x, odd_re, odd_im);
    re[0] = even_re[0] + odd_re[0];
    re[half] = even_re[0] - odd_re[0];
    re[quarter] = even_re[quarter];
    im[quarter] = -odd_re[quarter];
    each<quarter - 1>([&](auto number) INLINED {
      constexpr int k = decltype(number)::value + 1;
      constexpr float c = COS[k * 32 / N], s = COS[8 - k * 32 / N];
      const V a = c * odd_re[k] + s * odd_im[k], b = c * odd_im[k] - s * odd_re[k];
      re[k] = even_re[k] + a;
      im[k] = even_im[k] + b;
      re[half - k] = even_re[k] - a;
      im[half - k] = b - even_im[k];
    });
  }
}

// x[offset + stride n] = Σ X[k] exp(2πi kn/N), where X[N - k] is the conjugate of X[k].
template <int N, int stride, int offset> INLINE void inverse(const V *re, const V *im, V *x) {
  if constexpr (N == 2) {
    x[offset] = re[0] + re[1];
    x[offset + stride] = re[0] - re[1];
  } else {
    constexpr int half = N / 2, quarter = N / 4;
    V even_re[quarter + 1], even_im[quarter + 1], odd_re[quarter + 1], odd_im[quarter + 1];
    even_re[0] = re[0] + re[half];
    odd_re[0] = re[0] - re[half];
    even_re[quarter] = re[quarter] + re[quarter];
    odd_re[quarter] = -(im[quarter] + im[quarter]);
    each<quarter - 1>([&](auto number) INLINED {
      constexpr int k = decltype(number)::value + 1;
      constexpr float c = COS[k * 32 / N], s = COS[8 - k * 32 / N];
      even_re[k] = re[k] + re[half - k];
      even_im[k] = im[k] - im[half - k];
      const V a = re[k] - re[half - k], b = im[k] + im[half - k];
      odd_re[k] = c * a - s * b;
      odd_im[k] = c * b + s * a;
    });
    inverse<half, 2 * stride, offset>(even_re, even_im, x);
    inverse<half, 2 * stride, offset + stride>(odd_re, odd_im, x);
  }
}

// The planes of a spectrum: X[0], X[16], and for k = 1…15 Re + Im, Re and Im of X[k].
template <int given> APART void to_planes(const V *x, float *planes, int64_t plane) {
  V re[17], im[17];
  transform<given, 32, 1, 0>(x, re, im);
  store(planes, re[0]);
  store(planes + plane, re[16]);
  each<15>([&](auto number) INLINED {
    constexpr int k = decltype(number)::value + 1, first = 3 * k - 1;
    store(planes + first * plane, re[k] + im[k]);
    store(planes + (first + 1) * plane, re[k]);
    store(planes + (first + 2) * plane, im[k]);
  });
}

// The 32 values whose products of spectra are given, plane by plane.
APART void from_planes(const float *planes, int64_t plane, V *x) {
  V re[17], im[17];
  re[0] = load(planes);
  re[16] = load(planes + plane);
  each<15>([&](auto number) INLINED {
    constexpr int k = decltype(number)::value + 1, first = 3 * k - 1;
    const V sum = load(planes + first * plane);
    re[k] = sum - load(planes + (first + 2) * plane);
    im[k] = sum + load(planes + (first + 1) * plane);
  });
  inverse<32, 1, 0>(re, im, x);
}

// ---- sums of products -----------------------------------------------------------------------

// Sums that fit into the registers beside what is multiplied.
constexpr int MAPS = MANY_REGISTERS ? 8 : 4;
constexpr int WIDTH = MANY_REGISTERS ? 2 * LANES : LANES;

// y[o][x] = Σ images[c][i][x + j] · w[c][i][j][o] for maps o of a block and 2 LANES columns x.
template <int block, int size, int rows>
INLINE void up(const float *images, int64_t image, int in, const float *w, float *y) {
  constexpr int maps = block < MAPS ? block : MAPS;
  for (int first = 0; first < block; first += maps) {
    V sum[maps][2] = {};
    const float *from = images, *weights = w + first;
    for (int c = 0; c < in; ++c, from += image)
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < size; ++j, weights += block) {
          const V one = load(from + i * SPAN + j), two = load(from + i * SPAN + j + LANES);
          each<maps>([&](auto number) INLINED {
            constexpr int o = decltype(number)::value;
            sum[o][0] += weights[o] * one;
            sum[o][1] += weights[o] * two;
          });
        }
    each<maps>([&](auto number) INLINED {
      constexpr int o = decltype(number)::value;
      store(y + (first + o) * COLUMNS, sum[o][0]);
      store(y + (first + o) * COLUMNS + LANES, sum[o][1]);
    });
  }
}

// sums[j][x] = Σ maps[o][x] · w[o][j] over some maps o, for WIDTH columns x, added to what they
// were if there have been maps before.
template <int taps>
INLINE void down(const float *maps, int count, const float *w, float *sums, bool before) {
  constexpr int vectors = WIDTH / LANES;
  V sum[taps][vectors] = {};
  if (before)
    each<taps * vectors>([&](auto number) INLINED {
      constexpr int j = decltype(number)::value / vectors, k = decltype(number)::value % vectors;
      sum[j][k] = load(sums + j * SUMS + k * LANES);
    });
  for (int o = 0; o < count; ++o, maps += COLUMNS, w += taps) {
    V values[vectors];
    each<vectors>([&](auto k) INLINED {
      values[decltype(k)::value] = load(maps + decltype(k)::value * LANES);
    });
    each<taps * vectors>([&](auto number) INLINED {
      constexpr int j = decltype(number)::value / vectors, k = decltype(number)::value % vectors;
      sum[j][k] += w[j] * values[k];
    });
  }
  each<taps * vectors>([&](auto number) INLINED {
    constexpr int j = decltype(number)::value / vectors, k = decltype(number)::value % vectors;
    store(sums + j * SUMS + k * LANES, sum[j][k]);
  });
}

// The sums of all taps, each where it belongs: those of tap j lie size - 1 - j columns right.
template <int size> INLINE V shifted(const float *sums, int x) {
  V sum{};
  each<size>([&](auto number) INLINED {
    constexpr int j = decltype(number)::value;
    sum += load(sums + j * SUMS + MARGIN + x + j - (size - 1));
  });
  return sum;
}

// ---- the threshold --------------------------------------------------------------------------

INLINE V size_of(V x) { return reinterpret_cast<V>(reinterpret_cast<Integers>(x) & 0x7fffffff); }
INLINE V with_sign_of(V x, V size) {
  return reinterpret_cast<V>((reinterpret_cast<Integers>(x) & INT32_MIN) ^
                             reinterpret_cast<Integers>(size));
}

// Coefficients of the polynomial closest to 2^t for |t| ≤ ½, by relative error.
constexpr float POWERS[6] = {1.000000072f,   0.6931469671f,   0.2402211972f,
                             0.05550713275f, 0.009675541331f, 0.001327647152f};

// 2^x for |x| ≤ 120, with a relative error of 3e-7.
INLINE V power_of_2(V x) {
  const V shifted = x + 12582912.f;  // 1.5 · 2²³: the nearest integer, in the low bits
  const V t = x - (shifted - 12582912.f);
  V p = t * POWERS[5] + POWERS[4];
  p = p * t + POWERS[3];
  p = p * t + POWERS[2];
  p = p * t + POWERS[1];
  p = p * t + POWERS[0];
  return reinterpret_cast<V>(reinterpret_cast<Integers>(p) +
                             (reinterpret_cast<Integers>(shifted) << 23));
}

template <Kind kind> INLINE V thresholded(V x, const Iteration &it) {
  const V size = size_of(x);
  if constexpr (kind == HARD) return size > it.theta ? x : V{};
  if constexpr (kind == SOFT) return size <= it.theta ? V{} : with_sign_of(x, size - it.theta);
  constexpr float LOG2_E = 1.44269504f;
  V z = it.gamma * LOG2_E * it.theta - it.gamma * LOG2_E * size;
  z = z > -120 ? z : all(-120.f);
  if (it.gamma * LOG2_E * it.theta > 120) z = z < 120 ? z : all(120.f);
  const V shrunk = with_sign_of(x, size - it.alpha * it.theta);
  return x == 0 ? V{} : shrunk / (1.f + power_of_2(z));
}

// Some vectors of maps become those of this iteration, by momentum and threshold: values[k] at
// k · step, in the maps at `at` + k · place, kept where the bits at k · row are.
template <Kind kind>
APART void update_by(const Iteration &it, float *values, int64_t step, int count, int64_t at,
                     int64_t place, const float *inside, int64_t row) {
  for (int k = 0; k < count; ++k, values += step, at += place, inside += row) {
    V value = load(values);
    if (it.u1) value += it.a * load(it.u1 + at);
    if (it.u2) value += it.b * load(it.u2 + at);
    value = kept(thresholded<kind>(value, it), load(inside));
    store(it.u + at, value);
    store(values, value);
  }
}

template <class... Arguments> INLINE void update(const Iteration &it, Arguments... arguments) {
  if (it.kind == SIGMOIDAL) update_by<SIGMOIDAL>(it, arguments...);
  if (it.kind == HARD) update_by<HARD>(it, arguments...);
  if (it.kind == SOFT) update_by<SOFT>(it, arguments...);
}

// Starts to load part k of count of some floats of the maps into the cache.
INLINE void fetch(const float *maps, int64_t at, int64_t floats, int k, int count) {
  if (!maps) return;
  for (int64_t f = floats * k / count / 16; f < floats * (k + 1) / count / 16; ++f)
    __builtin_prefetch(maps + at + 16 * f, 0, 2);
}

// ---- an iteration on a tile -----------------------------------------------------------------

// The memory in which a tile is computed. All is 0 at first; the margins of sums stay 0.
struct Room {
  float *inside;  // bits: all where the image is, else none
  float *images, *near, *rows, *spectra, *maps, *sums, *sum;
  int64_t taken = 0;

  Room(float *memory, const Iteration &it) {
    const bool planes = transforms(it.size);
    inside = next(memory, AREA);
    near = next(memory, POINTS * SPAN);
    rows = next(memory, POINTS * COLUMNS);
    images = next(memory, it.in * POINTS * SPAN);
    const int64_t row = (it.maps + FEW - 1) / FEW * FEW * COLUMNS;  // of all maps
    maps = next(memory, planes && row < PLANES * PLANE ? PLANES * PLANE : row);
    sums = next(memory, (planes ? PLANES : it.size) * it.out * it.size * SUMS);
    spectra = next(memory, planes ? PLANES * it.in * SPAN : 0);
    sum = next(memory, planes ? PLANES * it.out * SPAN : 0);
  }

  float *next(float *memory, int64_t floats) {
    taken += floats;
    return memory + taken - floats;
  }
};

INLINE void clear(float *from, int64_t count) {
  for (int64_t k = 0; k < count; ++k) from[k] = 0;
}

// Whether some pixels see far smaller images than others of the tile. Transforms have rounding
// errors relative to the largest, but a threshold with a step at 0 is sensitive to the smallest:
// black areas, and the few pixels over which light decays into them, are left to direct sums.
template <int size> INLINE bool uneven(const Iteration &it, const Room &room) {
  V most{};
  for (int64_t y = 0; y < POINTS; ++y)
    for (int64_t x = 0; x < SPAN; x += LANES) {
      V value{};
      for (int c = 0; c < it.in; ++c)
        value = larger(value, size_of(load(room.images + (c * POINTS + y) * SPAN + x)));
      store(room.near + y * SPAN + x, value);
      most = larger(most, value);
    }
  float limit = 0;
  for (int k = 0; k < LANES; ++k) limit = most[k] > limit ? most[k] : limit;
  limit /= 1024;
  for (int64_t y = 0; y < POINTS; ++y)  // the largest of each row of a window
    for (int64_t x = 0; x < COLUMNS; x += LANES) {
      V value{};
      for (int j = 0; j < size; ++j) value = larger(value, load(room.near + y * SPAN + x + j));
      store(room.rows + y * COLUMNS + x, value);
    }
  Integers small{};
  for (int64_t y = 0; y < ROWS; ++y)
    for (int64_t x = 0; x < COLUMNS; x += LANES) {
      V value{};
      for (int i = 0; i < size; ++i) value = larger(value, load(room.rows + (y + i) * COLUMNS + x));
      small |= (value < limit) & reinterpret_cast<Integers>(load(room.inside + y * COLUMNS + x));
    }
  int32_t any = 0;
  for (int k = 0; k < LANES; ++k) any |= small[k];
  return any;
}

// The place in a tile of row y of a map's columns from x on: map by map, in halves of 16 columns,
// with transforms, else row by row.
template <int size> INLINE int64_t place(const Iteration &it, int64_t o, int64_t y, int64_t x) {
  if constexpr (transforms(size)) return o * AREA + (x / 16 * ROWS + y) * 16 + x % 16;
  return (y * it.maps + o) * COLUMNS + x;
}

template <int size>
void with_transforms(const Iteration &it, const Tile &tile, const Room &room) {
  for (int c = 0; c < it.in; ++c)
    for (int64_t x = 0; x < SPAN; x += LANES) {
      V values[POINTS];
      each<POINTS>([&](auto number) INLINED {
        constexpr int y = decltype(number)::value;
        values[y] = load(room.images + (c * POINTS + y) * SPAN + x);
      });
      to_planes<POINTS>(values, room.spectra + c * SPAN + x, it.in * SPAN);
    }
  const int blocks = (it.maps + BLOCK - 1) / BLOCK;
  for (int first = 0; first < it.maps; first += CHUNK) {
    const int maps = it.maps - first < CHUNK ? it.maps - first : CHUNK;
    const int64_t at = tile.at + first * AREA;
    for (int q = 0; q < PLANES; ++q) {
      fetch(it.u1, at, maps * AREA, q, PLANES);
      fetch(it.u2, at, maps * AREA, q, PLANES);
      for (int o = 0; o < maps; o += BLOCK)
        for (int64_t x = 0; x < COLUMNS; x += 2 * LANES)
          up<BLOCK, size, 1>(
              room.spectra + q * it.in * SPAN + x, SPAN, it.in,
              it.planes_up + (q * blocks + (first + o) / BLOCK) * it.in * size * BLOCK,
              room.maps + q * PLANE + o * COLUMNS + x);
    }
    for (int o = 0; o < maps; ++o)
      for (int64_t x = 0; x < COLUMNS; x += LANES) {
        V values[POINTS];
        float *const planes = room.maps + o * COLUMNS + x;
        from_planes(planes, PLANE, values);
        const int64_t here = at + place<size>(it, o, 0, x);
        update(it, reinterpret_cast<float *>(values), LANES, ROWS, here, 16, room.inside + x,
               COLUMNS);
        to_planes<ROWS>(values, planes, PLANE);
      }
    for (int q = 0; q < PLANES; ++q)
      for (int c = 0; c < it.out; ++c)
        for (int64_t x = 0; x < COLUMNS; x += WIDTH)
          down<size>(room.maps + q * PLANE + x, maps,
                     it.planes_down + ((q * it.out + c) * it.maps + first) * size,
                     room.sums + (q * it.out + c) * size * SUMS + MARGIN + x, first > 0);
  }
  for (int row = 0; row < PLANES * it.out; ++row)
    for (int64_t x = 0; x < SPAN; x += LANES)
      store(room.sum + row * SPAN + x, shifted<size>(room.sums + row * size * SUMS, x));
  for (int c = 0; c < it.out; ++c)
    for (int64_t x = 0; x < SPAN; x += LANES) {
      V values[POINTS];
      from_planes(room.sum + c * SPAN + x, it.out * SPAN, values);
      each<POINTS>([&](auto number) INLINED {
        constexpr int y = decltype(number)::value;
        store(tile.patch + (c * POINTS + y) * SPAN + x, values[y]);
      });
    }
}

constexpr int AHEAD = 2;  // rows for which the cache has time

template <int size>
void directly(const Iteration &it, const Tile &tile, const Room &room) {
  constexpr int rows = transforms(size) ? 1 : size;  // of filters, with sums in registers at once
  constexpr int taps = rows * size;
  clear(tile.patch, it.patch());
  for (int64_t y = 0; y < ROWS; ++y) {
    if constexpr (!transforms(size)) {
      const int64_t row = it.maps * COLUMNS, at = tile.at + (y + AHEAD) * row;
      fetch(it.u1, at, row, 0, 1);
      fetch(it.u2, at, row, 0, 1);
    }
    for (int o = 0; o < it.maps; o += FEW)
      for (int64_t x = 0; x < COLUMNS; x += 2 * LANES)
        up<FEW, size, size>(room.images + y * SPAN + x, POINTS * SPAN, it.in,
                            it.w_up + o * it.in * size * size, room.maps + o * COLUMNS + x);
    for (int64_t x = 0; x < COLUMNS; x += LANES)
      update(it, room.maps + x, COLUMNS, it.maps, tile.at + place<size>(it, 0, y, x),
             place<size>(it, 1, 0, 0), room.inside + y * COLUMNS + x, 0);
    for (int c = 0; c < it.out; ++c)
      for (int i = 0; i < size; i += rows)
        for (int64_t x = 0; x < COLUMNS; x += WIDTH)
          down<taps>(room.maps + x, it.maps, it.w_down + (c * size + i) * it.maps * size,
                     room.sums + (c * size + i) * size * SUMS + MARGIN + x, false);
    for (int c = 0; c < it.out; ++c)
      for (int i = 0; i < size; ++i) {
        float *const to = tile.patch + (c * POINTS + y + size - 1 - i) * SPAN;
        const float *const sums = room.sums + (c * size + i) * size * SUMS;
        for (int64_t x = 0; x < SPAN; x += LANES)
          store(to + x, load(to + x) + shifted<size>(sums, x));
      }
  }
}

template <int size>
void by_size(const Iteration &it, const Tile &tile, const Room &room) {
  if constexpr (size <= LARGEST) {
    if (it.size != size) return by_size<size + 2>(it, tile, room);
    if constexpr (transforms(size))
      if (!uneven<size>(it, room)) return with_transforms<size>(it, tile, room);
    directly<size>(it, tile, room);
  }
}

void compute(const Iteration &it, const Tile &tile, float *memory) {
  const Room room(memory, it);
  cut(it.mask + tile.image * it.height * it.width, 1, it, tile, 0, ROWS, COLUMNS, room.inside);
  Integers any{};
  for (int64_t k = 0; k < AREA; k += LANES) {
    const Integers bits = load(room.inside + k) != 0;
    any |= bits;
    store(room.inside + k, reinterpret_cast<V>(bits));
  }
  int32_t some = 0;
  for (int k = 0; k < LANES; ++k) some |= any[k];
  if (!some) return clear(tile.patch, it.patch());  // nothing reads its maps
  for (int c = 0; c < it.in; ++c)
    cut(it.images + (tile.image * it.in + c) * it.height * it.width, it.scales[c], it, tile,
        it.size / 2, POINTS, SPAN, room.images + c * POINTS * SPAN);
  by_size<1>(it, tile, room);
}

int64_t room(const Iteration &it) { return Room(nullptr, it).taken; }

#undef INLINE
#undef INLINED
#undef APART
