// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "eval/weight_gain.h"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>

#include "arch/arch.h"
#include "eval/numbers.h"
#include "format/targets/record.h"
#include "kernels/host_ops.h"
#include "kernels/matrix.h"

namespace jang::eval {
namespace {

using Views = std::span<const kernels::MatrixView>;

struct Products {
  double with_model = 0, with_itself = 0;  // <w, q>, <w, w>
};

struct RoleSums {
  std::string_view role;
  Products sums;
};

bool same_shapes(Views a, Views b) {
  return std::ranges::equal(
      a, b, [](const kernels::MatrixView& x, const kernels::MatrixView& y) { return x.n_rows == y.n_rows && x.n_cols == y.n_cols; });
}

Products products_of(const kernels::MatrixView& w, const kernels::MatrixView& q, ThreadPool& pool) {
  std::vector<Products> by_row(static_cast<std::size_t>(w.n_rows));
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(pool.size()),
                                          std::vector<float>(static_cast<std::size_t>(2 * w.n_cols)));
  pool.run(w.n_rows, [&](std::int64_t row, int thread) {
    float* const original = scratch[static_cast<std::size_t>(thread)].data();
    float* const packed = original + w.n_cols;
    kernels::dequantize_row(w, row, original);
    kernels::dequantize_row(q, row, packed);
    Products& p = by_row[static_cast<std::size_t>(row)];
    for (std::int64_t i = 0; i < w.n_cols; ++i) {
      p.with_model += static_cast<double>(original[i]) * static_cast<double>(packed[i]);
      p.with_itself += static_cast<double>(original[i]) * static_cast<double>(original[i]);
    }
  });
  Products sum;
  for (const Products& p : by_row) {
    sum.with_model += p.with_model;
    sum.with_itself += p.with_itself;
  }
  return sum;
}

}  // namespace

Result<std::vector<RoleGain>> weight_gains(engine::Engine& source, engine::Engine& model, const CancelFlag* cancel) {
  if (targets::is_rescaled(model.directory())) return std::vector<RoleGain>();
  std::map<std::string_view, arch::Role> roles;
  for (const arch::OutTensor& t : source.described().tensors) roles.emplace(t.module, t.role);
  std::vector<RoleSums> all;
  for (const std::string& module : source.decoder().modules()) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "measuring stopped");
    const auto role = roles.find(module);
    const Views w = source.decoder().matrices(module), q = model.decoder().matrices(module);
    if (role == roles.end() || w.empty() || !same_shapes(w, q)) continue;
    const std::string_view name = arch::to_string(role->second);
    auto row = std::ranges::find(all, name, &RoleSums::role);
    if (row == all.end()) row = all.insert(all.end(), {name, {}});
    for (std::size_t i = 0; i < w.size(); ++i) {
      const Products p = products_of(w[i], q[i], source.pool());
      row->sums.with_model += p.with_model;
      row->sums.with_itself += p.with_itself;
    }
  }
  std::vector<RoleGain> gains;
  for (const RoleSums& r : all)
    if (r.sums.with_itself > 0) gains.push_back({std::string(r.role), r.sums.with_model / r.sums.with_itself});
  return gains;
}

void add_to_json(const std::vector<RoleGain>& gains, json::Value* object) {
  json::Value v = json::Value::object();
  for (const RoleGain& g : gains) v[g.role] = finite_or_null(g.gain);
  (*object)["weight_gain"] = std::move(v);
}

Result<std::vector<RoleGain>> gains_from_json(const json::Value& object) {
  const json::Value* v = json::find(object, "weight_gain");
  if (v == nullptr || !v->is_object()) return Status(StatusCode::corrupt, "weight_gain is missing");
  std::vector<RoleGain> gains;
  for (const auto& [role, gain] : v->items()) {
    if (!gain.is_number()) return Status(StatusCode::corrupt, "weight_gain holds a value that is no number");
    gains.push_back({role, gain.get<double>()});
  }
  return gains;
}

}  // namespace jang::eval
