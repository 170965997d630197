// SPDX-License-Identifier: Apache-2.0
// The rows of a mixture whose published files have spellings of their own: router, gate, up and down of the experts, as blocks::kRoutedMlp
// has them for the usual ones.
#pragma once

#include "arch/family.h"

namespace jang::arch {

constexpr std::array<Row, 4> routed_rows(std::span<const Form> router, std::span<const Form> gate, std::span<const Form> up,
                                         std::span<const Form> down) {
  constexpr std::array<Dim, 3> kIn = {Dim::experts, Dim::expert_ffn, Dim::hidden}, kOut = {Dim::experts, Dim::hidden, Dim::expert_ffn};
  return {{{"model.layers.*.mlp.gate.weight", Role::router, {Dim::experts, Dim::hidden}, When::moe_layer, router},
           {"model.layers.*.mlp.experts.gate_proj.weight", Role::expert_gate, kIn, When::moe_layer, gate},
           {"model.layers.*.mlp.experts.up_proj.weight", Role::expert_up, kIn, When::moe_layer, up},
           {"model.layers.*.mlp.experts.down_proj.weight", Role::expert_down, kOut, When::moe_layer, down}}};
}

// What is added to scores where experts are chosen, on routers that the config says have it.
inline constexpr Row kSwitchedCorrection[] = {
    {"model.layers.*.mlp.gate.e_score_correction_bias", Role::bias, {Dim::experts}, When::corrected_router, {}, kKeepDtype}};

}  // namespace jang::arch
