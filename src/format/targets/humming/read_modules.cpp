// SPDX-License-Identifier: Apache-2.0
// One module after the other: its scheme, its parts, their types and shapes.
#include "format/targets/humming/read_modules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/checked.h"
#include "codec/column_codes.h"
#include "format/targets/hugging_face.h"
#include "format/targets/humming/packed_parts.h"
#include "format/targets/humming/quantization_config.h"

namespace jang::targets::humming {
namespace {

using format::Bundle;
using format::BundleModule;
using format::Checkpoint;
using format::StoredTensor;

Status corrupt(const std::string& why) { return {StatusCode::corrupt, why}; }

class PackedModuleReader {
 public:
  PackedModuleReader(const Checkpoint& c, ModuleSchemes* schemes, const std::string& path) : c_(c), schemes_(*schemes) {
    module_.path = path;
  }
  Result<BundleModule> run() {
    JANG_ASSIGN(const std::string* const entry, schemes_.left_out(module_.path));
    if (entry != nullptr) return corrupt("it is packed, and config.json leaves it out: " + json::quote(*entry));
    if (module_.path == kHead || module_.path.ends_with("." + std::string(kHead)))
      return corrupt("output heads are not packed by this method");
    JANG_ASSIGN(scheme_, schemes_.scheme_of(module_.path));
    JANG_TRY(find_codes_and_scales());
    JANG_TRY(find_zero_points());
    module_.format = codec::find_format(scheme_.kind, static_cast<int>(scheme_.bits), static_cast<int>(scheme_.group_size));
    if (module_.format == nullptr) return Status(StatusCode::unsupported, describe(scheme_) + " is no format of this version");
    return std::move(module_);
  }

 private:
  [[nodiscard]] const TensorInfo& info_at(int index) const { return c_.tensors()[static_cast<std::size_t>(index)].info; }
  [[nodiscard]] int find(std::string_view name) const { return c_.find(module_.path + "." + std::string(name)); }

  Status find_codes_and_scales() {
    module_.planes = {find(kWeight), find(kScale)};
    if (module_.planes[0] < 0) return corrupt("weight_scale without weight");
    const TensorInfo &w = info_at(module_.planes[0]), &s = info_at(module_.planes[1]);
    if (w.dtype != DType::i32 || w.shape.size() != 2)
      return corrupt(fmt::format("weight is {} {}, expected a matrix of I32", jang::name(w.dtype), to_string(w.shape)));
    if ((s.dtype != DType::bf16 && s.dtype != DType::f16 && s.dtype != DType::f32) || s.shape.size() != 2)
      return corrupt(fmt::format("weight_scale is {} {}, expected a matrix of BF16, F16 or F32", jang::name(s.dtype), to_string(s.shape)));
    // in * bits = words * 32 and in = groups * group.
    const auto in = checked_mul<std::int64_t>(s.shape[1], scheme_.group_size), bits = in ? checked_mul(*in, scheme_.bits) : std::nullopt,
               stored = checked_mul<std::int64_t>(w.shape[1], 32);
    if (w.shape[0] != s.shape[0] || !bits || !stored || *bits != *stored || *in <= 0)
      return corrupt(fmt::format("weight {} and weight_scale {} contradict what config.json says of it: {}", to_string(w.shape),
                                 to_string(s.shape), describe(scheme_)));
    module_.shape = {w.shape[0], *in};
    return {};
  }

  Status find_zero_points() {
    const int zero = find(kZeroPoint);
    const bool has_zeros = scheme_.kind != codec::Kind::symmetric;
    if ((zero >= 0) != has_zeros)
      return corrupt(fmt::format("it has {}zero_point, and config.json says of it: {}", has_zeros ? "no " : "", describe(scheme_)));
    if (!has_zeros) return {};
    const TensorInfo &z = info_at(zero), &s = info_at(module_.planes[1]);
    const int bits = static_cast<int>(scheme_.bits);
    const bool whole = scheme_.kind == codec::Kind::integer_zero;
    if (whole && module_.shape[0] % 32 != 0)
      return {StatusCode::unsupported, fmt::format("whole zero points of {} rows do not fill words", module_.shape[0])};
    const Shape expected = {whole ? codec::column_words(s.shape[0], bits) : s.shape[0], s.shape[1]};
    const DType dtype = whole ? DType::i32 : s.dtype;
    if (z.dtype != dtype || z.shape != expected)
      return corrupt(fmt::format("zero_point is {} {}, expected {} {}", jang::name(z.dtype), to_string(z.shape), jang::name(dtype),
                                 to_string(expected)));
    module_.planes.push_back(zero);
    if (whole) module_.arranged[2] = down_columns(bits);
    return {};
  }

  const Checkpoint& c_;
  ModuleSchemes& schemes_;
  BundleModule module_;
  Scheme scheme_;
};

const json::Value* humming_config(const Checkpoint& c) { return json::find(c.config(), "quantization_config"); }

}  // namespace

bool is_packed(const Checkpoint& checkpoint) {
  const json::Value* config = humming_config(checkpoint);
  const json::Value* method = config != nullptr ? json::find(*config, "quant_method") : nullptr;
  if (method == nullptr || *method != "humming") return false;
  return std::ranges::any_of(checkpoint.tensors(), [](const StoredTensor& t) { return t.info.name.ends_with("." + std::string(kScale)); });
}

Status read_modules(Bundle* bundle) {
  const Checkpoint& c = bundle->checkpoint;
  JANG_CHECK(humming_config(c) != nullptr);
  auto schemes = ModuleSchemes::create(*humming_config(c));
  if (!schemes.ok()) return schemes.status().with_context(c.path() + "/config.json");
  bundle->is_quantized = true;
  const std::string suffix = "." + std::string(kScale);
  std::vector<bool> taken(c.tensors().size());
  for (const StoredTensor& t : c.tensors()) {
    if (!t.info.name.ends_with(suffix)) continue;
    const std::string path = t.info.name.substr(0, t.info.name.size() - suffix.size());
    auto module = PackedModuleReader(c, &*schemes, path).run();
    if (!module.ok()) return module.status().with_context("module " + path).with_context(c.path());
    for (const int i : module->planes) taken[static_cast<std::size_t>(i)] = true;
    bundle->modules.push_back(std::move(module).value());
  }
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (!taken[i]) bundle->plain.push_back(static_cast<int>(i));
  return {};
}

void check_config(const Bundle& bundle, std::vector<format::Finding>* findings) {
  const json::Value* config = humming_config(bundle.checkpoint);
  auto schemes = config != nullptr ? ModuleSchemes::create(*config) : Result<ModuleSchemes>(Status(StatusCode::corrupt, ""));
  if (!schemes.ok()) return;  // read_modules has said it
  for (const ModuleSchemes::Entry& entry : schemes->entries()) {
    const bool names_any = names_a_module(bundle, [&](const std::string& module) {
      const auto found = schemes->names(entry, module);
      return !found.ok() || *found;
    });
    if (!names_any)
      findings->push_back({entry.scheme ? format::Severity::error : format::Severity::warning, "config.json",
                           "quantization_config has " + json::quote(entry.text) + ", which names no module"});
  }
}

}  // namespace jang::targets::humming
