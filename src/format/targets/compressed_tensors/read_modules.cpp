// SPDX-License-Identifier: Apache-2.0
// One module after the other: its parts, their types and shapes, its scheme.
#include "format/targets/compressed_tensors/read_modules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"
#include "codec/column_codes.h"
#include "format/targets/compressed_tensors/packed_parts.h"
#include "format/targets/compressed_tensors/quantization_config.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::compressed_tensors {
namespace {

using format::Bundle;
using format::BundleModule;
using format::Checkpoint;
using format::StoredTensor;

constexpr std::string_view kActivationOrder = "weight_g_idx";

// Words of a row when every word holds whole codes.
std::int64_t padded_words(std::int64_t in, int bits) { return ceil_div<std::int64_t>(in, 32 / bits); }

class ModuleReader {
 public:
  ModuleReader(const Checkpoint& c, ModuleSchemes* schemes, std::string path) : c_(c), schemes_(*schemes) {
    module_.path = std::move(path);
  }
  Result<BundleModule> run();
  // Tensors of the module, planes and others.
  [[nodiscard]] const std::vector<int>& taken() const { return taken_; }

 private:
  [[nodiscard]] Status fail(StatusCode code, const std::string& why) const { return {code, "module " + module_.path + ": " + why}; }
  [[nodiscard]] Status corrupt(const std::string& why) const { return fail(StatusCode::corrupt, why); }
  [[nodiscard]] const StoredTensor& stored(int index) const { return c_.tensors()[static_cast<std::size_t>(index)]; }
  int take(std::string_view name) {
    const int index = c_.find(module_.path + "." + std::string(name));
    if (index >= 0) taken_.push_back(index);
    return index;
  }
  Status find_parts();
  Status read_shape();
  Status find_scheme();
  [[nodiscard]] Status no_scheme(const std::vector<int>& groups) const;
  Status check_zero_points();

  const Checkpoint& c_;
  ModuleSchemes& schemes_;
  BundleModule module_;
  std::vector<int> taken_;
  int packed_ = -1, scale_ = -1, zero_point_ = -1, shape_ = -1;
  std::int64_t out_ = 0, in_ = 0, words_ = 0, n_groups_ = 0;
  Scheme scheme_;
};

Status ModuleReader::find_parts() {
  packed_ = take(kPacked);
  scale_ = take(kScale);
  zero_point_ = take(kZeroPoint);
  shape_ = take(kShape);
  if (c_.find(module_.path + "." + std::string(kActivationOrder)) >= 0)
    return fail(StatusCode::unsupported, "its groups are ordered by activations (weight_g_idx)");
  if (scale_ < 0) return corrupt("weight_packed without weight_scale");
  if (shape_ < 0) return corrupt("weight_packed without weight_shape");
  const TensorInfo &p = stored(packed_).info, &s = stored(scale_).info;
  if (p.dtype != DType::i32) return corrupt("weight_packed has type " + std::string(name(p.dtype)) + ", expected I32");
  if (s.dtype != DType::bf16 && s.dtype != DType::f16 && s.dtype != DType::f32)
    return corrupt("weight_scale has type " + std::string(name(s.dtype)) + ", expected BF16, F16 or F32");
  if (p.shape.size() != 2 || s.shape.size() != 2 || p.shape[0] != s.shape[0])
    return corrupt("weight_packed " + to_string(p.shape) + " and weight_scale " + to_string(s.shape) + " do not belong together");
  out_ = p.shape[0];
  words_ = p.shape[1];
  n_groups_ = s.shape[1];
  return {};
}

Status ModuleReader::read_shape() {
  const StoredTensor& t = stored(shape_);
  if (t.info.dtype != DType::i64 || t.info.shape != Shape{2})
    return corrupt("weight_shape is " + std::string(name(t.info.dtype)) + " " + to_string(t.info.shape) + ", expected I64 [2]");
  std::int64_t numbers[2] = {};
  JANG_TRY(c_.read(t, 0, std::as_writable_bytes(std::span(numbers))));
  in_ = numbers[1];
  // A row of words holds at most 32 codes a word, so that nothing below overflows.
  const auto most = checked_mul<std::int64_t>(words_, 32);
  if (numbers[0] != out_ || in_ <= 0 || !most || in_ > *most)
    return corrupt(fmt::format("weight_shape says [{}, {}], weight_packed has the shape [{}, {}]", numbers[0], in_, out_, words_));
  return {};
}

// Bits and group follow from the shapes; the config must say the same of this module.
Status ModuleReader::find_scheme() {
  const bool symmetric = zero_point_ < 0;
  JANG_ASSIGN(const std::string* const entry, schemes_.ignored(module_.path));
  if (entry != nullptr) return corrupt("it is packed, and config.json leaves it out: ignore has " + json::quote(*entry));
  JANG_ASSIGN(const ModuleSchemes::Named named, schemes_.groups_of(module_.path));
  bool found = false;
  for (const int g : named.groups) {
    const Scheme& s = schemes_.groups()[static_cast<std::size_t>(g)].scheme;
    const bool fits = s.symmetric == symmetric && in_ % 32 == 0 && words_ == in_ / 32 * s.bits && in_ % s.group_size == 0 &&
                      n_groups_ == in_ / s.group_size;
    if (fits) scheme_ = s;
    found = found || fits;
  }
  if (!found) return no_scheme(named.groups);
  module_.format = codec::find_format(symmetric ? codec::Kind::symmetric : codec::Kind::integer_zero, scheme_.bits, scheme_.group_size);
  if (module_.format == nullptr) return fail(StatusCode::unsupported, describe(scheme_) + " is no format of this version");
  return {};
}

Status ModuleReader::no_scheme(const std::vector<int>& groups) const {
  if (groups.empty()) return corrupt("it is packed, and no group of config.json has it among its targets: config_groups declares nothing");
  std::string declared;
  for (const int g : groups) {
    const Scheme& s = schemes_.groups()[static_cast<std::size_t>(g)].scheme;
    if (32 % s.bits != 0 && words_ == padded_words(in_, s.bits))
      return fail(StatusCode::unsupported,
                  fmt::format("{} bits padded to whole words, as compressed-tensors packed them before release 0.18; save the model again "
                              "with a newer release",
                              s.bits));
    declared += (declared.empty() ? "" : "; ") + describe(s);
  }
  return corrupt(fmt::format("{} words and {} groups for {} inputs{} contradict what config.json declares for it: {}", words_, n_groups_,
                             in_, zero_point_ < 0 ? "" : " with zero points", declared));
}

Status ModuleReader::check_zero_points() {
  if (zero_point_ < 0) return {};
  const TensorInfo& z = stored(zero_point_).info;
  const Shape expected = {codec::column_words(out_, scheme_.bits), n_groups_};
  if (z.dtype != DType::i32 || z.shape != expected)
    return corrupt("weight_zero_point is " + std::string(name(z.dtype)) + " " + to_string(z.shape) + ", expected I32 " +
                   to_string(expected));
  return {};
}

Result<BundleModule> ModuleReader::run() {
  JANG_TRY(find_parts());
  JANG_TRY(read_shape());
  JANG_TRY(find_scheme());
  JANG_TRY(check_zero_points());
  module_.shape = {out_, in_};
  module_.planes = {packed_, scale_};
  if (zero_point_ < 0) return std::move(module_);
  module_.planes.push_back(zero_point_);
  module_.arranged[2] = down_columns(scheme_.bits);
  return std::move(module_);
}

const json::Value* config_of(const Checkpoint& c) { return json::find(c.config(), "quantization_config"); }

}  // namespace

