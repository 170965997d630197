// SPDX-License-Identifier: Apache-2.0
// The device that tests of models run on: the fastest CPU backend; with JANG_TEST_DEVICE=guarded in the environment the one whose memory
// host code cannot touch, with the name of a backend that one: cuda. ctest runs every decoder, calibration and evaluation test on the first
// two; no test expects a card.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "guarded_device.h"
#include "kernels/devices.h"

namespace jang::test {

[[nodiscard]] inline bool guarded() {
  const char* device = std::getenv("JANG_TEST_DEVICE");
  return device != nullptr && std::string_view(device) == "guarded";
}
// Of kernels::open_device: "" unless JANG_TEST_DEVICE names another.
[[nodiscard]] inline std::string test_backend() {
  const char* device = std::getenv("JANG_TEST_DEVICE");
  return device == nullptr || guarded() ? "" : device;
}

[[nodiscard]] inline Result<std::unique_ptr<kernels::Device>> open_test_device(ThreadPool* pool = nullptr) {
  if (guarded()) return std::unique_ptr<kernels::Device>(std::make_unique<GuardedDevice>(pool));
  return kernels::open_device(test_backend(), pool);
}

// The same for tests that load a model.
[[nodiscard]] inline engine::LoadOptions on_test_device(engine::LoadOptions options) {
  if (guarded()) options.device = [](ThreadPool* pool) { return open_test_device(pool); };
  if (const std::string backend = test_backend(); !backend.empty()) options.backend = backend;
  return options;
}

}  // namespace jang::test
