// SPDX-License-Identifier: Apache-2.0
// Buffers by the last components of their names. The classes of transformers ignore them when they load; others would refuse
// a directory that has them.
#include "arch/extras.h"

#include <algorithm>

#include "arch/path.h"

namespace jang::arch {
namespace {

constexpr std::string_view kWrapper = "module";  // in front only: inside a name it may be the model's own
constexpr std::string_view kWrapperComponents[] = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"};

struct Buffer {
  std::string_view suffix, reason;
  std::size_t rank = 0;  // 0: of any rank
};
constexpr Buffer kBuffers[] = {
    {"rotary_emb.inv_freq", "computed from rope_theta by the model class"},
    {"rotary_emb.original_inv_freq", "computed from rope_theta by the model class"},
    {"rotary_emb.cos_cached", "computed from rope_theta by the model class"},
    {"rotary_emb.sin_cached", "computed from rope_theta by the model class"},
    {"rope.freqs", "computed from rope_theta by the model class"},
    {"position_ids", "the numbers 0, 1, 2 ..., made by the model class"},
    {"attn.bias", "causal mask, made by the model class", 4},  // of other ranks it is a bias
    {"attention.bias", "causal mask, made by the model class", 4},
    {"masked_bias", "constant of a causal mask, made by the model class"},
    {"_extra_state", "state of the training software, not of the model"},
};

}  // namespace

std::string unwrapped(std::string_view name) {
  if (name.find("._") == std::string_view::npos && !name.starts_with('_') && !starts_with_path(name, kWrapper)) return std::string(name);
  std::string out;
  for (const std::string_view part : split_path(name)) {
    if (out.empty() && part == kWrapper) continue;
    if (std::ranges::find(kWrapperComponents, part) != std::end(kWrapperComponents)) continue;
    if (!out.empty()) out += '.';
    out += part;
  }
  return out.empty() ? std::string(name) : out;
}

std::string_view buffer_reason(const TensorInfo& tensor) {
  for (const Buffer& b : kBuffers)
    if (ends_with_path(tensor.name, b.suffix) && (b.rank == 0 || b.rank == tensor.shape.size())) return b.reason;
  return {};
}

}  // namespace jang::arch
