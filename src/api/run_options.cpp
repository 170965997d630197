// SPDX-License-Identifier: Apache-2.0
// From the options of the public API to those of the layers below.
#include "jang/run_options.h"

#include "api/access.h"
#include "format/checkpoint.h"

namespace jang {

Status as_input_failure(const Status& status) {
  return status.code() == StatusCode::invalid_argument ? Status(StatusCode::not_found, status.message()) : status;
}

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<std::string> find_input(const std::string& name, const RunOptions& run) {
  Result<std::string> directory = find_model(name, run.hub);
  return directory.ok() ? directory : as_input_failure(directory.status());
}

Observer& observer_of(const RunOptions& run) {
  static SilentObserver silent;  // has no state
  return run.observer != nullptr ? *run.observer : silent;
}

quantize::RunOptions quantize_options(const RunOptions& run) {
  quantize::RunOptions options;
  options.n_threads = run.threads;
  options.observer = &observer_of(run);
  options.cancel = run.cancel;
  options.backend = run.backend;
  return options;
}

engine::LoadOptions load_options(const RunOptions& run, kernels::Precision precision) {
  engine::LoadOptions options;
  options.n_threads = run.threads;
  options.precision = precision;
  options.backend = run.backend;
  options.lenient = run.lenient;
  return options;
}

}  // namespace jang
