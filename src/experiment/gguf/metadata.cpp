// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/gguf/metadata.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

#include "base/corrupt.h"
#include "format/gguf_writer.h"
#include "json/json.h"

namespace jang::experiment {
namespace {

using format::gguf_integer;
using format::gguf_real;
using format::gguf_text;
using format::GgufKind;
using format::GgufValue;

// Expressions of pre-tokenizers before byte-level BPE, and llama.cpp's names for them.
struct PreTokenizer {
  std::string_view expression, name;
};
constexpr PreTokenizer kPreTokenizers[] = {
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "qwen2"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "llama-bpe"},
};

// Kinds of tokens, as llama.cpp numbers them.
enum TokenKind : std::int64_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

const arch::AttentionSpec* first_attention(const arch::DecoderConfig& config) {
  for (const arch::LayerSpec& layer : config.layers)
    if (const auto* attention = std::get_if<arch::AttentionSpec>(&layer.mixer)) return attention;
  return nullptr;
}

// llama.cpp's name of the tokenizer's pre-tokenizer; empty when there is none.
std::string_view pre_tokenizer_name(const json::Value& tokenizer) {
  const json::Value* pre = json::find(tokenizer, "pre_tokenizer");
  if (pre == nullptr || !pre->is_object()) return "";
  const json::Value* list = json::find(*pre, "pretokenizers");
  if (list == nullptr || !list->is_array() || list->empty()) return pre->value("type", json::Value()) == "ByteLevel" ? "gpt-2" : "";
  const json::Value* pattern = list->front().is_object() ? json::find(list->front(), "pattern") : nullptr;
  const json::Value* expression = pattern != nullptr && pattern->is_object() ? json::find(*pattern, "Regex") : nullptr;
  if (expression == nullptr || !expression->is_string()) return "";
  const auto row = std::ranges::find(kPreTokenizers, expression->get<std::string>(), &PreTokenizer::expression);
  return row == std::end(kPreTokenizers) ? "" : row->name;
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int64_t> kinds;
};

Result<Vocabulary> read_vocabulary(const json::Value& tokenizer, const json::Value& bpe, std::int64_t n) {
  Vocabulary v;
  for (std::int64_t i = 0; i < n; ++i) v.tokens.push_back(fmt::format("[PAD{}]", i));
  v.kinds.assign(static_cast<std::size_t>(n), kUnused);
  const auto place = [&](const std::string& token, const json::Value& id, TokenKind kind) -> Status {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= n)
      return corrupt(fmt::format("tokenizer.json: token {} has no id below {}", json::quote(token), n));
    v.tokens[id.get<std::size_t>()] = token;
    v.kinds[id.get<std::size_t>()] = kind;
    return {};
  };
  const json::Value* vocab = json::find(bpe, "vocab");
  if (vocab == nullptr || !vocab->is_object()) return corrupt("tokenizer.json: model.vocab is no object");
  for (const auto& [token, id] : vocab->items()) JANG_TRY(place(token, id, kNormal));
  const json::Value* added = json::find(tokenizer, "added_tokens");
  if (added == nullptr || !added->is_array()) return v;
  for (const json::Value& token : *added) {
    if (!token.is_object()) return corrupt("tokenizer.json: an added token is no object");
    JANG_ASSIGN(const std::string content, json::get_string(token, "content", ""));
    JANG_ASSIGN(const bool special, json::get_bool(token, "special", false));
    const json::Value* id = json::find(token, "id");
    JANG_TRY(place(content, id == nullptr ? json::Value() : *id, special ? kControl : kUserDefined));
  }
  return v;
}

Result<std::vector<std::string>> read_merges(const json::Value& bpe) {
  const json::Value* list = json::find(bpe, "merges");
  if (list == nullptr || !list->is_array()) return corrupt("tokenizer.json: model.merges is no array");
  std::vector<std::string> merges;
  for (const json::Value& merge : *list) {
    const bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (!pair && !merge.is_string()) return corrupt("tokenizer.json: a merge is neither a pair nor a text");
    merges.push_back(pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>() : merge.get<std::string>());
  }
  return merges;
}

}  // namespace

