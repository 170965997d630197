// SPDX-License-Identifier: Apache-2.0
// The plan as JSON: what `jang plan --json` prints and `convert --plan` takes.
//
// Read back: target, profile, method, dtype, allocation, statistics, budget_bytes, warnings, scaling, unscaled, and of every tensor name,
// role, shape, bits, group_size, tier, reason. The rest (sizes, rule, params, bytes, error) follows from the model and is written for
// people. `rule` is the rule that gave the role and what was decided after it; `reason` is the second half alone, so that it can be read
// back without trusting the first.
#include "plan/plan_json.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "codec/affine.h"
#include "plan/layout.h"
#include "plan/names.h"
#include "plan/plan.h"
#include "plan/target_rules.h"
#include "plan/tiers.h"

namespace jang::plan {
namespace {

using json::Value;

constexpr int kSchemaVersion = 1;
constexpr std::size_t kMaxWarnings = 1000, kMaxScaling = 100'000;
constexpr std::string_view kReasonSeparator = "; ";

int stored_bits(const arch::OutTensor& t, const Choice& choice, DType dtype) {
  return choice.bits > 0 ? choice.bits : 8 * size_bytes(stored_dtype(t, dtype));
}

std::string reason_after_rule(const arch::OutTensor& t, const std::string& reason) {
  const std::string prefix = t.rule + std::string(kReasonSeparator);
  return reason.starts_with(prefix) ? reason.substr(prefix.size()) : reason;
}

Status bad_plan(std::string_view where, std::string_view what) { return {StatusCode::corrupt, fmt::format("plan: {}: {}", where, what)}; }

Result<const Value*> require(const Value& object, const char* key, std::string_view where) {
  const Value* found = json::find(object, key);
  if (!found) return bad_plan(where, fmt::format("'{}' is missing", key));
  return found;
}

Result<std::string> require_string(const Value& object, const char* key, std::string_view where) {
  JANG_ASSIGN(const Value* found, require(object, key, where));
  if (!found->is_string()) return bad_plan(where, fmt::format("'{}' is not a string", key));
  return found->get<std::string>();
}

Result<int> require_small(const Value& object, const char* key, std::string_view where) {
  JANG_TRY(require(object, key, where).status());
  const auto value = json::get_int(object, key, 0, 0, 1024);
  if (!value.ok()) return value.status().with_context(fmt::format("plan: {}", where));
  return static_cast<int>(*value);
}

Result<Choice> read_choice(const Value& row, const arch::OutTensor& t, DType dtype) {
  Choice c;
  JANG_ASSIGN(c.bits, require_small(row, "bits", t.name));
  JANG_ASSIGN(c.group_size, require_small(row, "group_size", t.name));
  if (c.group_size == 0) {
    const int kept = stored_bits(t, {}, dtype);
    if (c.bits != 16 && c.bits != kept)
      return bad_plan(t.name, fmt::format("{} bits need a group_size; 0 keeps the tensor, at {} bits", c.bits, kept));
    return Choice{};
  }
  if (!codec::is_width(c.bits)) return bad_plan(t.name, fmt::format("{} is not one of the widths 2, 3, 4, 5, 6, 8", c.bits));
  if (!codec::is_group(c.group_size)) return bad_plan(t.name, fmt::format("{} is not one of the groups 32, 64, 128", c.group_size));
  if (!t.quantizable) return bad_plan(t.name, fmt::format("a {} cannot be quantized", arch::to_string(t.role)));
  if (elements(t.shape) <= 0 || columns(t.shape) % c.group_size != 0)
    return bad_plan(t.name, fmt::format("group {} does not divide {} inputs", c.group_size, columns(t.shape)));
  return c;
}

Status check_identity(const Value& row, const arch::OutTensor& t) {
  JANG_ASSIGN(const Value* shape, require(row, "shape", t.name));
  bool same = shape->is_array() && shape->size() == t.shape.size();
  for (std::size_t k = 0; same && k < t.shape.size(); ++k) {
    const Value& d = (*shape)[k];
    same = d.is_number_unsigned() ? d.get<std::uint64_t>() == static_cast<std::uint64_t>(t.shape[k])
                                  : d.is_number_integer() && d == t.shape[k];
  }
  if (!same) return bad_plan(t.name, fmt::format("its shape is {} in this model, the plan was made for another", jang::to_string(t.shape)));
  JANG_ASSIGN(const std::string role, require_string(row, "role", t.name));
  if (role != arch::to_string(t.role))
    return bad_plan(t.name, fmt::format("its role is {} in this model, not {}", arch::to_string(t.role), json::quote(role)));
  return {};
}

Result<TensorPlan> read_tensor(const Value& row, const arch::OutTensor& t, int index, const Plan& plan) {
  TensorPlan p;
  p.tensor = index;
  JANG_TRY(check_identity(row, t));
  JANG_ASSIGN(p.choice, read_choice(row, t, plan.dtype));
  JANG_ASSIGN(const std::string tier, require_string(row, "tier", t.name));
  if (!tier_from_string(tier, &p.tier)) return bad_plan(t.name, "unknown tier " + json::quote(tier));
  JANG_ASSIGN(const std::string reason, json::get_string(row, "reason", "from a plan file"));
  p.reason = t.rule + std::string(kReasonSeparator) + reason;
  p.bytes = stored_bytes(*plan.target, t, p.choice, plan.dtype);
  return p;
}

Status read_header(const Value& document, Plan* plan) {
  if (!document.is_object()) return bad_plan("document", "not an object");
  JANG_TRY(require(document, "schema_version", "document").status());
  const auto version = json::get_int(document, "schema_version", 0, kSchemaVersion, kSchemaVersion);
  if (!version.ok()) return bad_plan("schema_version", fmt::format("not {}", kSchemaVersion));
  JANG_ASSIGN(const std::string profile, require_string(document, "profile", "document"));
  const auto canonical = canonical_profile(profile);
  if (!canonical.ok()) return bad_plan("profile", canonical.status().message());
  plan->profile = *canonical;
  JANG_ASSIGN(const std::string method, require_string(document, "method", "document"));
  const std::optional<NamedMethod> known = named_method(method);
  if (!known) return bad_plan("method", "none of fit, rtn, gptq, awq, awq+rtn, awq+gptq");
  plan->method = known->method;
  plan->activation_aware = known->activation_aware;
  JANG_ASSIGN(const std::string dtype, require_string(document, "dtype", "document"));
  const std::optional<DType> parsed = dtype_from_name(dtype);
  if (parsed != DType::bf16 && parsed != DType::f16 && parsed != DType::f32) return bad_plan("dtype", "not one of BF16, F16, F32");
  plan->dtype = *parsed;
  JANG_ASSIGN(const std::string allocation, json::get_string(document, "allocation", to_string(AllocatedBy::file)));
  plan->allocation = allocation_from_string(allocation);
  JANG_ASSIGN(const std::string target, json::get_string(document, "target", plan->target->name()));
  plan->target = targets::find_target(target);
  if (plan->target == nullptr) return bad_plan("target", json::quote(target) + " is no target of this version");
  JANG_ASSIGN(plan->statistics, json::get_string(document, "statistics", ""));
  JANG_ASSIGN(const std::int64_t budget, json::get_int(document, "budget_bytes", 0, 0, std::int64_t{1} << 62));
  plan->budget_bytes = static_cast<std::uint64_t>(budget);
  if (const Value* warnings = json::find(document, "warnings")) {
    if (!warnings->is_array() || warnings->size() > kMaxWarnings) return bad_plan("warnings", "not a list of texts");
    for (const Value& w : *warnings) {
      if (!w.is_string()) return bad_plan("warnings", "not a list of texts");
      plan->warnings.push_back(w.get<std::string>());
    }
  }
  return {};
}

Status read_trial(const Value& document, Plan* plan) {
  const Value* trial = json::find(document, "scaling_trial");
  if (trial == nullptr || trial->is_null()) return {};
  if (!trial->is_object()) return bad_plan("scaling_trial", "not an object");
  ScalingTrial t;
  JANG_ASSIGN(t.positions, json::get_int(*trial, "positions", 0, 0, std::int64_t{1} << 31));
  JANG_ASSIGN(t.unscaled, json::get_number(*trial, "divergence_unscaled", 0));
  JANG_ASSIGN(t.scaled, json::get_number(*trial, "divergence", 0));
  JANG_ASSIGN(t.difference_error, json::get_number(*trial, "difference_error", 0));
  plan->scaling_trial = t;
  return {};
}

// Whether its names are groups of the model is found when it is carried out (quantize/channel_scales.h).
Status read_scaling(const Value& document, Plan* plan) {
  const Value* rows = json::find(document, "scaling");
  if (rows == nullptr) return {};
  if (!rows->is_array() || rows->size() > kMaxScaling) return bad_plan("scaling", "not a list of groups");
  if (!rows->empty() && !plan->activation_aware) return bad_plan("scaling", "only the methods awq, awq+rtn and awq+gptq rescale channels");
  std::set<std::string> seen;
  for (const Value& row : *rows) {
    Scaling s;
    JANG_ASSIGN(s.group, require_string(row, "group", "scaling"));
    if (!seen.insert(s.group).second) return bad_plan(s.group, "rescaled twice");
    JANG_TRY(require(row, "exponent", s.group).status());
    JANG_ASSIGN(s.exponent, json::get_number(row, "exponent", 0));
    if (!(s.exponent >= 0 && s.exponent <= 1)) return bad_plan(s.group, "its exponent is not between 0 and 1");
    JANG_ASSIGN(s.gain, json::get_number(row, "gain", 0));
    JANG_ASSIGN(s.experts_left, json::get_int(row, "experts_left", 0, 0, std::int64_t{1} << 31));
    JANG_ASSIGN(s.of_weights, json::get_number(row, "of_weights", 0));
    if (!(s.of_weights >= 0 && s.of_weights <= 1)) return bad_plan(s.group, "its exponent of the weights is not between 0 and 1");
    JANG_ASSIGN(s.refused, json::get_bool(row, "refused", false));
    if (s.refused && s.exponent != 0) return bad_plan(s.group, "refused, and rescaled all the same");
    plan->scaling.push_back(std::move(s));
  }
  JANG_TRY(read_trial(document, plan));
  const Value* others = json::find(document, "unscaled");
  if (others == nullptr) return {};
  if (!others->is_array() || others->size() > kMaxScaling) return bad_plan("unscaled", "not a list of groups");
  for (const Value& row : *others) {
    Unscaled u;
    JANG_ASSIGN(u.group, require_string(row, "group", "unscaled"));
    JANG_ASSIGN(u.reason, require_string(row, "reason", "unscaled"));
    plan->unscaled.push_back(std::move(u));
  }
  return {};
}

json::Value scaling_json(const Plan& plan) {
  Value rows = Value::array();
  for (const Scaling& s : plan.scaling) {
    rows.push_back({{"group", s.group}, {"exponent", s.exponent}, {"gain", s.gain}, {"experts_left", s.experts_left}});
    if (s.of_weights != 0) rows.back()["of_weights"] = s.of_weights;
    if (s.refused) rows.back()["refused"] = true;
  }
  return rows;
}

// Rows by the tensor they name, in the order of the model.
Result<std::vector<const Value*>> match_rows(const arch::Model& model, const Value& rows) {
  std::map<std::string_view, std::size_t> index;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    index.emplace(model.tensors[i].name, i);
    names.push_back(model.tensors[i].name);
  }
  std::vector<const Value*> by_tensor(model.tensors.size(), nullptr);
  for (const Value& row : rows) {
    JANG_ASSIGN(const std::string name, require_string(row, "name", "tensors"));
    const auto at = index.find(name);
    if (at == index.end())
      return Status(StatusCode::not_found,
                    fmt::format("plan: this model has no tensor {}{}", json::quote(name, 512), nearest_hint(name, names)));
    if (by_tensor[at->second]) return bad_plan(name, "listed twice");
    by_tensor[at->second] = &row;
  }
  for (std::size_t i = 0; i < by_tensor.size(); ++i)
    if (!by_tensor[i])
      return Status(StatusCode::not_found, fmt::format("plan: tensor {} of the model is not in the plan", model.tensors[i].name));
  return by_tensor;
}

// mlx-lm's recipes know nothing of units; every other plan keeps them together.
Status check_units(const arch::Model& model, const Plan& plan) {
  if (plan.allocation == AllocatedBy::mlx_recipe) return {};
  for (const arch::Unit& unit : arch::units_of(model)) {
    const auto first = static_cast<std::size_t>(unit.tensors.front());
    for (const int i : unit.tensors)
      if (const auto at = static_cast<std::size_t>(i); plan.tensors[at].choice != plan.tensors[first].choice)
        return bad_plan(model.tensors[at].name,
                        fmt::format("it must have the bits and group_size of {}: they share one decision", model.tensors[first].name));
  }
  return {};
}

}  // namespace

