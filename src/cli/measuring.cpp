// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/measuring.h"

#include <fmt/format.h>

#include "cli/failure.h"
#include "cli/planning.h"
#include "cli/units.h"
#include "jang/hub.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kMaxTokens = std::int64_t{1} << 32;
constexpr std::int64_t kMaxShots = 32;
constexpr std::int64_t kMaxContext = 1 << 20;

Result<std::optional<std::int64_t>> optional_integer(const Arguments& arguments, std::string_view name, std::int64_t least,
                                                     std::int64_t most) {
  if (!arguments.has(name)) return std::optional<std::int64_t>();
  JANG_ASSIGN(const std::int64_t value, parse_integer(arguments.value(name), name, least, most));
  return std::optional(value);
}

}  // namespace

Result<ModelOptions> measuring_model_options(const Arguments& arguments) {
  ModelOptions options;
  options.arithmetic = arguments.has("--fast") ? Arithmetic::fast : Arithmetic::exact;
  JANG_ASSIGN(const RunOptions run, run_options(arguments, {}));
  options.threads = run.threads;
  options.backend = run.backend;
  options.lenient = run.lenient;
  return options;
}

Result<TextOptions> text_options(const Arguments& arguments) {
  TextOptions options;
  options.file = arguments.value("--file");
  options.protocol = arguments.value("--protocol");
  JANG_ASSIGN(options.context, optional_integer(arguments, "--ctx", 2, kMaxContext));
  JANG_ASSIGN(options.stride, optional_integer(arguments, "--stride", 1, kMaxContext));
  JANG_ASSIGN(const auto tokens, optional_integer(arguments, "--tokens", 1, kMaxTokens));
  options.max_tokens = tokens.value_or(0);
  return options;
}

Result<MmluOptions> mmlu_options(const Arguments& arguments) {
  MmluOptions options;
  JANG_ASSIGN(const std::int64_t shots, parse_integer(arguments.value("--shots"), "--shots", 0, kMaxShots));
  options.shots = static_cast<int>(shots);
  options.first_200 = arguments.value("--subset") == "200";
  return options;
}

Result<Model> open_measured_model(const std::string& typed, const Surroundings& surroundings, const ModelOptions& options) {
  const Result<std::string> directory = find_model(typed, surroundings.hub);
  if (!directory.ok()) return as_input_failure(directory.status());
  Result<Model> model = Model::open(directory.value(), options);
  return model.ok() ? std::move(model) : as_input_failure(model.status());
}

}  // namespace jang::cli
