// SPDX-License-Identifier: Apache-2.0
// The explicit table of families. A new family is a file of its own in families/, its header, and its line here;
// HACKING.md says what else it needs.
#include "arch/registry.h"

#include <algorithm>

#include "arch/families/gemma3_text.h"
#include "arch/families/llama.h"
#include "arch/families/mistral.h"
#include "arch/families/qwen2.h"
#include "arch/families/qwen3.h"
#include "arch/families/qwen3_5.h"
#include "arch/families/qwen3_5_moe.h"
#include "arch/families/qwen3_moe.h"
#include "arch/families/qwen3_next.h"

namespace jang::arch {
namespace {

constexpr const Family* kFamilies[] = {
    &kLlama, &kMistral, &kQwen2, &kQwen3, &kQwen3Moe, &kGemma3Text, &kGemma3, &kQwen35, &kQwen35Moe, &kQwen3Next,
};

}  // namespace

const Family* find_family(std::string_view model_type) {
  for (const Family* family : kFamilies)
    if (std::ranges::find(family->model_types, model_type) != family->model_types.end()) return family;
  return nullptr;
}

std::vector<std::string_view> families() {
  std::vector<std::string_view> names;
  for (const Family* family : kFamilies) names.push_back(family->name);
  return names;
}

}  // namespace jang::arch
