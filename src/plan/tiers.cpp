// SPDX-License-Identifier: Apache-2.0
// The table of roles: tier, prior, floor. Tiers are JANG's, with fused attention, tied embeddings and unknown matrices CRITICAL and every
// router kept in 16 bit. Roles that are never quantised have tier keep.
//
// factor: measured on a 9M mixture-of-experts model as the KL divergence that one unit alone at 3 bits causes, over parameters and relative
// squared error, scaled to the embedding: v 16, o 4, k 3, q 1.3, head 1.4, embedding 1, down .55, gate and up .4, router 30. The others are
// set from these: fused qkv at a usual grouped-query mix of q, k and v; output gates between q and o; the inputs of linear attention like
// fused qkv, its decay and mixing rates (a, b) like v, its output like o; a shared expert, and a dense MLP beside experts, above a routed
// one because every token passes it; a tied matrix like the head; unknown matrices like o. Where the prior is wrong a budget is spent less
// well, and is still met.
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
  double factor;
  int floor = 0;  // bits, with expert floors on
};

constexpr RoleRow kRoles[] = {
    {Role::embedding, Tier::important, 1.0},
    {Role::lm_head, Tier::critical, 1.4},
    {Role::tied_embedding, Tier::critical, 1.4},
    {Role::attn_q, Tier::critical, 1.3},
    {Role::attn_k, Tier::critical, 3.0},
    {Role::attn_v, Tier::critical, 16.0},
    {Role::attn_o, Tier::critical, 4.0},
    {Role::attn_qkv, Tier::critical, 5.0},
    {Role::attn_gate, Tier::critical, 2.0},
    {Role::linear_attn_qkv, Tier::important, 5.0},
    {Role::linear_attn_z, Tier::important, 2.0},
    {Role::linear_attn_ab, Tier::important, 16.0},
    {Role::linear_attn_out, Tier::important, 4.0},
    {Role::mlp_gate, Tier::compress, 0.4},
    {Role::mlp_up, Tier::compress, 0.4},
    {Role::mlp_gate_up, Tier::compress, 0.4},
    {Role::mlp_down, Tier::compress, 0.55},
    {Role::expert_gate, Tier::compress, 0.4, 4},
    {Role::expert_up, Tier::compress, 0.4},
    {Role::expert_gate_up, Tier::compress, 0.4, 4},
    {Role::expert_down, Tier::compress, 0.55, 3},
    {Role::shared_gate, Tier::critical, 0.8},
    {Role::shared_up, Tier::critical, 0.8},
    {Role::shared_gate_up, Tier::critical, 0.8},
    {Role::shared_down, Tier::critical, 1.1},
    {Role::shared_router, Tier::keep, 30.0},
    {Role::router, Tier::keep, 30.0},
    {Role::norm, Tier::keep, 0.0},
    {Role::bias, Tier::keep, 0.0},
    {Role::conv, Tier::keep, 0.0},
    {Role::state, Tier::keep, 0.0},
    {Role::vision, Tier::keep, 0.0},
    {Role::unknown, Tier::critical, 4.0},
};
static_assert(std::size(kRoles) == static_cast<std::size_t>(Role::unknown) + 1);

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < std::size(kRoles); ++i)
    if (static_cast<std::size_t>(kRoles[i].role) != i) return false;
  return true;
}
static_assert(rows_follow_the_enum());

constexpr double kAlwaysActive = 2.0;  // a dense MLP beside experts, over a dense MLP alone

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

double role_factor(Role role, bool is_moe) { return row_of(role).factor * (is_moe && is_dense_mlp(role) ? kAlwaysActive : 1.0); }

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
