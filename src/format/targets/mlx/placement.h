// SPDX-License-Identifier: Apache-2.0
// The tensors of a source that nobody listed as those of the bundle: each under its own name, or moved, stacked or cut as the class in
// mlx-lm keeps it (class_table.h). Work and memory are bounded by the number of source tensors.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "format/targets/mlx/class_lookup.h"
#include "jang/status.h"

namespace jang::targets::mlx {

// Keeps the first reason why the class would refuse every bundle.
void refuse(arch::Model* model, std::string why);

class Placer {
 public:
  // `n_layers`: num_hidden_layers of the config, 0 where it has none.
  Placer(const ModelClass& model_class, std::int64_t n_layers, std::span<const TensorInfo> sources, arch::Model* model);

  // Fills dropped, warnings, refusal, n_layers and has_vision of the model. Errors: corrupt (a tensor twice, experts that do not fit).
  Status run();
  [[nodiscard]] std::vector<arch::OutTensor> take() { return std::move(all_); }

 private:
  Status place(int index, const std::vector<std::string_view>& path);
  Status move(int index, const std::vector<std::string_view>& path, const Place::Move& move);
  void say_unknown(const TensorInfo& t);
  Status check_stacks();
  [[nodiscard]] bool is_beyond(const std::vector<std::string_view>& path, arch::Role role) const;

  struct Stack {
    std::size_t at = 0;            // index into all_
    std::map<int, int> by_expert;  // source index; expert numbers are outside data, so memory goes by tensors, not by numbers
  };

  const ModelClass& class_;
  int n_layers_;
  std::span<const TensorInfo> original_;
  std::vector<TensorInfo> sources_;  // without the prefixes of wrappers
  arch::Model* model_;
  std::vector<arch::OutTensor> all_;
  std::map<std::string, Stack> stacks_;  // by name in the bundle
};

}  // namespace jang::targets::mlx
