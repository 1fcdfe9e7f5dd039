// Holds the compiled engine against its definition, without Python: for sanitizers and emulators.
//
// Usage: native_check [INSTRUCTIONS]. Prints the largest difference; fails if that is too large.

#include <cmath>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "engine.h"

namespace {

using fnet::Iteration;
using Floats = std::vector<float>;

constexpr int POINTS = fnet::POINTS;
const double TURN = 2 * std::acos(-1.0);

struct Case {
  int64_t batch, height, width;
  int in, out, maps, size;
  fnet::Kind kind;
  int before;  // how many iterations went before
};

int ceiling(int value, int step) { return (value + step - 1) / step * step; }

// The factors of the planes of a filter's spectrum, of one column of it.
std::vector<double> planes_of(const std::vector<double> &column, int sign) {
  std::vector<double> ends, inner;
  for (int k = 0; k <= POINTS / 2; ++k) {
    double c = 0, d = 0;
    for (size_t n = 0; n < column.size(); ++n) {
      c += column[n] * std::cos(TURN * k * n / POINTS) / POINTS;
      d += sign * column[n] * std::sin(TURN * k * n / POINTS) / POINTS;
    }
    if (k % (POINTS / 2) == 0) ends.push_back(c);
    else inner.insert(inner.end(), {c, d - c, c + d});
  }
  ends.insert(ends.end(), inner.begin(), inner.end());
  return ends;
}

double thresholded(double x, const Iteration &it) {
  const double size = std::abs(x), sign = x > 0 ? 1 : x < 0 ? -1 : 0;
  if (it.kind == fnet::HARD) return size > it.theta ? x : 0;
  if (it.kind == fnet::SOFT) return sign * std::max(size - it.theta, 0.0);
  return sign * (size - it.alpha * it.theta) / (1 + std::exp(it.gamma * (it.theta - size)));
}

double check(const Case &c, const fnet::Engine &engine, unsigned seed) {
  std::mt19937 dice(seed);
  const auto random = [&](int64_t count, float scale) {
    std::uniform_real_distribution<float> values(-scale, scale);
    Floats floats(count);
    for (float &x : floats) x = values(dice);
    return floats;
  };
  const int r = c.size / 2, K = c.maps, S = c.size;
  Iteration it{};
  it.batch = c.batch, it.height = c.height, it.width = c.width;
  it.in = c.in, it.out = c.out, it.maps = K, it.size = S, it.kind = c.kind;
  it.a = 1.3f, it.b = -0.3f, it.theta = 0.2f, it.alpha = 0.1f, it.gamma = 10.f;
  const int64_t pixels = c.height * c.width, tiles = it.tiles();
  const Floats images = random(c.batch * c.in * pixels, 1);
  const Floats up = random(S * S * c.in * K, 1.f / S), down = random(S * S * K * c.out, 1.f / S);
  Floats mask(c.batch * pixels, 1), result(c.batch * c.out * pixels), u(tiles * K * fnet::AREA);
  for (int64_t k = 0; k < pixels; ++k) mask[k] = k / c.width < c.height - 1;  // of the first image
  const Floats u1 = random(u.size(), 1), u2 = random(u.size(), 1);

  // Filters as the engine takes them, from up[i][j][c][o] and down[i][j][o][c].
  const int few = ceiling(K, fnet::FEW), padded = ceiling(K, fnet::BLOCK);
  Floats w_up(int64_t(few) * c.in * S * S), w_down(int64_t(c.out) * K * S * S);
  Floats planes_up(int64_t(fnet::PLANES) * padded * c.in * S);
  Floats planes_down(int64_t(fnet::PLANES) * c.out * K * S);
  for (int image = 0; image < c.in; ++image)
    for (int o = 0; o < K; ++o)
      for (int j = 0; j < S; ++j) {
        std::vector<double> column;
        for (int i = 0; i < S; ++i) {
          column.push_back(up[((i * S + j) * c.in + image) * K + o]);
          w_up[(((int64_t(o / fnet::FEW) * c.in + image) * S + i) * S + j) * fnet::FEW +
               o % fnet::FEW] = float(column.back());
        }
        const auto spectrum = planes_of(column, 1);
        for (int q = 0; q < fnet::PLANES; ++q)
          planes_up[(((int64_t(q) * padded / fnet::BLOCK + o / fnet::BLOCK) * c.in + image) * S + j) *
                        fnet::BLOCK +
                    o % fnet::BLOCK] = float(spectrum[q]);
      }
  for (int o = 0; o < K; ++o)
    for (int image = 0; image < c.out; ++image)
      for (int j = 0; j < S; ++j) {
        std::vector<double> column;
        for (int i = 0; i < S; ++i) {
          column.push_back(down[((i * S + j) * K + o) * c.out + image]);
          w_down[fnet::transforms(S) ? ((int64_t(image) * S + i) * K + o) * S + j
                                     : ((int64_t(image) * K + o) * S + i) * S + j] =
              float(column.back());
        }
        const auto spectrum = planes_of({column.rbegin(), column.rend()}, -1);
        for (int q = 0; q < fnet::PLANES; ++q)
          planes_down[((int64_t(q) * c.out + image) * K + o) * S + j] = float(spectrum[q]);
      }

  const Floats scales = random(c.in, 2);
  it.scales = scales.data(), it.images = images.data(), it.mask = mask.data();
  it.w_up = w_up.data(), it.w_down = w_down.data(), it.u = u.data();
  it.planes_up = planes_up.data(), it.planes_down = planes_down.data();
  it.u1 = c.before > 0 ? u1.data() : nullptr, it.u2 = c.before > 1 ? u2.data() : nullptr;
  fnet::Work work(it, engine, 2, result.data());
  std::thread other([&] { work.take_part(); });
  work.take_part();
  other.join();

  // The same by the definition; where a map's pixel lies in the engine's layout is not told.
  const auto place = [&](int64_t n, int o, int64_t y, int64_t x) {
    const int64_t tile = (n * it.rows() + y / fnet::ROWS) * it.columns() + x / fnet::COLUMNS;
    const int64_t row = y % fnet::ROWS, column = x % fnet::COLUMNS;
    const int64_t inner = fnet::transforms(S)
                              ? o * fnet::AREA + (column / 16 * fnet::ROWS + row) * 16 + column % 16
                              : (row * K + o) * fnet::COLUMNS + column;
    return tile * K * fnet::AREA + inner;
  };
  double worst = 0;
  std::vector<double> maps(c.batch * K * pixels);
  for (int64_t n = 0; n < c.batch; ++n)
    for (int o = 0; o < K; ++o)
      for (int64_t y = 0; y < c.height; ++y)
        for (int64_t x = 0; x < c.width; ++x) {
          double sum = 0;
          for (int image = 0; image < c.in; ++image)
            for (int i = 0; i < S; ++i)
              for (int j = 0; j < S; ++j) {
                const int64_t yy = y + i - r, xx = x + j - r;
                if (yy >= 0 && yy < c.height && xx >= 0 && xx < c.width)
                  sum += double(scales[image]) *
                         images[(n * c.in + image) * pixels + yy * c.width + xx] *
                         up[((i * S + j) * c.in + image) * K + o];
              }
          if (c.before > 0) sum += double(it.a) * u1[place(n, o, y, x)];
          if (c.before > 1) sum += double(it.b) * u2[place(n, o, y, x)];
          const bool inside = mask[n * pixels + y * c.width + x] != 0;
          maps[(n * K + o) * pixels + y * c.width + x] = inside ? thresholded(sum, it) : 0;
        }
  for (int64_t n = 0; n < c.batch; ++n)
    for (int image = 0; image < c.out; ++image)
      for (int64_t y = 0; y < c.height; ++y)
        for (int64_t x = 0; x < c.width; ++x) {
          double sum = 0;
          for (int o = 0; o < K; ++o)
            for (int i = 0; i < S; ++i)
              for (int j = 0; j < S; ++j) {
                const int64_t yy = y + i - r, xx = x + j - r;
                if (yy >= 0 && yy < c.height && xx >= 0 && xx < c.width)
                  sum += maps[(n * K + o) * pixels + yy * c.width + xx] *
                         down[((i * S + j) * K + o) * c.out + image];
              }
          sum *= mask[n * pixels + y * c.width + x];
          const double got = result[(n * c.out + image) * pixels + y * c.width + x];
          worst = std::max(worst, std::abs(sum - got));
        }
  return worst;
}

}  // namespace

int main(int count, char **arguments) {
  const fnet::Engine *const engine = fnet::engine(count > 1 ? arguments[1] : nullptr);
  if (!engine) return std::puts("no such instructions here"), 2;
  const Case cases[] = {
      {1, 1, 1, 1, 1, 1, 9, fnet::SIGMOIDAL, 0},   {2, 25, 33, 3, 2, 17, 9, fnet::SIGMOIDAL, 2},
      {1, 24, 32, 2, 4, 16, 7, fnet::HARD, 1},     {1, 30, 70, 6, 1, 9, 5, fnet::SOFT, 2},
      {2, 25, 33, 3, 2, 11, 3, fnet::SIGMOIDAL, 2}, {1, 49, 5, 1, 1, 5, 1, fnet::SOFT, 1},
      {1, 1, 40, 6, 4, 3, 3, fnet::HARD, 0},
  };
  double worst = 0;
  unsigned seed = 0;
  for (const Case &c : cases) worst = std::max(worst, check(c, *engine, seed++));
  std::printf("%s: %.2g\n", engine->name, worst);
  return worst < 1e-4 ? 0 : 1;  // of sums of up to 1,400 products of about 1, in float32
}
