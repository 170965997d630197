// SPDX-License-Identifier: Apache-2.0
// See the header for the grammar.
#include "experiment/recipe.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/check.h"
#include "codec/affine.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "json/json.h"
#include "plan/layout.h"
#include "plan/names.h"

namespace jang::experiment {
namespace {

constexpr double kMaxBitsPerWeight = 32;
constexpr std::size_t kMaxRecipes = 64;
constexpr std::size_t kMaxRecipeBytes = 128, kMaxGgufBytes = 4096;
constexpr std::string_view kGguf = "gguf:", kImatrix = ":imatrix";

// What llama-quantize makes.
constexpr std::string_view kGgufTypes[] = {"IQ1_S",  "IQ1_M",   "IQ2_XXS", "IQ2_XS", "IQ2_S",  "IQ2_M",     "Q2_K_S", "Q2_K",   "TQ1_0",
                                           "TQ2_0",  "IQ3_XXS", "IQ3_XS",  "IQ3_S",  "IQ3_M",  "Q3_K_S",    "Q3_K_M", "Q3_K_L", "IQ4_XS",
                                           "IQ4_NL", "Q4_0",    "Q4_1",    "Q4_K_S", "Q4_K_M", "MXFP4_MOE", "Q5_0",   "Q5_1",   "Q5_K_S",
                                           "Q5_K_M", "Q6_K",    "Q8_0",    "F16",    "BF16",   "F32"};

Status invalid(std::string message) { return {StatusCode::invalid_argument, std::move(message)}; }

// What may follow a ':'. A further way to make a bundle is a further row here and a field of Recipe.
struct Suffix {
  std::string_view name;
  void (*apply)(Recipe&);
};
constexpr auto kSuffixes = std::to_array<Suffix>({
    {"fit", [](Recipe& r) { r.method = plan::Method::fit; }},
    {"rtn", [](Recipe& r) { r.method = plan::Method::rtn; }},
    {"awq", [](Recipe& r) { r.awq = true; }},
    {"self", [](Recipe& r) { r.self = true; }},
});

constexpr std::string_view kTo = "to-";

// Targets whose names are no methods.
constexpr std::string_view kShortTargets[] = {"vllm", "vllm-symmetric", "vllm-humming"};

Status apply_target(std::string_view name, Recipe& recipe) {
  std::vector<std::string_view> known;
  for (const targets::Target* target : targets::targets()) known.push_back(target->name());
  if (std::ranges::find(known, name) == known.end())
    return invalid(fmt::format("no target is named {}{}; there are :{}{}", json::quote(name, 32), plan::nearest_hint(name, known), kTo,
                               fmt::join(known, fmt::format(", :{}", kTo))));
  if (!recipe.target.empty() && recipe.target != name)
    return invalid(fmt::format("a recipe makes one directory, for {} or for {}", recipe.target, name));
  recipe.target = name;
  return {};
}

Status apply_suffix(std::string_view name, Recipe& recipe) {
  if (name.starts_with(kTo)) return apply_target(name.substr(kTo.size()), recipe);
  if (std::ranges::find(kShortTargets, name) != std::end(kShortTargets)) return apply_target(name, recipe);
  if (name == "gptq") return invalid("`gptq` is no suffix of recipes; :to-gptq makes a directory as GPTQ's loaders open it");
  std::vector<std::string_view> known;
  for (const Suffix& s : kSuffixes) {
    known.push_back(s.name);
    if (s.name != name) continue;
    s.apply(recipe);
    return {};
  }
  return invalid(fmt::format("no suffix {}{}; there are :{} and :{}TARGET", json::quote(name, 32), plan::nearest_hint(name, known),
                             fmt::join(known, ", :"), kTo));
}

Status read_budget(std::string_view budget, Recipe& recipe) {
  if (budget.ends_with("bpw")) {
    const std::string_view digits = budget.substr(0, budget.size() - 3);
    double bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, std::chars_format::fixed);
    if (error != std::errc() || end != digits.data() + digits.size() || !(bits > 0) || bits > kMaxBitsPerWeight)
      return invalid(fmt::format("{} is not a number of bits per weight, as in auto@3.5bpw", json::quote(budget, 32)));
    recipe.target_bpw = bits;
    return {};
  }
  JANG_ASSIGN(recipe.bytes_of, plan::canonical_profile(budget));
  return recipe.bytes_of == "auto" ? invalid("auto@auto has no budget; give bits as in auto@3.5bpw, or a profile") : Status();
}

Status read_group(std::string_view group, Recipe& recipe) {
  for (const codec::GroupRow& row : codec::kGroups)
    if (fmt::format("{}", row.size) == group) recipe.group_size = row.size;
  if (recipe.group_size != 0) return {};
  return invalid(
      fmt::format("{} is no group size: a profile takes @32, @64 or @128, and only auto a budget behind '@'", json::quote(group, 32)));
}

Result<Recipe> parse_gguf_type(std::string_view text) {
  Recipe recipe;
  recipe.imatrix = text.ends_with(kImatrix);
  if (recipe.imatrix) text.remove_suffix(kImatrix.size());
  if (std::ranges::find(kGgufTypes, text) == std::end(kGgufTypes))
    return invalid(fmt::format("gguf:{} is neither a file, as gguf:model.gguf or gguf:./model, nor a type of llama-quantize{}",
                               json::quote(text, 64),
                               plan::nearest_hint(text, std::vector<std::string_view>(std::begin(kGgufTypes), std::end(kGgufTypes)))));
  recipe.gguf_type = text;
  recipe.name = fmt::format("{}{}{}", kGguf, text, recipe.imatrix ? kImatrix : "");
  return recipe;
}

Result<Recipe> parse_gguf_recipe(std::string_view text) {
  const std::string_view what = text.substr(kGguf.size());
  if (what.size() > kMaxGgufBytes) return invalid("a recipe is too long");
  if (!what.ends_with(".gguf") && what.find('/') == std::string_view::npos) return parse_gguf_type(what);
  const std::string_view name = what.substr(what.rfind('/') + 1);
  if (name.empty()) return invalid(fmt::format("{} names a folder, not a GGUF file", json::quote(text, 64)));
  Recipe recipe;
  recipe.name = fmt::format("{}{}", kGguf, name);
  recipe.gguf_file = what;
  return recipe;
}

}  // namespace

