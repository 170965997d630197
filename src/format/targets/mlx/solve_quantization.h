// SPDX-License-Identifier: Apache-2.0
// What config.json should say of the packed modules of a directory for MLX whose map is absent or wrong, as some of upstream's bundles have
// it: only a default, which is the least width of many, or entries that contradict the tensors.
//
// A row of `words` words and `groups` scales says bits * group = 32 * words / groups, which up to three pairs satisfy (256 = 8 * 32 = 4 *
// 64 = 2 * 128). The inputs of the map decide: bits = 32 * words / inputs, group = inputs / groups. They are looked for, in this order, in
//
//   the shape that the family of config.json gives the tensor
//   the module's own entry in config.json, then in jang_config.json's manifest, where its shapes allow it
//   sizes that config.json names (hidden_size, intermediate_size, heads, ..), where they leave a single pair
//   the default of config.json, where the module has no entry and it is among the pairs that are left
//   the only pair
//
// and where none of them decides, nothing is guessed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/checkpoint.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::mlx {

struct SolvedModule {
  std::string path;
  int bits = 0, group_size = 0;
  std::string said{};      // "2 bits, group 64" as config.json had it, "nothing" where it had no entry; for messages
  std::string_view by{};   // what decided: "the model's shapes", "sizes of config.json", "config.json", "the manifest", "the only pair"
  bool was_right = false;  // config.json said the same, of the mode affine
};

struct SolvedQuantization {
  std::vector<SolvedModule> modules;
  std::vector<std::string> removed;  // entries of the map that name no module
  json::Value config;                // config.json as it should be
  json::Value record;                // jang_config.json likewise; null where there is none
};

// `record`: jang_config.json, null where there is none. Errors: invalid_argument (nothing is packed), corrupt (tensors that do not belong
// together, rows that no pair fits, shapes that are not the model's), unsupported (scales of other modes than affine, and modules that
// nothing decides: their candidates are named).
[[nodiscard]] Result<SolvedQuantization> solve_quantization(const format::Checkpoint& checkpoint, const json::Value& record);

}  // namespace jang::targets::mlx
