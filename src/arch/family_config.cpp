// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "arch/family_config.h"

#include <optional>

#include "arch/config_edit.h"
#include "arch/describe.h"

namespace jang::arch {

Result<Geometry> read_config(const Family& family, json::Value* config) {
  json::Value* text = language_config(family, config);
  if (!text->is_object()) return Status(StatusCode::corrupt, "config.json: text_config must be an object");
  if (family.edit != nullptr) JANG_TRY(family.edit(text));
  add_defaults(family.defaults, text);
  return read_geometry(*text, family.reads);
}

bool says_tied(const Family& family, const json::Value& config) {
  std::optional<bool> flag;
  for (const json::Value* place : {&config, json::find(config, "text_config")}) {
    const json::Value* value = place != nullptr && place->is_object() ? json::find(*place, "tie_word_embeddings") : nullptr;
    if (value != nullptr && value->is_boolean()) flag = flag.value_or(false) || value->get<bool>();
  }
  return flag.value_or(family.tied_by_default);
}

}  // namespace jang::arch
