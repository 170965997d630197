// SPDX-License-Identifier: Apache-2.0
// The bundled model, loaded as calibration loads one, on the device that tests run on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "../support/bundled_model.h"
#include "../support/test_device.h"

namespace jang::calibrate {

inline SilentObserver silent;

inline std::unique_ptr<engine::Engine> load(int n_threads = 2) {
  engine::LoadOptions options;
  options.n_threads = n_threads;
  options.precision = kernels::Precision::exact;
  auto engine = engine::Engine::load(test::kBundledModel, jang::test::on_test_device(options));
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(engine).value() : nullptr;
}

}  // namespace jang::calibrate
