// SPDX-License-Identifier: Apache-2.0
// The lists of names and extensions.
#include "format/targets/side_file_names.h"

#include <algorithm>
#include <array>
#include <filesystem>

namespace jang::targets {
namespace {

constexpr auto kNames = std::to_array<std::string_view>({
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "tiktoken.model",
    "tekken.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "merges.txt",
    "vocab.json",
    "vocab.txt",
    "vocab.bpe",
    "generation_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
    "NOTICE.txt",
});
// How images and sound become inputs of a tower.
constexpr auto kOfProcessors =
    std::to_array<std::string_view>({"preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"});
constexpr auto kExtensions = std::to_array<std::string_view>({".py", ".jinja", ".json", ".model", ".tiktoken"});
// Written anew, or about weights in the form they no longer have: loaders would act on them.
constexpr auto kLeftOut = std::to_array<std::string_view>({
    "config.json",
    "jang_config.json",
    "jang_record.json",
    "params.json",
    "adapter_config.json",
    "quantize_config.json",
    "quant_config.json",
    "quantization_config.json",
    "hf_quant_config.json",
    "trainer_state.json",
    "all_results.json",
    "train_results.json",
    "eval_results.json",
});

template <typename List>
bool contains(const List& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

}  // namespace

bool is_of_processor(std::string_view name) { return contains(kOfProcessors, name); }

Copying copied_by_name(std::string_view name) {
  if (name.starts_with('.') || contains(kLeftOut, name) || name.ends_with(".index.json")) return Copying::no;
  if (contains(kNames, name) || is_of_processor(name)) return Copying::by_name;
  return contains(kExtensions, std::filesystem::path(name).extension().string()) ? Copying::by_kind : Copying::no;
}

}  // namespace jang::targets
