// SPDX-License-Identifier: Apache-2.0
// The table of roles: one row each, in the order of the enum. Names are permanent: they are written to plans and bundles.
// `quantizable` says whether such a weight is the matrix of a linear map or an embedding.
#include "arch/role.h"

#include <cstddef>
#include <iterator>

#include "base/check.h"

namespace jang::arch {
namespace {

struct RoleRow {
  Role role;
  std::string_view name;
  bool quantizable;
};

constexpr RoleRow kRoles[] = {
    {Role::embedding, "embedding", true},
    {Role::lm_head, "lm_head", true},
    {Role::tied_embedding, "tied_embedding", true},
    {Role::attn_q, "attn_q", true},
    {Role::attn_k, "attn_k", true},
    {Role::attn_v, "attn_v", true},
    {Role::attn_o, "attn_o", true},
    {Role::attn_qkv, "attn_qkv", true},
    {Role::attn_gate, "attn_gate", true},
    {Role::linear_attn_qkv, "linear_attn_qkv", true},
    {Role::linear_attn_z, "linear_attn_z", true},
    {Role::linear_attn_ab, "linear_attn_ab", true},
    {Role::linear_attn_out, "linear_attn_out", true},
    {Role::mlp_gate, "mlp_gate", true},
    {Role::mlp_up, "mlp_up", true},
    {Role::mlp_gate_up, "mlp_gate_up", true},
    {Role::mlp_down, "mlp_down", true},
    {Role::expert_gate, "expert_gate", true},
    {Role::expert_up, "expert_up", true},
    {Role::expert_gate_up, "expert_gate_up", true},
    {Role::expert_down, "expert_down", true},
    {Role::shared_gate, "shared_gate", true},
    {Role::shared_up, "shared_up", true},
    {Role::shared_gate_up, "shared_gate_up", true},
    {Role::shared_down, "shared_down", true},
    {Role::shared_router, "shared_router", true},
    {Role::router, "router", true},
    {Role::layer_embedding, "layer_embedding", true},
    {Role::layer_input, "layer_input", true},
    {Role::norm, "norm", false},
    {Role::bias, "bias", false},
    {Role::conv, "conv", false},
    {Role::state, "state", false},
    {Role::vision, "vision", false},
    {Role::unknown, "unknown", true},
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

}  // namespace

std::string_view to_string(Role role) { return row_of(role).name; }

bool role_from_string(std::string_view name, Role* role) {
  for (const RoleRow& row : kRoles) {
    if (row.name != name) continue;
    *role = row.role;
    return true;
  }
  return false;
}

bool is_quantizable(Role role) { return row_of(role).quantizable; }

}  // namespace jang::arch