Result<Recipe> parse_recipe(std::string_view text) {
  if (text.starts_with(kGguf)) return parse_gguf_recipe(text);
  if (text.empty() || text.size() > kMaxRecipeBytes) return invalid("a recipe is empty or too long; see `jang profiles`");
  Recipe recipe;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view head = text.substr(0, colon);
  const std::size_t at = head.find('@');
  JANG_ASSIGN(recipe.profile, plan::canonical_profile(head.substr(0, at)));
  recipe.name = recipe.profile;
  if (at != std::string_view::npos && recipe.profile != "auto") {
    JANG_TRY(read_group(head.substr(at + 1), recipe));
    recipe.name += fmt::format("@{}", recipe.group_size);
  } else if (at != std::string_view::npos) {
    JANG_TRY(read_budget(head.substr(at + 1), recipe));
    recipe.name += "@" + (recipe.bytes_of.empty() ? std::string(head.substr(at + 1)) : recipe.bytes_of);
  } else if (recipe.profile == "auto") {
    return invalid("auto needs a budget: auto@3.5bpw, or auto@PROFILE for that profile's bytes");
  }
  for (std::string_view rest = text.substr(colon); !rest.empty();) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find(':'), rest.size());
    JANG_TRY(apply_suffix(rest.substr(0, end), recipe));
    rest.remove_prefix(end);
  }
  if (recipe.method == plan::Method::rtn) recipe.name += ":rtn";
  if (recipe.awq && recipe.profile == "auto") recipe.self = true;  // its allocation is not left without what its scales are made of
  if (recipe.awq) recipe.name += ":awq";
  if (recipe.self) recipe.name += ":self";
  if (recipe.target == targets::default_target().name()) recipe.target.clear();
  if (!recipe.target.empty()) recipe.name += fmt::format(":{}{}", kTo, recipe.target);
  return recipe;
}

Result<std::vector<Recipe>> parse_recipes(std::string_view text) {
  std::vector<Recipe> recipes;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    JANG_ASSIGN(Recipe recipe, parse_recipe(text.substr(begin, end - begin)));
    for (const Recipe& other : recipes)
      if (other.name == recipe.name) return invalid(fmt::format("recipe {} is there twice", recipe.name));
    if (recipes.size() == kMaxRecipes) return invalid(fmt::format("more than {} recipes", kMaxRecipes));
    recipes.push_back(std::move(recipe));
    begin = end + 1;
  }
  return recipes;
}

std::string file_name_of(const Recipe& recipe) {
  std::string name = recipe.name;
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  return name;
}

Result<plan::Options> recipe_options(const quantize::Source& source, const Recipe& recipe, const quantize::RunOptions& run) {
  JANG_CHECK(!recipe.is_gguf());
  plan::Options options;
  options.target = source.target;
  options.profile = recipe.profile;
  options.method = recipe.method;
  options.target_bpw = recipe.target_bpw;
  options.group_size = recipe.group_size;
  if (!recipe.bytes_of.empty()) {
    plan::Options fixed;
    fixed.target = source.target;
    fixed.profile = recipe.bytes_of;
    JANG_ASSIGN(const plan::Plan budget, quantize::plan_source(source, fixed, "", run));
    options.target_bytes = plan::sizes(source.model, budget, plan::make_layout(source.model, budget)).file_bytes;
  }
  return options;
}

}  // namespace jang::experiment
