// The engine without XLA: the choice of instruction set, and threads that share the tiles.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>

#include "iteration.h"

namespace fnet {

// All instruction sets are compiled from one source; the last is the compiler's baseline.
#if defined(__x86_64__)
#if defined(__clang__)
#define TARGET(features) \
  PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define END_TARGET _Pragma("clang attribute pop")
#else
#define TARGET(features) _Pragma("GCC push_options") PRAGMA(GCC target(features))
#define END_TARGET _Pragma("GCC pop_options")
#endif
#define PRAGMA(text) _Pragma(#text)

TARGET("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
namespace avx512 {
#define LANES 16
#define MANY_REGISTERS true
#include "kernels.h"
#undef LANES
#undef MANY_REGISTERS
}  // namespace avx512
END_TARGET

TARGET("avx2,fma")
namespace avx2 {
#define LANES 8
#define MANY_REGISTERS false
#include "kernels.h"
#undef LANES
#undef MANY_REGISTERS
}  // namespace avx2
END_TARGET
#endif

namespace baseline {
#define LANES 4
#if defined(__aarch64__)
#define MANY_REGISTERS true
#else
#define MANY_REGISTERS false
#endif
#include "kernels.h"
#undef LANES
#undef MANY_REGISTERS
}  // namespace baseline

// The fastest engine of this machine, or the one with a name; null if there is none.
inline const Engine *engine(const char *wanted) {
  static const Engine engines[] = {
#if defined(__x86_64__)
      {"avx512", avx512::room, avx512::compute},
      {"avx2", avx2::room, avx2::compute},
#endif
      {"baseline", baseline::room, baseline::compute},
  };
  for (const Engine &one : engines) {
    if (wanted && *wanted && std::strcmp(wanted, one.name)) continue;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (one.compute == avx512::compute &&
        !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")))
      continue;
    if (one.compute != baseline::compute &&
        !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")))
      continue;
#endif
    return &one;
  }
  return nullptr;
}

struct Free {
  void operator()(float *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<float, Free>;

inline Memory memory_of(int64_t floats) {
  void *memory = nullptr;
  if (posix_memalign(&memory, 64, sizeof(float) * (floats + 16))) throw std::bad_alloc();
  return Memory(static_cast<float *>(memory));
}

// An iteration, whose parts several threads take one by one: first the tiles, then the rows of
// tiles of the images after. A thread may begin after all is done: the work has to live until then.
class Work {
 public:
  // All memory is allocated here, where std::bad_alloc can still be reported.
  Work(const Iteration &iteration, const Engine &engine, int64_t threads, float *images)
      : it_(iteration),
        engine_(engine),
        images_(images),
        room_((engine.room(it_) + 15) / 16 * 16),
        rooms_(memory_of(room_ * threads)),
        patches_(memory_of(it_.tiles() * it_.patch())),
        tiles_(it_.tiles()),
        bands_(it_.bands()) {
    std::fill(rooms_.get(), rooms_.get() + room_ * threads, 0.f);
  }

  // Called once by each thread; returns when all is done.
  void take_part() {
    float *const room = rooms_.get() + room_ * taken_++;
    tiles_.share([&](int64_t k) { engine_.compute(it_, Tile(it_, k, patches_.get()), room); });
    bands_.share([&](int64_t k) { paste(it_, k, patches_.get(), images_); });
  }

 private:
  // Parts, each of which is taken once.
  class Parts {
   public:
    explicit Parts(int64_t count) : count_(count) {}

    template <class Do> void share(Do &&part) {
      for (int64_t k; (k = next_++) < count_;) {
        part(k);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (++done_ == count_) all_done_.notify_all();
      }
      std::unique_lock<std::mutex> lock(mutex_);
      all_done_.wait(lock, [this] { return done_ == count_; });
    }

   private:
    const int64_t count_;
    std::atomic<int64_t> next_{0};
    int64_t done_ = 0;
    std::mutex mutex_;
    std::condition_variable all_done_;
  };

  const Iteration it_;
  const Engine &engine_;
  float *const images_;  // (batch, out, height, width)
  const int64_t room_;   // floats
  const Memory rooms_, patches_;
  std::atomic<int64_t> taken_{0};
  Parts tiles_, bands_;
};

}  // namespace fnet
