// SPDX-License-Identifier: Apache-2.0
// Plans that are poor use of their bytes, or that do not go with the statistics given, are told or refused here.
#include "quantize/source.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "arch/describe.h"
#include "base/phases.h"
#include "base/text_input.h"
#include "format/hub.h"
#include "format/targets/bundle.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "format/targets/transposed_experts.h"
#include "format/targets/unpacked.h"
#include "plan/assess.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/plan_json.h"
#include "quantize/costs.h"
#include "quantize/encode_tasks.h"
#include "quantize/measure.h"
#include "quantize/tied_head.h"

namespace jang::quantize {

namespace {

// What a packed source is called in messages; empty: it is not packed.
std::string packing_of(const format::Bundle& bundle) {
  const bool has_made = std::ranges::any_of(
      bundle.checkpoint.tensors(), [](const format::StoredTensor& t) { return t.made != nullptr && !format::is_upright_expert(t); });
  if (bundle.modules.empty() && !has_made) return {};
  const bool is_default = bundle.target == &targets::default_target();
  return bundle.modules.empty() && is_default ? "narrow floats" : std::string(bundle.target->name());
}

}  // namespace

std::string packed_warning(const std::string& packed_by) {
  return fmt::format(
      "the source is packed already ({}): what the result packs alike is taken over as it is, and the rest is quantized a second time; the "
      "checkpoint it was made from gives a better result",
      packed_by);
}

Result<Source> open_source(const std::string& directory, const format::OpenOptions& options, const targets::Target& target,
                           bool text_only) {
  JANG_ASSIGN(format::Bundle bundle, format::open_bundle(directory, options));
  std::string packed_by = packing_of(bundle);
  format::Checkpoint checkpoint = packed_by.empty() ? std::move(bundle.checkpoint) : format::unpacked(std::move(bundle));
  std::vector<TensorInfo> infos;
  infos.reserve(checkpoint.tensors().size());
  for (const format::StoredTensor& t : checkpoint.tensors()) infos.push_back(t.info);
  JANG_ASSIGN(const arch::SourceFacts facts, source_facts(checkpoint));
  auto model = targets::describe_source(checkpoint.config(), infos, facts, target, text_only);
  JANG_TRY(checkpoint.settle(model.status().with_context(directory), model.ok() && arch::knows_tensors(*model)));
  model->warnings.insert(model->warnings.begin(), checkpoint.warnings().begin(), checkpoint.warnings().end());
  if (!packed_by.empty()) model->warnings.push_back(packed_warning(packed_by));
  return Source{std::move(checkpoint), std::move(model).value(), &target, std::move(packed_by), text_only};
}

namespace {

// Says so when another profile would make more of the bytes.
void warn_of_poor_profile(const arch::Model& model, const plan::Options& options, plan::Plan* plan) {
  if (plan->allocation != plan::AllocatedBy::tiers || !options.overrides.empty()) return;
  const std::optional<plan::Better> better = plan::better_profile(model, *plan, options);
  if (!better) return;
  plan->warnings.push_back(
      fmt::format("{} is a poor use of its bytes on this model: {} needs {:.0f} % of them and is expected to lose {:.1f} times "
                  "less; `--size {}` spends all of them by measured error",
                  plan->profile, better->profile,
                  100.0 * static_cast<double>(better->file_bytes) / static_cast<double>(plan::make_layout(model, *plan).file_bytes),
                  better->times_less, plan::make_layout(model, *plan).file_bytes));
}

// Names and shapes in a plan are those of its target.
Status check_plan_target(const json::Value& document, const targets::Target& target) {
  JANG_ASSIGN(const std::string name, json::get_string(document, "target", targets::default_target().name()));
  if (name == target.name()) return {};
  return {StatusCode::invalid_argument, fmt::format("the plan is for the target {}; say --target {} here too", json::quote(name), name)};
}

// A plan made with statistics holds for those only: other weights give other bytes.
Status check_statistics(const plan::Plan& plan, const RunOptions& run) {
  const std::string given = run.statistics ? run.statistics->digest : "";
  if (plan.statistics == given) return {};
  if (given.empty())
    return {StatusCode::invalid_argument, "the plan weights its groups by statistics " + plan.statistics + "; give them with --stats"};
  return {StatusCode::invalid_argument,
          "the plan was made " + (plan.statistics.empty() ? std::string("without statistics") : "with statistics " + plan.statistics) +
              ", those given are " + given};
}

}  // namespace

Result<plan::Plan> plan_source(const Source& source, const plan::Options& options, const std::string& plan_file, const RunOptions& run) {
  SilentObserver silent;
  Observer& observer = run.observer ? *run.observer : silent;
  if (!plan_file.empty()) {
    begin_phase(observer, "allocate");
    JANG_ASSIGN(const std::string text, read_text_input(plan_file, json::Limits{}.max_bytes));
    JANG_ASSIGN(const json::Value document, json::parse(text, plan_file));
    JANG_TRY(check_plan_target(document, *source.target).with_context(plan_file));
    auto plan = plan::from_json(source.model, document);
    if (!plan.ok()) return plan.status().with_context(plan_file);
    JANG_TRY(check_statistics(*plan, run));
    return plan;
  }
  const bool weighted = run.statistics && options.method != plan::Method::rtn && !run.statistics->inputs.empty();
  const auto finish = [&](Result<plan::Plan> plan) {
    if (plan.ok() && weighted) plan->statistics = run.statistics->digest;
    if (plan.ok()) warn_of_poor_profile(source.model, options, &*plan);
    return plan;
  };
  if (!plan::needs_errors(options)) {
    begin_phase(observer, "allocate");
    return finish(plan::make_plan(source.model, options));
  }
  JANG_TRY(plan::check_options(source.model, options));  // whatever can be refused, before the weights are read
  begin_phase(observer, "measure");
  plan::CostTable fisher;
  JANG_ASSIGN(const plan::ErrorTable errors, measure_errors(source, options, plan::param_dtype(source.model, options), run, &fisher));
  begin_phase(observer, "allocate");
  if (!run.statistics || !run.statistics->decides()) return finish(plan::make_plan(source.model, options, &errors));
  JANG_ASSIGN(ExpectedPlan expected, plan_by_sensitivity(source.model, options, errors, *run.statistics, run.factors, 0, fisher));
  return finish(std::move(expected.plan));
}

std::string default_output_name(const std::string& source_path, const plan::Plan& plan) {
  std::string name = format::model_name(source_path);
  for (const std::string_view suffix : {"-BF16", "-bf16", "-FP16", "-fp16", "-F16", "-FP32", "-fp32"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      break;
    }
  }
  return name + "-" + plan.profile;
}

}  // namespace jang::quantize
