// SPDX-License-Identifier: Apache-2.0
// The table of roles: tier, prior, floor. Tiers are JANG's, with fused attention, tied embeddings and unknown matrices CRITICAL and every
// router kept in 16 bit. Roles that are never quantized have tier keep.
//
// Factors: KL divergence that one unit alone at 3 bits causes, over parameters and relative squared error, geometric means over units,
// down projection = 1 (scripts/fit_prior.py on statistics of `jang calibrate`). Models with routed experts have a column of their own: a
// routed expert sees few tokens, so per weight everything else counts 4 to 15 times as much beside it. moe: from a mixture of 9M weights;
// one of 90M, which it also serves, agrees within 40 % on all but the head. dense: from models of 19M and 270M. Not measured, set from
// these: fused qkv at a usual grouped-query mix; output gates between q and o; linear attention's inputs like fused qkv, its decay and
// mixing rates (a, b) like v, its output like o; a shared expert and a dense MLP beside experts by the tokens that pass it; per-layer
// embeddings like the embedding, in its tier as JANG has them, and the small maps around them between q and o. Where the prior
// is wrong a budget is spent less well, and is still met.
#include "plan/tiers.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "codec/affine.h"

namespace jang::plan {
namespace {

using arch::Role;

struct RoleRow {
  Role role;
  Tier tier;
  double dense, moe;  // factor in a model without and with routed experts
  int floor = 0;      // bits, with expert floors on
};

constexpr RoleRow kRoles[] = {
    {Role::embedding, Tier::important, 0.22, 1.7},
    {Role::lm_head, Tier::critical, 1.3, 2.2},
    {Role::tied_embedding, Tier::critical, 0.4, 2.2},
    {Role::attn_q, Tier::critical, 0.18, 2.5},
    {Role::attn_k, Tier::critical, 0.75, 7.9},
    {Role::attn_v, Tier::critical, 2.0, 11.7},
    {Role::attn_o, Tier::critical, 0.7, 6.0},
    {Role::attn_qkv, Tier::critical, 0.6, 6.0},
    {Role::attn_gate, Tier::critical, 0.4, 4.0},
    {Role::linear_attn_qkv, Tier::important, 0.6, 6.0},
    {Role::linear_attn_z, Tier::important, 0.4, 4.0},
    {Role::linear_attn_ab, Tier::important, 2.0, 14.0},
    {Role::linear_attn_out, Tier::important, 0.7, 7.0},
    {Role::mlp_gate, Tier::compress, 0.6, 2.4},
    {Role::mlp_up, Tier::compress, 0.55, 2.0},
    {Role::mlp_gate_up, Tier::compress, 0.58, 2.2},
    {Role::mlp_down, Tier::compress, 1.0, 4.0},
    {Role::expert_gate, Tier::compress, 0.6, 0.6, 4},
    {Role::expert_up, Tier::compress, 0.5, 0.5},
    {Role::expert_gate_up, Tier::compress, 0.56, 0.56, 4},
    {Role::expert_down, Tier::compress, 1.0, 1.0, 3},
    {Role::shared_gate, Tier::critical, 2.4, 2.4},
    {Role::shared_up, Tier::critical, 2.0, 2.0},
    {Role::shared_gate_up, Tier::critical, 2.2, 2.2},
    {Role::shared_down, Tier::critical, 4.0, 4.0},
    {Role::shared_router, Tier::keep, 60.0, 60.0},
    {Role::router, Tier::keep, 60.0, 60.0},
    {Role::layer_embedding, Tier::important, 0.22, 1.7},
    {Role::layer_input, Tier::important, 0.5, 4.0},
    {Role::norm, Tier::keep, 0.0, 0.0},
    {Role::bias, Tier::keep, 0.0, 0.0},
    {Role::conv, Tier::keep, 0.0, 0.0},
    {Role::state, Tier::keep, 0.0, 0.0},
    {Role::vision, Tier::keep, 0.0, 0.0},
    {Role::unknown, Tier::critical, 0.8, 7.0},
};
static_assert(std::size(kRoles) == static_cast<std::size_t>(Role::unknown) + 1);

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < std::size(kRoles); ++i)
    if (static_cast<std::size_t>(kRoles[i].role) != i) return false;
  return true;
}
static_assert(rows_follow_the_enum());

const RoleRow& row_of(Role role) {
  const auto i = static_cast<std::size_t>(role);
  JANG_CHECK(i < std::size(kRoles));
  return kRoles[i];
}

bool is_dense_mlp(Role role) {
  return role == Role::mlp_gate || role == Role::mlp_up || role == Role::mlp_gate_up || role == Role::mlp_down;
}

constexpr std::string_view kTierNames[] = {"CRITICAL", "IMPORTANT", "COMPRESS", "KEEP"};

}  // namespace

std::string_view to_string(Tier tier) { return kTierNames[static_cast<std::size_t>(tier)]; }

bool tier_from_string(std::string_view name, Tier* tier) {
  const auto found = std::ranges::find(kTierNames, name);
  if (found == std::end(kTierNames)) return false;
  *tier = static_cast<Tier>(found - std::begin(kTierNames));
  return true;
}

Tier tier_of(const arch::OutTensor& tensor, bool is_moe) {
  if (!tensor.quantizable) return Tier::keep;
  if (is_moe && is_dense_mlp(tensor.role)) return Tier::critical;
  return row_of(tensor.role).tier;
}

Tier tier_of(const arch::Model& model, const arch::Unit& unit) {
  Tier strongest = Tier::keep;
  for (const int i : unit.tensors) {
    const Tier tier = tier_of(model.tensors[static_cast<std::size_t>(i)], model.n_experts > 0);
    if (tier == Tier::keep) return Tier::keep;
    strongest = std::min(strongest, tier);
  }
  return strongest;
}

double role_factor(Role role, bool is_moe) { return is_moe ? row_of(role).moe : row_of(role).dense; }

double gaussian_error(const Choice& choice, Method method) {
  double error = 0;
  for (const codec::WidthRow& w : codec::kWidths)
    if (w.bits == choice.bits) error = method == Method::rtn ? w.gaussian_rtn : w.gaussian_fit;
  for (const codec::GroupRow& g : codec::kGroups)
    if (g.size == choice.group_size) error *= g.error_factor;
  return error;
}

int expert_floor(Role role) { return row_of(role).floor; }

bool is_routed_expert(Role role) {
  return role == Role::expert_gate || role == Role::expert_up || role == Role::expert_gate_up || role == Role::expert_down;
}

}  // namespace jang::plan
