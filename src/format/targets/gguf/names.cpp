// SPDX-License-Identifier: Apache-2.0
// Tables of names; a family of known parts is a row of kArchitectures.
#include "format/targets/gguf/names.h"

#include <algorithm>
#include <set>
#include <variant>

#include <fmt/format.h>

namespace jang::targets::gguf {
namespace {

struct ArchitectureRow {
  std::string_view family, name;
  bool interleaves = false;  // rows of q and k
  bool adds_one = false;     // to norms
  bool four_norms = false;
};
constexpr ArchitectureRow kArchitectures[] = {
    {.family = "llama", .name = "llama", .interleaves = true},
    {.family = "mistral", .name = "llama", .interleaves = true},
    {.family = "qwen2", .name = "qwen2"},
    {.family = "qwen3", .name = "qwen3"},
    {.family = "qwen3_moe", .name = "qwen3moe"},
    {.family = "gemma3_text", .name = "gemma3", .adds_one = true, .four_norms = true},
    {.family = "gemma3", .name = "gemma3", .adds_one = true, .four_norms = true},
};

struct NameRow {
  std::string_view canonical, gguf;
};
constexpr NameRow kOutside[] = {{"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr NameRow kInLayers[] = {
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.gate", "ffn_gate_inp"},
    {"mlp.experts.gate_proj", "ffn_gate_exps"},
    {"mlp.experts.up_proj", "ffn_up_exps"},
    {"mlp.experts.down_proj", "ffn_down_exps"},
    {"input_layernorm", "attn_norm"},
};
constexpr NameRow kTwoNorms[] = {{"post_attention_layernorm", "ffn_norm"}};
constexpr NameRow kFourNorms[] = {{"post_attention_layernorm", "post_attention_norm"},
                                  {"pre_feedforward_layernorm", "ffn_norm"},
                                  {"post_feedforward_layernorm", "post_ffw_norm"}};

// Tensors that llama.cpp's converter computes from the config; the engine computes them too.
constexpr std::string_view kDerived[] = {"rope_freqs.weight"};

const ArchitectureRow* row_of_family(std::string_view family) {
  const auto row = std::ranges::find(kArchitectures, family, &ArchitectureRow::family);
  return row == std::end(kArchitectures) ? nullptr : row;
}

std::string_view lookup(std::span<const NameRow> rows, std::string_view canonical) {
  const auto row = std::ranges::find(rows, canonical, &NameRow::canonical);
  return row == rows.end() ? std::string_view() : row->gguf;
}

// "blk.3.attn_q.bias" of "model.layers.3.self_attn.q_proj.bias"; empty when there is none.
std::string gguf_name(std::string_view canonical, const ArchitectureRow& architecture) {
  const std::size_t dot = canonical.rfind('.');
  if (dot == std::string_view::npos) return "";
  const std::string_view kind = canonical.substr(dot);
  std::string_view module = canonical.substr(0, dot);
  if (kind != ".weight" && kind != ".bias") return "";
  constexpr std::string_view kLayers = "model.layers.";
  if (!module.starts_with(kLayers)) {
    const std::string_view name = lookup(kOutside, module);
    return name.empty() ? "" : fmt::format("{}{}", name, kind);
  }
  module.remove_prefix(kLayers.size());
  const std::size_t end = std::min(module.find('.'), module.size());
  const std::string_view layer = module.substr(0, end);
  module.remove_prefix(std::min(end + 1, module.size()));
  std::string_view name = lookup(kInLayers, module);
  if (name.empty()) name = architecture.four_norms ? lookup(kFourNorms, module) : lookup(kTwoNorms, module);
  return name.empty() ? "" : fmt::format("blk.{}.{}{}", layer, name, kind);
}

}  // namespace

std::string_view architecture_of(std::string_view family) {
  const ArchitectureRow* row = row_of_family(family);
  return row == nullptr ? std::string_view() : row->name;
}

Result<std::vector<Counterpart>> counterparts(const arch::Model& model, const arch::DecoderConfig& config) {
  const ArchitectureRow* architecture = row_of_family(model.family);
  if (architecture == nullptr)
    return Status(StatusCode::unsupported, fmt::format("GGUF files of the family {} are not read", model.family));
  std::vector<Counterpart> out;
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    Counterpart c{.tensor = static_cast<int>(i), .name = gguf_name(arch::canonical_name(t), *architecture)};
    if (c.name.empty()) return Status(StatusCode::unsupported, fmt::format("tensor '{}' has no name in GGUF files", t.name));
    const bool q_or_k = c.name.find(".attn_q.") != std::string::npos || c.name.find(".attn_k.") != std::string::npos;
    if (architecture->interleaves && q_or_k) {
      const auto* attention = std::get_if<arch::AttentionSpec>(&config.layers.at(static_cast<std::size_t>(t.layer)).mixer);
      if (attention == nullptr || attention->key_dim % 2 != 0)
        return Status(StatusCode::unsupported, fmt::format("tensor '{}' belongs to no attention with heads of even size", t.name));
      c.change = Change::interleaved;
      c.head_dim = attention->key_dim;
    } else if (architecture->adds_one && t.role == arch::Role::norm) {
      c.change = Change::plus_one;
    }
    out.push_back(std::move(c));
  }
  return out;
}

Status check_holds(const format::GgufHeader& header, const arch::Model& model, const std::vector<Counterpart>& tensors,
                   std::string_view file) {
  const auto refuse = [&](std::string why) {
    return Status(StatusCode::invalid_argument, fmt::format("{} was not made of this model: {}", file, why));
  };
  const std::string architecture = header.text("general.architecture").value_or("");
  if (architecture != architecture_of(model.family))
    return refuse(fmt::format("its architecture is '{}', expected '{}'", architecture, architecture_of(model.family)));
  std::set<std::string_view> wanted;
  for (const Counterpart& c : tensors) {
    const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(c.tensor)];
    const format::GgufTensor* found = header.find(c.name);
    if (found == nullptr) return refuse(fmt::format("it has no tensor '{}' ({})", c.name, t.name));
    if (found->shape != t.shape)
      return refuse(fmt::format("tensor '{}' has shape {}, {} has {}", c.name, to_string(found->shape), t.name, to_string(t.shape)));
    if (found->type->decode == nullptr)
      return {StatusCode::unsupported, fmt::format("{}: tensor '{}' is of type {}, which is not decoded", file, c.name, found->type->name)};
    wanted.insert(c.name);
  }
  for (const format::GgufTensor& t : header.tensors)
    if (!wanted.contains(t.name) && std::ranges::find(kDerived, t.name) == std::end(kDerived))
      return refuse(fmt::format("its tensor '{}' has no place in the model", t.name));
  return {};
}

std::int64_t row_in_file(const Counterpart& c, std::int64_t row) {
  if (c.change != Change::interleaved) return row;
  const std::int64_t head = row / c.head_dim * c.head_dim, half = c.head_dim / 2, i = row - head;
  return head + i % half * 2 + i / half;
}

std::int64_t row_in_model(const Counterpart& c, std::int64_t row) {
  if (c.change != Change::interleaved) return row;
  const std::int64_t head = row / c.head_dim * c.head_dim, half = c.head_dim / 2, i = row - head;
  return head + i % 2 * half + i / 2;
}

}  // namespace jang::targets::gguf
