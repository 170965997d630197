// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/gains.h"

#include <memory>

#include "eval/weight_gain.h"
#include "experiment/line_log.h"

namespace jang::experiment {

Result<std::vector<RoleGain>> kept_gains(const std::string& path, engine::Engine& source, const std::string& bundle,
                                         const engine::LoadOptions& load, const CancelFlag* cancel) {
  if (const Result<json::Value> known = json::parse_file(path); known.ok())
    if (Result<std::vector<RoleGain>> gains = eval::gains_from_json(*known); gains.ok()) return gains;
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> model, engine::Engine::load(bundle, load));
  JANG_ASSIGN(std::vector<RoleGain> gains, eval::weight_gains(source, *model, cancel));
  json::Value document = json::Value::object();
  eval::add_to_json(gains, &document);
  JANG_TRY(replace_text(path, json::dump(document) + "\n"));
  return gains;
}

}  // namespace jang::experiment
