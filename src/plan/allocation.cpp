// SPDX-License-Identifier: Apache-2.0
// Names of what decided the bits of a plan, in the order of the enum.
#include <algorithm>
#include <cstddef>
#include <iterator>

#include "plan/plan.h"

namespace jang::plan {
namespace {

constexpr std::string_view kNames[] = {
    "tiers", "mlx-lm recipe", "budget: role prior", "budget: measured error x role prior", "budget: measured sensitivities", "file",
};
static_assert(std::size(kNames) == static_cast<std::size_t>(AllocatedBy::file) + 1);

}  // namespace

std::string_view to_string(AllocatedBy allocation) { return kNames[static_cast<std::size_t>(allocation)]; }

AllocatedBy allocation_from_string(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  return found == std::end(kNames) ? AllocatedBy::file : static_cast<AllocatedBy>(found - std::begin(kNames));
}

}  // namespace jang::plan
