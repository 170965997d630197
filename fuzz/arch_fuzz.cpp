// SPDX-License-Identifier: Apache-2.0
// Fuzz target of targets::describe_source and, for what it accepts, arch::decoder_config; of arch::expected_tensors by the config alone.
// Input: {"config": {...}, "tensors": {name: [dtype, shape]}}, or [dtype, shape, standing] with 0 to 2 for listed, unlisted and stray.
// Whatever the config and the tensor list say, describe returns a Status or a model whose pieces lie inside their sources and fill their
// tensors exactly.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"
#include "arch/expected.h"
#include "base/check.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "json/json.h"

namespace {

bool read_tensors(const jang::json::Value& document, std::vector<jang::TensorInfo>* tensors) {
  const jang::json::Value* list = jang::json::find(document, "tensors");
  if (list == nullptr || !list->is_object()) return false;
  for (const auto& [name, entry] : list->items()) {
    if (!entry.is_array() || entry.size() < 2 || !entry[0].is_string() || !entry[1].is_array()) return false;
    jang::TensorInfo t;
    t.name = name;
    const auto dtype = jang::dtype_from_name(entry[0].get<std::string>());
    if (!dtype) return false;
    t.dtype = *dtype;
    if (entry.size() > 2) {
      if (!entry[2].is_number_unsigned() || entry[2] > 2) return false;
      t.standing = static_cast<jang::Standing>(entry[2].get<int>());
    }
    for (const jang::json::Value& d : entry[1]) {
      if (!d.is_number_integer()) return false;
      t.shape.push_back(d.get<std::int64_t>());
    }
    tensors->push_back(std::move(t));
  }
  return true;
}

void check(const jang::arch::Model& model, const std::vector<jang::TensorInfo>& sources) {
  for (const jang::arch::OutTensor& t : model.tensors) {
    JANG_CHECK(jang::checked_elements(t.shape).has_value());
    std::int64_t n = 0;
    for (const jang::arch::Piece& p : t.pieces) {
      JANG_CHECK(p.source >= 0 && static_cast<std::size_t>(p.source) < sources.size());
      const jang::Shape& shape = sources[static_cast<std::size_t>(p.source)].shape;
      JANG_CHECK(p.row_begin >= 0 && p.n_rows >= 0 && p.n_rows <= jang::rows(shape) - p.row_begin);
      n += p.n_rows * jang::columns(shape);
    }
    JANG_CHECK(n == jang::elements(t.shape));
  }
}

void check(const jang::arch::DecoderConfig& c, const jang::arch::Model& model) {
  JANG_CHECK(c.n_layers() == model.n_layers && c.hidden > 0 && c.vocab > 0);
  for (const jang::arch::Rope& rope : c.ropes)
    JANG_CHECK(rope.dims > 0 && rope.dims % 2 == 0 && static_cast<std::int64_t>(rope.inv_freq.size()) == rope.dims / 2);
  for (const jang::arch::LayerSpec& layer : c.layers) {
    if (const auto* a = std::get_if<jang::arch::AttentionSpec>(&layer.mixer)) {
      JANG_CHECK(a->key_dim > 0 && a->value_dim > 0 && a->n_kv_heads > 0 && a->n_heads % a->n_kv_heads == 0 && a->window >= 0);
      JANG_CHECK(a->rope >= 0 && c.ropes.at(static_cast<std::size_t>(a->rope)).dims <= a->key_dim);
    }
    if (const auto* e = std::get_if<jang::arch::ExpertsSpec>(&layer.ffn)) JANG_CHECK(e->top_k > 0 && e->top_k <= e->n_experts);
  }
}

// What a config promises is possible, and a checkpoint of it is described without a tensor too many or too few.
void check_expected(const jang::json::Value& config) {
  const auto expected = jang::arch::expected_tensors(config);
  if (!expected.ok()) return;
  for (const jang::TensorInfo& t : *expected) JANG_CHECK(jang::checked_elements(t.shape).has_value());
  if (expected->size() > 500) return;  // describing many takes long
  const auto model = jang::targets::describe_canonical(config, *expected);
  if (!model.ok()) return;
  check(*model, *expected);
  JANG_CHECK(model->dropped.size() <= 1);  // a head, where two places of the config disagree about it
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;  // no document; the JSON target covers it
  const auto document = jang::json::parse({reinterpret_cast<const char*>(data), size}, "input", {.dialect = jang::json::Dialect::python});
  if (!document.ok()) return 0;
  const jang::json::Value* config = jang::json::find(*document, "config");
  std::vector<jang::TensorInfo> tensors;
  if (config == nullptr || !read_tensors(*document, &tensors)) return 0;
  check_expected(*config);
  const auto model = jang::targets::describe_source(*config, tensors);
  if (!model.ok()) return 0;
  check(*model, tensors);
  const auto decoder = jang::arch::decoder_config(*model);
  if (decoder.ok()) check(*decoder, *model);
  return 0;
}
