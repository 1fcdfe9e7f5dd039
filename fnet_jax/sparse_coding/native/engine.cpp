// One iteration of a sparse coder as an XLA call on a CPU.

#include "engine.h"
#include "xla/ffi/api/ffi.h"

namespace fnet {

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;

ffi::Error run(ffi::ThreadPool pool, Floats images, Floats mask, Floats w_up, Floats w_down,
               Floats planes_up, Floats planes_down, Floats u1, Floats u2, Floats scalars,
               ffi::ResultBuffer<ffi::F32> u, ffi::ResultBuffer<ffi::F32> after, int64_t before,
               int64_t maps, int64_t size, int64_t kind) {
  const Engine *const chosen = engine(std::getenv("FNET_INSTRUCTIONS"));
  if (!chosen) return ffi::Error::InvalidArgument("FNET_INSTRUCTIONS: not on this machine");
  const auto from = images.dimensions(), to = after->dimensions();
  const float *const s = scalars.typed_data();
  Iteration it{};
  it.batch = from[0], it.in = int(from[1]), it.height = from[2], it.width = from[3];
  it.out = int(to[1]), it.maps = int(maps), it.size = int(size), it.kind = Kind(kind);
  it.a = s[0], it.b = s[1], it.theta = s[2], it.alpha = s[3], it.gamma = s[4], it.scales = s + 5;
  it.images = images.typed_data(), it.mask = mask.typed_data();
  it.w_up = w_up.typed_data(), it.w_down = w_down.typed_data();
  it.planes_up = planes_up.typed_data(), it.planes_down = planes_down.typed_data();
  it.u1 = before > 0 ? u1.typed_data() : nullptr;
  it.u2 = before > 1 ? u2.typed_data() : nullptr;
  it.u = u->typed_data();
  const int64_t floats = it.tiles() * maps * AREA;
  if (int64_t(u->element_count()) != floats ||
      (it.u1 && int64_t(u1.element_count()) != floats) ||
      (it.u2 && int64_t(u2.element_count()) != floats))
    return ffi::Error::InvalidArgument("maps of another size");
  if (!it.tiles()) return ffi::Error::Success();
  try {
    const int64_t threads = std::clamp<int64_t>(pool.num_threads(), 1, it.tiles());
    const auto work = std::make_shared<Work>(it, *chosen, threads, after->typed_data());
    for (int64_t k = 1; k < threads; ++k) pool.Schedule([work] { work->take_part(); });
    work->take_part();
  } catch (const std::bad_alloc &) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "too little memory");
  }
  return ffi::Error::Success();
}

}  // namespace fnet

// The number changes with the arguments of the call, as in binding.py.
XLA_FFI_DEFINE_HANDLER_SYMBOL(fnet_iteration_1, fnet::run,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Arg<fnet::Floats>()
                                  .Ret<fnet::Floats>()
                                  .Ret<fnet::Floats>()
                                  .Attr<int64_t>("before")
                                  .Attr<int64_t>("maps")
                                  .Attr<int64_t>("size")
                                  .Attr<int64_t>("kind"));

extern "C" const char *fnet_instructions() {
  const fnet::Engine *const found = fnet::engine(std::getenv("FNET_INSTRUCTIONS"));
  return found ? found->name : "";
}
