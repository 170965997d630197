// SPDX-License-Identifier: Apache-2.0
// Bits from the shapes: qzeros has out*b/32 words a group, qweight in*b/32 a row.
#include "format/targets/gptq/read_modules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "format/targets/gptq/quantization_config.h"
#include "format/targets/qweight_modules.h"

namespace jang::targets::gptq {
namespace {

constexpr std::string_view kMethod = "gptq";
constexpr std::array<int, 4> kBits = {2, 3, 4, 8};

Result<QweightShape> shape_of(const Declared& declared, const format::Checkpoint& c, const QweightTensors& t) {
  const Shape& codes = c.tensors()[static_cast<std::size_t>(t.qweight)].info.shape;
  const Shape& zeros = c.tensors()[static_cast<std::size_t>(t.qzeros)].info.shape;
  const auto bits_of_row = checked_mul<std::int64_t>(zeros[1], 32), bits_of_column = checked_mul<std::int64_t>(codes[0], 32);
  if (!bits_of_row || !bits_of_column || codes[1] <= 0 || *bits_of_row % codes[1] != 0)
    return Status(StatusCode::corrupt, "qweight " + to_string(codes) + " and qzeros " + to_string(zeros) + " do not belong together");
  if (declared.by_activations && t.group_index < 0)
    return Status(StatusCode::corrupt, "desc_act is true, and without g_idx nobody knows the groups of its columns");
  const std::int64_t bits = *bits_of_row / codes[1];
  if (std::ranges::find(kBits, bits) == kBits.end())
    return Status(StatusCode::unsupported, fmt::format("{} bits by the shapes of qweight {} and qzeros {}; read are 2, 3, 4 and 8", bits,
                                                       to_string(codes), to_string(zeros)));
  if (!declared.bits.contains(static_cast<int>(bits)))
    return Status(StatusCode::corrupt, fmt::format("{} bits by its shapes, which config.json declares nowhere", bits));
  if (*bits_of_column % bits != 0)
    return Status(StatusCode::corrupt, fmt::format("qweight {} holds no whole number of codes of {} bits", to_string(codes), bits));
  const std::int64_t in = *bits_of_column / bits, n_groups = c.tensors()[static_cast<std::size_t>(t.scales)].info.shape[0];
  const bool is_declared = std::ranges::any_of(
      declared.groups, [&](std::int64_t group) { return n_groups == (group <= 0 ? 1 : ceil_div<std::int64_t>(in, group)); });
  if (!is_declared)
    return Status(StatusCode::corrupt, fmt::format("{} groups for {} inputs, which config.json declares nowhere", n_groups, in));
  QweightShape shape{static_cast<int>(bits), codes[1], *bits_of_column / bits, transposed(4), across_rows(static_cast<int>(bits), false)};
  shape.zeros.less_one = declared.zeros_less_one;
  return shape;
}

}  // namespace

bool is_packed(const format::Checkpoint& checkpoint) { return is_packed_by(checkpoint, kMethod); }

Status read_modules(format::Bundle* bundle) {
  auto declared = read_config(*json::find(bundle->checkpoint.config(), "quantization_config"));
  if (!declared.ok()) return declared.status().with_context(bundle->checkpoint.path() + "/config.json");
  return read_qweight_modules([&](const format::Checkpoint& c, const QweightTensors& t) { return shape_of(*declared, c, t); }, bundle);
}

void check_config(const format::Bundle& bundle, std::vector<format::Finding>* findings) {
  const json::Value* config = json::find(bundle.checkpoint.config(), "quantization_config");
  if (config == nullptr || bundle.modules.empty()) return;
  const auto bits = json::get_int(*config, "bits", 4, 1, 16);
  const bool used =
      bits.ok() && std::ranges::any_of(bundle.modules, [&](const format::BundleModule& m) { return m.format->bits == *bits; });
  if (!used) findings->push_back({format::Severity::error, "config.json", "no packed module has the bits of quantization_config"});
}

}  // namespace jang::targets::gptq
