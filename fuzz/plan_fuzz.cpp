// SPDX-License-Identifier: Apache-2.0
// Plan files and --tensor texts on any bytes. Oracle: an accepted plan fits the model, lays out, and prints as a plan that reads back to
// the same text; an accepted override names a width and a group of the codec.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/affine.h"
#include "json/json.h"
#include "plan/layout.h"
#include "plan/overrides.h"
#include "plan/plan.h"
#include "plan/plan_json.h"

namespace {

jang::arch::OutTensor tensor(const char* module, jang::arch::Role role, jang::Shape shape, const char* unit) {
  jang::arch::OutTensor t;
  t.module = module;
  t.name = t.module + ".weight";
  t.unit = unit;
  t.shape = std::move(shape);
  t.role = role;
  t.rule = "fuzz";
  t.quantizable = t.shape.size() >= 2;
  return t;
}

jang::arch::Model make_model() {
  using jang::arch::Role;
  jang::arch::Model m;
  m.n_layers = 1;
  m.tensors = {tensor("a", Role::embedding, {8, 64}, "a"), tensor("b.gate", Role::mlp_gate, {4, 32}, "b"),
               tensor("b.up", Role::mlp_up, {4, 32}, "b"), tensor("n", Role::norm, {64}, "n")};
  return m;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const jang::arch::Model model = make_model();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto o = jang::plan::parse_override(text); o.ok()) {
    JANG_CHECK(o->choice == jang::plan::Choice{} || jang::codec::is_width(o->choice.bits));
    JANG_CHECK(o->choice.group_size == 0 || jang::codec::is_group(o->choice.group_size));
  }
  const auto document = jang::json::parse(text, "input", {.max_bytes = 1u << 20, .max_depth = 16});
  if (!document.ok()) return 0;
  const auto plan = jang::plan::from_json(model, *document);
  if (!plan.ok()) {
    JANG_CHECK(!plan.status().message().empty());
    return 0;
  }
  JANG_CHECK(plan->tensors.size() == model.tensors.size());
  JANG_CHECK(plan->tensors[1].choice == plan->tensors[2].choice || plan->allocation == jang::plan::AllocatedBy::mlx_recipe);
  const auto written = jang::plan::to_json(model, *plan);
  const auto again = jang::plan::from_json(model, written);
  JANG_CHECK(again.ok());
  JANG_CHECK(jang::json::dump(jang::plan::to_json(model, *again)) == jang::json::dump(written));
  return 0;
}
