// SPDX-License-Identifier: Apache-2.0
// What quantization leaves of the weights in their own direction, by role:
//
//   gain = <w, q> / <w, w>     w: all weights of a role in the source, q: the same weights as the model has them
//
// Fits by least squares shrink: the error is orthogonal to q, so <w, q> = <q, q> and the gain is 1 minus the relative squared error.
// Rounding to the nearest leaves about 1. A gain well below 1 in one role weakens that part of every layer alike, which a mean divergence
// does not show. Activation-aware scaling changes the weights themselves, so that of a model made so nothing is said.
#pragma once

#include <vector>

#include "engine/engine.h"
#include "jang/measures.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::eval {

using jang::RoleGain;

// One row per role with matrices, in the order of the model; matrices of which only one of the two has the name and shape are left out, and
// so are roles of zeros only, and all of a bundle whose channels were rescaled. Sums in double, row by row in order: threads change
// nothing. Errors: cancelled.
[[nodiscard]] Result<std::vector<RoleGain>> weight_gains(engine::Engine& source, engine::Engine& model, const CancelFlag* cancel = nullptr);

// Key `weight_gain`: gain by role.
void add_to_json(const std::vector<RoleGain>& gains, json::Value* object);
// The gains that add_to_json wrote. Errors: corrupt.
[[nodiscard]] Result<std::vector<RoleGain>> gains_from_json(const json::Value& object);

}  // namespace jang::eval
