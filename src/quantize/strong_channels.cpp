// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "quantize/strong_channels.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "arch/decoder_config.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

// Canonical last parts of the names of norms whose output linear maps read, in every family that the engine runs.
constexpr std::array<std::string_view, 3> kInFront = {"input_layernorm", "pre_feedforward_layernorm", "norm"};

bool in_front_of_maps(const arch::OutTensor& t, std::int64_t hidden) {
  if (t.role != arch::Role::norm || t.shape.size() != 1 || t.shape[0] != hidden) return false;
  const std::string_view name = t.canonical;
  return std::ranges::find(kInFront, name.substr(name.rfind('.') + 1)) != kInFront.end();
}

}  // namespace

Result<std::optional<StrongChannel>> strongest_channel(const Source& source) {
  const Result<arch::DecoderConfig> config = arch::decoder_config(source.model);
  std::optional<StrongChannel> strongest;
  if (!config.ok()) return strongest;
  std::vector<std::byte> scratch;
  std::vector<float> gains(static_cast<std::size_t>(config->hidden));
  for (const arch::OutTensor& t : source.model.tensors) {
    if (!in_front_of_maps(t, config->hidden)) continue;
    JANG_TRY(SourceRows(source.checkpoint, t).read_floats(0, gains, scratch));
    double largest = 0, sum = 0;
    for (const float g : gains) {
      const double gain = static_cast<double>(g) + static_cast<double>(t.add) + static_cast<double>(config->norm.offset);
      largest = std::max(largest, gain * gain);
      sum += gain * gain;
    }
    const double ratio = sum > 0 ? largest * static_cast<double>(gains.size()) / sum : 0;
    if (ratio >= kStrongRatio && (!strongest || ratio > strongest->ratio)) strongest = StrongChannel{t.name, ratio};
  }
  return strongest;
}

}  // namespace jang::quantize
