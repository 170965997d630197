// SPDX-License-Identifier: Apache-2.0
// Names of a plan's enums, and the storage type of its parameters.
#include "plan/plan.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "arch/units.h"
#include "format/targets/target.h"

namespace jang::plan {
namespace {

// Of what decided the bits, in the order of the enum.
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

std::string_view to_string(Method method) {
  switch (method) {
    case Method::rtn: return "rtn";
    case Method::gptq: return "gptq";
    case Method::fit: break;
  }
  return "fit";
}

std::string method_name(Method method, bool activation_aware) {
  if (!activation_aware) return std::string(to_string(method));
  return method == Method::fit ? "awq" : "awq+" + std::string(to_string(method));
}

std::optional<NamedMethod> named_method(std::string_view name) {
  for (const bool aware : {false, true})
    for (const Method m : {Method::fit, Method::rtn, Method::gptq})
      if (method_name(m, aware) == name) return NamedMethod{m, aware};
  return std::nullopt;
}

DType param_dtype(const arch::Model& model, const Options& options) {
  if (options.param_dtype) return *options.param_dtype;
  if (const std::optional<DType> only = options.target->rules().params) return *only;
  std::uint64_t like_bf16 = 0, like_f16 = 0;
  for (const bool quantizable : {true, false}) {
    for (const arch::OutTensor& t : model.tensors) {
      if (t.quantizable != quantizable || !info(t.source_dtype).is_float) continue;
      (t.source_dtype == DType::f16 ? like_f16 : like_bf16) += static_cast<std::uint64_t>(elements(t.shape));
    }
    if (like_bf16 + like_f16 > 0) break;  // other tensors count only where nothing is quantizable
  }
  return like_f16 > like_bf16 ? DType::f16 : DType::bf16;
}

std::map<std::string, Choice> choices_by_unit(const arch::Model& model, const Plan& plan) {
  std::map<std::string, Choice> chosen;
  for (const arch::Unit& unit : arch::units_of(model)) {
    const Choice& choice = plan.tensors[static_cast<std::size_t>(unit.tensors.front())].choice;
    if (choice.bits) chosen[unit.name] = choice;
  }
  return chosen;
}

}  // namespace jang::plan
