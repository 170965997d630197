// SPDX-License-Identifier: Apache-2.0
// What the common names of tensors mean, for models whose family nobody listed. Component names only: nothing here knows a whole path.
#pragma once

#include <string_view>
#include <vector>

#include "arch/arch.h"

namespace jang::arch {

struct GenericMatch {
  Role role = Role::unknown;
  std::string_view leaf;  // the component that decided, empty when none did
};

// Role of a tensor from the components of its path (parameter name included) and its rank.
[[nodiscard]] GenericMatch match_generic(const std::vector<std::string_view>& path, std::size_t rank);

// Decoder layer number: the number after a component that counts layers ("layers", "h", "blocks", ...), or -1.
[[nodiscard]] int layer_of(const std::vector<std::string_view>& path);
// Index of the expert number in the path, or -1.
[[nodiscard]] int expert_component(const std::vector<std::string_view>& path);

}  // namespace jang::arch
