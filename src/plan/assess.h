// SPDX-License-Identifier: Apache-2.0
// Whether a profile is a good use of its bytes on this model. Pure: no weight is read.
//
// expected damage of a plan = sum over units of parameters * role factor * relative squared error of the choice on Gaussian weights; the
// prior that K profiles are made with. It ranks recipes at equal bytes; it does not predict a divergence.
#pragma once

#include <optional>
#include <string>

#include "arch/arch.h"
#include "plan/plan.h"

namespace jang::plan {

[[nodiscard]] double expected_damage(const arch::Model& model, const Plan& plan);

struct Better {
  std::string profile;
  std::uint64_t file_bytes = 0;  // at most those of the plan assessed
  double times_less = 1;         // expected damage of the plan over this profile's
};
// The named profile of least expected damage that needs no more bytes than `plan`, when it is clearly better (by kClearly); else nothing.
// Profiles are compared under the same method, group size and types.
inline constexpr double kClearly = 1.5;
[[nodiscard]] std::optional<Better> better_profile(const arch::Model& model, const Plan& plan, const Options& options);

}  // namespace jang::plan
