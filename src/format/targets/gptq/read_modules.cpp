// SPDX-License-Identifier: Apache-2.0
// Bits from the shapes: qzeros has out*b/32 words a group, qweight in*b/32 a row.
#include "format/targets/gptq/read_modules.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/path.h"
#include "base/checked.h"
#include "codec/affine.h"
#include "format/targets/gptq/quantization_config.h"
#include "format/targets/hugging_face.h"
#include "format/targets/qweight_modules.h"

namespace jang::targets::gptq {
namespace {

constexpr std::string_view kMethod = "gptq";
constexpr std::array<int, 4> kBits = {2, 3, 4, 8};

Status corrupt(const std::string& why) { return {StatusCode::corrupt, why}; }

bool is_head(std::string_view module) { return module == kHead || module.ends_with("." + std::string(kHead)); }

// What config.json says of the module, which its files may contradict.
Result<Scheme> scheme_of(Declared* declared, const std::string& module) {
  if (is_head(module) && declared->packs_head == false) return corrupt("it is packed, and config.json says lm_head: false");
  JANG_ASSIGN(const Rule* const rule, rule_of(declared, module));
  if (rule == nullptr) return declared->whole;
  if (!rule->scheme) return corrupt("it is packed, and config.json leaves it out: dynamic has " + json::quote(rule->text));
  return *rule->scheme;
}

// Engines read no zero points of a symmetric file, so others would be other values there.
Status check_symmetric(const format::Checkpoint& c, int qzeros, std::int64_t out, int bits, bool less_one) {
  const format::StoredTensor& t = c.tensors()[static_cast<std::size_t>(qzeros)];
  if (t.info.shape[0] == 0) return {};  // now every row lies in the file, which bounds its length
  const auto n_words = static_cast<std::size_t>(t.info.shape[1]), n_codes = static_cast<std::size_t>(ceil_div<std::int64_t>(out, 32) * 32);
  const std::vector<std::uint8_t> middle(n_codes, static_cast<std::uint8_t>(codec::symmetric_zero(bits) - (less_one ? 1 : 0)));
  std::vector<std::uint32_t> expected(n_codes / 32 * static_cast<std::size_t>(bits)), found(n_words);
  codec::pack(middle, bits, expected.data());
  expected.resize(n_words);
  for (std::int64_t g = 0; g < t.info.shape[0]; ++g) {
    JANG_TRY(c.read(t, static_cast<std::uint64_t>(g) * n_words * 4, std::as_writable_bytes(std::span(found))));
    if (found != expected)
      return corrupt(
          fmt::format("config.json says sym: true, and of its zero points in qzeros those of group {} are not all {}, the middle "
                      "code of {} bits",
                      g, codec::symmetric_zero(bits), bits));
  }
  return {};
}

Result<QweightShape> shape_of(Declared* declared, const format::Checkpoint& c, const QweightTensors& t) {
  const Shape& codes = c.tensors()[static_cast<std::size_t>(t.qweight)].info.shape;
  const Shape& zeros = c.tensors()[static_cast<std::size_t>(t.qzeros)].info.shape;
  const auto bits_of_row = checked_mul<std::int64_t>(zeros[1], 32), bits_of_column = checked_mul<std::int64_t>(codes[0], 32);
  if (!bits_of_row || !bits_of_column || codes[1] <= 0 || *bits_of_row % codes[1] != 0)
    return corrupt("qweight " + to_string(codes) + " and qzeros " + to_string(zeros) + " do not belong together");
  if (declared->by_activations && t.group_index < 0)
    return corrupt("desc_act is true, and without g_idx nobody knows the groups of its columns");
  const std::int64_t bits = *bits_of_row / codes[1];
  if (std::ranges::find(kBits, bits) == kBits.end())
    return Status(StatusCode::unsupported, fmt::format("{} bits by the shapes of qweight {} and qzeros {}; read are 2, 3, 4 and 8", bits,
                                                       to_string(codes), to_string(zeros)));
  JANG_ASSIGN(const Scheme scheme, scheme_of(declared, t.path));
  if (bits != scheme.bits) return corrupt(fmt::format("{} bits by its shapes, {} by config.json", bits, scheme.bits));
  if (*bits_of_column % bits != 0)
    return corrupt(fmt::format("qweight {} holds no whole number of codes of {} bits", to_string(codes), bits));
  const std::int64_t in = *bits_of_column / bits, n_groups = c.tensors()[static_cast<std::size_t>(t.scales)].info.shape[0];
  if (n_groups != (scheme.group_size <= 0 ? 1 : ceil_div<std::int64_t>(in, scheme.group_size)))
    return corrupt(fmt::format("config.json says groups of {}, and there are {} groups for {} inputs", scheme.group_size, n_groups, in));
  if (declared->symmetric) JANG_TRY(check_symmetric(c, t.qzeros, codes[1], static_cast<int>(bits), declared->zeros_less_one));
  QweightShape shape{static_cast<int>(bits), codes[1], in, transposed(4), across_rows(static_cast<int>(bits), false)};
  shape.zeros.less_one = declared->zeros_less_one;
  return shape;
}

// A head that the config calls packed, and is not.
Status check_head(const Declared& declared, const format::Checkpoint& c) {
  if (declared.packs_head != true) return {};
  for (const format::StoredTensor& t : c.tensors())
    if (is_head(arch::module_of(t.info.name)) && t.info.name.ends_with(".weight"))
      return corrupt(fmt::format("quantization_config says lm_head: true, and {} is not packed", t.info.name));
  return {};
}

}  // namespace

bool is_packed(const format::Checkpoint& checkpoint) { return is_packed_by(checkpoint, kMethod); }

Status read_modules(format::Bundle* bundle) {
  const format::Checkpoint& c = bundle->checkpoint;
  const std::string where = c.path() + "/config.json";
  auto declared = read_config(*json::find(c.config(), "quantization_config"));
  if (!declared.ok()) return declared.status().with_context(where);
  if (const Status s = check_head(*declared, c); !s.ok()) return s.with_context(where);
  return read_qweight_modules([&](const format::Checkpoint& from, const QweightTensors& t) { return shape_of(&*declared, from, t); },
                              bundle);
}

void check_config(const format::Bundle& bundle, std::vector<format::Finding>* findings) {
  const json::Value* config = json::find(bundle.checkpoint.config(), "quantization_config");
  auto declared = config != nullptr ? read_config(*config) : Result<Declared>(Status(StatusCode::corrupt, ""));
  if (!declared.ok()) return;  // read_modules has said it
  const auto add = [&](format::Severity severity, const std::string& where, const std::string& what) {
    findings->push_back({severity, where, what});
  };
  const bool used =
      std::ranges::any_of(bundle.modules, [&](const format::BundleModule& m) { return m.format->bits == declared->whole.bits; });
  if (!used && !bundle.modules.empty()) add(format::Severity::error, "config.json", "no packed module has the bits of quantization_config");
  for (const std::string& module : plain_linears(bundle)) {
    const auto rule = rule_of(&*declared, module);
    if (rule.ok() && (*rule == nullptr || (*rule)->scheme))
      add(format::Severity::error, module + ".weight",
          "is not packed, and config.json does not leave it out (a rule \"-:\" of dynamic): a loader expects qweight");
  }
  for (std::size_t i = 0; i < declared->rules.size(); ++i) {
    const bool names_any = names_a_module(bundle, [&](const std::string& module) {
      const auto found = declared->patterns.matches(i, module);
      return !found.ok() || *found;
    });
    const Rule& rule = declared->rules[i];
    if (!names_any)
      add(rule.scheme ? format::Severity::error : format::Severity::warning, "config.json",
          "dynamic has " + json::quote(rule.text) + ", which matches the name of no module");
  }
}

}  // namespace jang::targets::gptq
