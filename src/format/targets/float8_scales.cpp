// SPDX-License-Identifier: Apache-2.0
// The shapes in turn. See float8_scales.h.
#include "format/targets/float8_scales.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/checked.h"

namespace jang::format {
namespace {

constexpr std::int64_t kUsualBlock = 128;

// [rows, columns] of a config's list of two numbers.
std::optional<std::pair<std::int64_t, std::int64_t>> block_in(const json::Value* list) {
  if (list == nullptr || !list->is_array() || list->size() != 2) return std::nullopt;
  for (const json::Value& n : *list)
    if (!n.is_number_integer() || n < 1 || n > 1 << 20) return std::nullopt;
  return std::pair{(*list)[0].get<std::int64_t>(), (*list)[1].get<std::int64_t>()};
}

std::pair<std::int64_t, std::int64_t> declared_block(const json::Value& config) {
  const json::Value* q = json::find(config, "quantization_config");
  if (q == nullptr) return {kUsualBlock, kUsualBlock};
  if (const auto block = block_in(json::find(*q, "weight_block_size"))) return *block;
  if (const json::Value* groups = json::find(*q, "config_groups"); groups != nullptr && groups->is_object())
    for (const auto& [name, group] : groups->items())
      if (const json::Value* weights = json::find(group, "weights"))
        if (const auto block = block_in(json::find(*weights, "block_structure"))) return *block;
  return {kUsualBlock, kUsualBlock};
}

bool set_of_matrix(const json::Value& config, Shape s, FloatMatrix* m) {
  while (s.size() < 2) s.push_back(1);
  if (s.size() != 2) return false;
  const auto [block_rows, block_columns] = declared_block(config);
  if (s[0] == 1 && s[1] == 1) {
    m->block_rows = m->rows;
    m->block_columns = m->columns;
  } else if (s[0] == m->rows && s[1] > 0 && m->columns % s[1] == 0) {
    m->block_columns = m->columns / s[1];
  } else if (s[0] == ceil_div(m->rows, block_rows) && s[1] == ceil_div(m->columns, block_columns)) {
    m->block_rows = block_rows;
    m->block_columns = block_columns;
  } else {
    return false;
  }
  return true;
}

bool set_of_stack(const json::Value& config, Shape s, FloatMatrix* m) {
  if (elements(s) == 1) {  // one for all, as if it were one matrix
    m->rows_each = 0;
    return set_of_matrix(config, {1, 1}, m);
  }
  if (s.empty() || s[0] != m->rows / m->rows_each) return false;
  s.erase(s.begin());
  FloatMatrix one;
  one.rows = m->rows_each;
  one.columns = m->columns;
  if (!set_of_matrix(config, std::move(s), &one)) return false;
  m->block_rows = one.block_rows;
  m->block_columns = one.block_columns;
  return true;
}

}  // namespace

Status set_blocks(const json::Value& config, const TensorInfo& scales, FloatMatrix* m) {
  const bool is_stack = m->rows_each > 0;
  const std::int64_t each = is_stack ? m->rows_each : m->rows, n = m->rows / each;
  if (is_stack ? set_of_stack(config, scales.shape, m) : set_of_matrix(config, scales.shape, m)) return {};
  return {StatusCode::corrupt, fmt::format("tensor {}: {} does not belong to {} [{}, {}]", scales.name, to_string(scales.shape),
                                           is_stack ? fmt::format("{} weights", n) : "a weight", each, m->columns)};
}

}  // namespace jang::format