bool is_packed(const Checkpoint& checkpoint) {
  const json::Value* config = config_of(checkpoint);
  const json::Value* method = config != nullptr ? json::find(*config, "quant_method") : nullptr;
  if (method == nullptr || *method != "compressed-tensors") return false;
  return std::ranges::any_of(checkpoint.tensors(), [](const StoredTensor& t) { return t.info.name.ends_with("." + std::string(kPacked)); });
}

Status read_modules(Bundle* bundle) {
  const Checkpoint& c = bundle->checkpoint;
  const std::string suffix = "." + std::string(kPacked);
  JANG_CHECK(config_of(c) != nullptr);
  auto schemes = ModuleSchemes::create(*config_of(c));
  if (!schemes.ok()) return schemes.status().with_context(c.path() + "/config.json");
  bundle->is_quantized = true;
  std::vector<bool> taken(c.tensors().size());
  for (const StoredTensor& t : c.tensors()) {
    if (!t.info.name.ends_with(suffix)) continue;
    ModuleReader reader(c, &*schemes, t.info.name.substr(0, t.info.name.size() - suffix.size()));
    auto module = reader.run();
    if (!module.ok()) return module.status().with_context(c.path());
    for (const int i : reader.taken()) taken[static_cast<std::size_t>(i)] = true;
    bundle->modules.push_back(std::move(module).value());
  }
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (!taken[i]) bundle->plain.push_back(static_cast<int>(i));
  return {};
}

void check_config(const Bundle& bundle, std::vector<format::Finding>* findings) {
  const json::Value* config = config_of(bundle.checkpoint);
  auto schemes = config != nullptr ? ModuleSchemes::create(*config) : Result<ModuleSchemes>(Status(StatusCode::corrupt, ""));
  if (!schemes.ok()) return;  // read_modules has said it
  const auto add = [&](format::Severity severity, const std::string& where, const std::string& what) {
    findings->push_back({severity, where, what});
  };
  for (const std::string& module : plain_linears(bundle)) {
    const auto named = schemes->groups_of(module);
    const auto ignored = schemes->ignored(module);
    if (named.ok() && ignored.ok() && !named->groups.empty() && *ignored == nullptr)
      add(format::Severity::error, module + ".weight",
          "is not packed, and config.json does not leave it out (ignore): a loader expects weight_packed");
  }
  for (const ModuleSchemes::Entry& entry : schemes->entries()) {
    const bool is_class = entry.expression < 0 && entry.text.find('.') == std::string::npos;
    if (is_class || names_a_module(bundle, [&](const std::string& module) { return schemes->names(entry, module); })) continue;
    add(entry.group >= 0 ? format::Severity::error : format::Severity::warning, "config.json",
        fmt::format("{} has {}, which names no module", entry.group >= 0 ? "targets of config_groups" : "ignore", json::quote(entry.text)));
  }
}

}  // namespace jang::targets::compressed_tensors
