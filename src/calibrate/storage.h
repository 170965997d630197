// SPDX-License-Identifier: Apache-2.0
// The storage of a unit at some choice, encoded in memory from the running model's own weights: what calibration puts into the decoder and
// takes out again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/units.h"
#include "engine/engine.h"
#include "plan/plan.h"
#include "quantize/importance.h"

namespace jang::calibrate {

// Where the weights of a unit lie: views for every module, and the bytes behind them unless they are the source's own.
struct Storage {
  struct Module {
    std::string path;
    std::vector<kernels::MatrixView> views;
    std::vector<std::uint32_t> words;
    std::vector<std::byte> scales, biases;
  };
  std::vector<Module> modules;
  double error = 0;  // relative squared error, weighted by the inputs
};

struct EncodeOptions {
  plan::Method method = plan::Method::fit;
  DType param_dtype = DType::bf16;
};

// The unit at `choice`, encoded from `source` (its own views). Errors: unsupported (a source that is packed already).
[[nodiscard]] Result<Storage> encode_unit(engine::Engine& engine, const arch::Unit& unit, const Storage& source, plan::Choice choice,
                                          const quantize::Importance& importance, const EncodeOptions& options);
// The views a decoder has for the unit now.
[[nodiscard]] Storage current_storage(engine::Engine& engine, const arch::Unit& unit);
// Puts the storage into the decoder; it must outlive its use there.
[[nodiscard]] Status install(model::Decoder& decoder, const Storage& storage);

}  // namespace jang::calibrate