void add_sizes(const GgufModel& model, const std::string& name, format::GgufHeader& header) {
  const arch::DecoderConfig& c = model.config;
  const std::string architecture(targets::gguf::architecture_of(model.model.family));
  auto& m = header.metadata;
  m["general.architecture"] = gguf_text(architecture);
  m["general.type"] = gguf_text("model");
  m["general.name"] = gguf_text(name);
  m["general.quantization_version"] = gguf_integer(2);
  const auto put = [&](const char* key, GgufValue value) { m[architecture + "." + key] = std::move(value); };
  put("block_count", gguf_integer(c.n_layers()));
  put("context_length", gguf_integer(c.max_positions));
  put("embedding_length", gguf_integer(c.hidden));
  put("vocab_size", gguf_integer(c.vocab));
  put("attention.layer_norm_rms_epsilon", gguf_real(static_cast<double>(c.norm.eps)));
  if (const arch::AttentionSpec* a = first_attention(c)) {
    put("attention.head_count", gguf_integer(a->n_heads));
    put("attention.head_count_kv", gguf_integer(a->n_kv_heads));
    put("attention.key_length", gguf_integer(a->key_dim));
    put("attention.value_length", gguf_integer(a->value_dim));
    put("rope.dimension_count", gguf_integer(c.ropes[static_cast<std::size_t>(a->rope)].dims));
  }
  std::int64_t ffn = 0;
  for (const arch::LayerSpec& layer : c.layers) {
    if (const auto* mlp = std::get_if<arch::MlpSpec>(&layer.ffn)) ffn = mlp->ffn;
    if (const auto* experts = std::get_if<arch::ExpertsSpec>(&layer.ffn)) {
      put("expert_count", gguf_integer(experts->n_experts));
      put("expert_used_count", gguf_integer(experts->top_k));
      put("expert_feed_forward_length", gguf_integer(experts->expert.ffn));
      if (ffn == 0) ffn = experts->expert.ffn;
    }
    const auto* a = std::get_if<arch::AttentionSpec>(&layer.mixer);
    if (a == nullptr) continue;
    const double theta = c.ropes[static_cast<std::size_t>(a->rope)].theta;
    if (a->window > 0) {
      put("attention.sliding_window", gguf_integer(a->window));
      put("rope.freq_base_swa", gguf_real(theta));
    } else {
      put("rope.freq_base", gguf_real(theta));
    }
  }
  put("feed_forward_length", gguf_integer(ffn));
}

std::string forward_gap(const GgufModel& model) {
  for (const arch::Rope& rope : model.config.ropes)
    if (rope.type != "default") return fmt::format("RoPE of type {}", rope.type);
  const bool gemma = targets::gguf::architecture_of(model.model.family) == "gemma3";
  for (const arch::LayerSpec& layer : model.config.layers) {
    const auto* a = std::get_if<arch::AttentionSpec>(&layer.mixer);
    if (a != nullptr && a->window > 0 && !gemma) return "sliding windows";
    const auto* experts = std::get_if<arch::ExpertsSpec>(&layer.ffn);
    if (experts != nullptr && !experts->norm_topk) return "experts whose weights are not normalized";
  }
  return model.config.logit_softcap != 0 ? "capped logits" : "";
}

Status add_vocabulary(const std::string& directory, std::int64_t vocab, const json::Value& config, format::GgufHeader& header) {
  JANG_ASSIGN(const json::Value tokenizer, json::parse_file(directory + "/tokenizer.json"));
  const json::Value* bpe = tokenizer.is_object() ? json::find(tokenizer, "model") : nullptr;
  if (bpe == nullptr || !bpe->is_object() || bpe->value("type", json::Value()) != "BPE" || pre_tokenizer_name(tokenizer).empty())
    return {StatusCode::unsupported, "its tokenizer is no byte-level BPE that llama.cpp has under a name known here"};
  JANG_ASSIGN(Vocabulary words, read_vocabulary(tokenizer, *bpe, vocab));
  JANG_ASSIGN(std::vector<std::string> merges, read_merges(*bpe));
  auto& m = header.metadata;
  m["tokenizer.ggml.model"] = gguf_text("gpt2");
  m["tokenizer.ggml.pre"] = gguf_text(std::string(pre_tokenizer_name(tokenizer)));
  m["tokenizer.ggml.tokens"] = format::gguf_texts(std::move(words.tokens));
  m["tokenizer.ggml.merges"] = format::gguf_texts(std::move(merges));
  m["tokenizer.ggml.token_type"] = format::gguf_integers(std::move(words.kinds), GgufKind::i32);
  for (const auto& [key, name] :
       {std::pair("bos_token_id", "tokenizer.ggml.bos_token_id"), {"eos_token_id", "tokenizer.ggml.eos_token_id"}}) {
    const json::Value* id = json::find(config, key);
    if (id != nullptr && id->is_number_unsigned() && id->get<std::uint64_t>() < static_cast<std::uint64_t>(vocab))
      m[name] = gguf_integer(id->get<std::int64_t>());
  }
  m["tokenizer.ggml.add_bos_token"] = gguf_integer(0, GgufKind::boolean);  // begins of texts are in the text
  return {};
}

void add_no_vocabulary(format::GgufHeader& header) { header.metadata["tokenizer.ggml.model"] = gguf_text("none"); }

}  // namespace jang::experiment
