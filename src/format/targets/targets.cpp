// SPDX-License-Identifier: Apache-2.0
// The table of targets, and the way from stored tensors to a model that all of them share.
#include "format/targets/targets.h"

#include <algorithm>
#include <iterator>

#include "arch/describe.h"
#include "format/targets/awq/awq.h"
#include "format/targets/compressed_tensors/compressed_tensors.h"
#include "format/targets/gptq/gptq.h"
#include "format/targets/humming/humming.h"
#include "format/targets/mlx/mlx.h"
#include "format/targets/source_check.h"
#include "format/targets/target.h"

namespace jang::targets {
namespace {

struct Described {
  arch::Model model;
  arch::SourceFacts facts;
};

// The message with tensors named as their files name them.
Status in_stored_names(const Status& status, std::span<const TensorInfo> canonical, std::span<const TensorInfo> stored) {
  std::string message = status.message();
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (canonical[i].name == stored[i].name) continue;
    const std::string quoted = "'" + canonical[i].name + "'";
    if (const std::size_t at = message.find(quoted); at != std::string::npos)
      message.replace(at, quoted.size(), "'" + stored[i].name + "'");
  }
  return {status.code(), message};
}

Result<Described> describe_stored(const json::Value& config, std::span<const TensorInfo> stored, arch::SourceFacts facts,
                                  std::vector<std::string>* warnings) {
  if (!config.is_object()) return Status(StatusCode::corrupt, "config.json: must be an object");
  if (stored.empty()) return Status(StatusCode::corrupt, "the checkpoint has no tensors");
  JANG_TRY(check_source(config, stored, warnings));
  std::vector<TensorInfo> tensors(stored.begin(), stored.end());
  for (const Target* target : targets()) target->published(config, &tensors, &facts);
  Result<arch::Model> model = arch::describe(config, tensors, facts);
  if (!model.ok()) return in_stored_names(model.status(), tensors, stored);
  return Described{std::move(model).value(), facts};
}

}  // namespace

std::span<const Target* const> targets() {
  static const Target* const kTargets[] = {
      &mlx::target(),  &compressed_tensors::vllm(), &compressed_tensors::vllm_symmetric(), &awq::target(),
      &gptq::target(), &humming::target()};
  return kTargets;
}

const Target& default_target() { return *targets().front(); }

const Target* find_target(std::string_view name) {
  const auto found = std::ranges::find(targets(), name, [](const Target* t) { return t->name(); });
  return found == targets().end() ? nullptr : *found;
}

const Target& writer_of(const format::Checkpoint& checkpoint, std::span<const Target* const> table) {
  for (const Target* target : table.subspan(1))
    if (target->recognises(checkpoint)) return *target;
  return *table.front();
}

Result<arch::Model> describe_canonical(const json::Value& config, std::span<const TensorInfo> stored, arch::SourceFacts facts) {
  std::vector<std::string> warnings;
  JANG_ASSIGN(Described described, describe_stored(config, stored, facts, &warnings));
  arch::Model& model = described.model;
  arch::leave_vision_out(&model, stored);
  model.warnings.insert(model.warnings.begin(), warnings.begin(), warnings.end());
  return std::move(model);
}

void Target::spell_towers(std::span<const TensorInfo> stored, const arch::SourceFacts& /*facts*/, bool text_only,
                          arch::Model* model) const {
  if (model->has_vision && !text_only)
    model->warnings.emplace_back("the vision tower was left out: the target " + std::string(name()) + " takes the text model");
  arch::leave_vision_out(model, stored);
}

Result<arch::Model> describe_source(const json::Value& config, std::span<const TensorInfo> stored, const arch::SourceFacts& facts,
                                    const Target& target, bool text_only) {
  std::vector<std::string> warnings;
  JANG_ASSIGN(Described described, describe_stored(config, stored, facts, &warnings));
  arch::Model& model = described.model;
  JANG_TRY(target.spell(stored, described.facts, &model));
  target.spell_towers(stored, described.facts, text_only, &model);
  model.warnings.insert(model.warnings.begin(), warnings.begin(), warnings.end());
  return std::move(model);
}

}  // namespace jang::targets