json::Value to_json(const arch::Model& model, const Plan& plan) {
  const Sizes total = sizes(model, plan, make_layout(model, plan));
  Value tensors = Value::array();
  for (const TensorPlan& p : plan.tensors) {
    const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(p.tensor)];
    const std::string reason = reason_after_rule(t, p.reason);
    tensors.push_back({{"name", t.name},
                       {"module", t.module},
                       {"role", arch::to_string(t.role)},
                       {"tier", to_string(p.tier)},
                       {"rule", t.rule + std::string(kReasonSeparator) + reason},
                       {"bits", stored_bits(t, p.choice, plan.dtype)},
                       {"group_size", p.choice.bits > 0 ? p.choice.group_size : 0},
                       {"shape", t.shape},
                       {"params", elements(t.shape)},
                       {"bytes", p.bytes},
                       {"reason", reason},
                       {"error", nullptr}});
  }
  Value document = {{"schema_version", kSchemaVersion}, {"target", plan.target->name()},
                    {"profile", plan.profile},          {"method", method_name(plan.method, plan.activation_aware)},
                    {"dtype", jang::name(plan.dtype)},  {"allocation", to_string(plan.allocation)},
                    {"statistics", plan.statistics},    {"budget_bytes", plan.budget_bytes},
                    {"params", total.params},           {"code_bits", total.code_bits},
                    {"stored_bits", total.stored_bits}, {"file_bytes", total.file_bytes},
                    {"tensors", std::move(tensors)},    {"warnings", plan.warnings}};
  if (!plan.activation_aware) return document;
  document["scaling"] = scaling_json(plan);
  if (const auto& t = plan.scaling_trial)
    document["scaling_trial"] = {{"positions", t->positions},
                                 {"divergence_unscaled", t->unscaled},
                                 {"divergence", t->scaled},
                                 {"difference_error", t->difference_error}};
  document["unscaled"] = Value::array();
  for (const Unscaled& u : plan.unscaled) document["unscaled"].push_back({{"group", u.group}, {"reason", u.reason}});
  return document;
}

Result<Plan> from_json(const arch::Model& model, const json::Value& document) {
  Plan plan;
  JANG_TRY(read_header(document, &plan));
  JANG_ASSIGN(const Value* rows, require(document, "tensors", "document"));
  if (!rows->is_array()) return bad_plan("tensors", "not a list");
  JANG_ASSIGN(const std::vector<const Value*> by_tensor, match_rows(model, *rows));
  JANG_TRY(read_scaling(document, &plan));
  for (std::size_t i = 0; i < by_tensor.size(); ++i) {
    JANG_ASSIGN(TensorPlan p, read_tensor(*by_tensor[i], model.tensors[i], static_cast<int>(i), plan));
    plan.tensors.push_back(std::move(p));
  }
  JANG_TRY(check_units(model, plan));
  JANG_TRY(check_choices(model, plan));
  return plan;
}

}  // namespace jang::plan
