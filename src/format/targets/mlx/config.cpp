// SPDX-License-Identifier: Apache-2.0
// The config.json that mlx-lm's classes read. See config.h.
#include "format/targets/mlx/config.h"
#include "arch/geometry.h"

namespace jang::targets::mlx {
namespace {

void add(json::Value* object, const char* key, const json::Value& value) {
  if (json::find(*object, key) == nullptr) (*object)[key] = value;
}

}  // namespace

void drop_quantization_and_lift_ids(json::Value* config) {
  config->erase("quantization");
  config->erase("quantization_config");
  const auto text = config->find("text_config");
  if (text == config->end() || !text->is_object()) return;
  text->erase("quantization");
  text->erase("quantization_config");
  const json::Value nested = *text;
  for (const char* key : {"eos_token_id", "bos_token_id"})
    if (const json::Value* id = json::find(nested, key)) add(config, key, *id);
}

void finish_config(const arch::Family& family, const FamilyRow& row, const arch::Geometry& geometry, json::Value* config) {
  drop_quantization_and_lift_ids(config);
  if (!row.model_type.empty()) (*config)["model_type"] = row.model_type;
  const bool nested = family.text_config && json::find(*config, "text_config") != nullptr;
  json::Value* text = nested ? &(*config)["text_config"] : config;
  if (geometry.n_heads > 0) {
    add(text, "num_key_value_heads", geometry.n_kv_heads);
    add(text, "head_dim", geometry.size(arch::Dim::head));
  }
  if (nested && row.vocab_at_top) (*config)["vocab_size"] = geometry.size(arch::Dim::vocab);
  text = nested ? &(*config)["text_config"] : config;  // an insertion above may have moved it
  (*text)["tie_word_embeddings"] = geometry.tied;
  if (nested && config->contains("tie_word_embeddings")) (*config)["tie_word_embeddings"] = geometry.tied;
}

}  // namespace jang::targets::mlx
