// SPDX-License-Identifier: Apache-2.0
// Model types nobody listed, described by the common names of their tensors: the whole (describe_generic), and its steps for targets that
// know more about a type than its names tell.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "arch/bind.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::arch {

inline constexpr std::string_view kGenericFamily = "generic";
inline constexpr int kMaxLayers = 10000;
inline constexpr std::int64_t kMaxExperts = 65536;

[[nodiscard]] Result<Model> describe_generic(const json::Value& config, std::string_view model_type, std::span<const TensorInfo> sources,
                                             const SourceFacts& facts);
[[nodiscard]] std::optional<DoubtfulTie> doubtful_generic_tie(const json::Value& config, std::span<const TensorInfo> sources);

// First of several spellings of a number, from text_config or the top; 0 when there is none. Errors: corrupt (a wrong type or range).
[[nodiscard]] Result<std::int64_t> first_number(const json::Value& config, std::span<const char* const> keys, std::int64_t hi);
// n_layers, n_experts and attention of the model, as far as the config tells.
[[nodiscard]] Status read_summary(const json::Value& config, Model* model);
// Whether either place of the config says that embedding and head are tied.
[[nodiscard]] Result<bool> tie_flag(const json::Value& config);

// One source tensor as a tensor of the model under its own name; `path`: its name split, in common words.
[[nodiscard]] OutTensor describe_by_name(const TensorInfo& t, int index, const std::vector<std::string_view>& path);
// A tensor of a layer makes the model have that layer; a vision tensor a vision tower.
void count_in(const OutTensor& t, Model* model);

// What there is of embedding and head.
struct Ends {
  bool has_head = false, has_embedding = false;
  bool own_head = false;  // called tied by the config, of other values all the same
};
[[nodiscard]] Ends find_ends(const std::vector<OutTensor>& tensors, bool flag, const SourceFacts& facts);
// Makes them one where `tied`: a spare head is dropped, what is left serves as both.
void settle_tie(const Ends& ends, bool tied, std::vector<OutTensor>* tensors, Model* model);

// Puts the tensors in order into the model, tells which names no rule knows (a bounded number of times), and says what kind of model it is.
void finish_generic(std::vector<OutTensor> tensors, Model* model);

}  // namespace jang::arch
