// SPDX-License-Identifier: Apache-2.0
// --tensor 'regex=bits[:group]': ECMAScript expressions searched in module paths, the last one that matches wins, applied to whole units.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 sees uninitialised members in its own <regex> when sanitizers change the inlining.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "plan/overrides.h"

#include <fmt/format.h>

#include <charconv>
#include <locale>
#include <regex>

#include "codec/affine.h"
#include "json/json.h"
#include "plan/draft.h"
#include "plan/names.h"

namespace jang::plan {
namespace {

constexpr std::size_t kLongestPattern = 256;
constexpr std::size_t kLongestNumber = 4;  // digits
constexpr int kKeepBits = 16;

Status bad_override(std::string_view text, std::string_view why) {
  return {StatusCode::invalid_argument, fmt::format("tensor override {}: {}; write 'regex=bits' or 'regex=bits:group', for example "
                                                    "'layers\\.0\\..*down_proj=6:64'",
                                                    json::quote(text), why)};
}

bool parse_number(std::string_view text, int* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// libstdc++ reads repeat counts and back references into an int without a check.
bool has_long_number(std::string_view pattern) {
  std::size_t run = 0;
  for (const char c : pattern) {
    run = c >= '0' && c <= '9' ? run + 1 : 0;
    if (run > kLongestNumber) return true;
  }
  return false;
}

// std::regex reports by exception; it ends here. Also false when matching gives up on a pathological expression.
bool compile(const std::string& pattern, std::regex* regex) {
  if (pattern.size() > kLongestPattern || has_long_number(pattern)) return false;
  try {
    regex->imbue(std::locale::classic());  // not the locale that a host program may have set
    regex->assign(pattern, std::regex::ECMAScript | std::regex::optimize);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}
bool search(const std::regex& regex, const std::string& text) {
  try {
    return std::regex_search(text, regex);
  } catch (const std::regex_error&) {
    return false;
  }
}

Status no_match(const arch::Model& model, const Override& o, const arch::OutTensor* plain) {
  if (plain)
    return {StatusCode::invalid_argument,
            fmt::format("tensor override {}: it matches only tensors that cannot be quantized, such as {} ({})", json::quote(o.pattern),
                        plain->name, arch::to_string(plain->role))};
  std::vector<std::string_view> modules;
  for (const arch::OutTensor& t : model.tensors)
    if (t.quantizable) modules.push_back(t.module);
  std::string typed;
  for (const char c : o.pattern)
    if (c != '\\' && c != '^' && c != '$') typed += c;
  return {StatusCode::invalid_argument,
          fmt::format("tensor override {} matches no module{}", json::quote(o.pattern), nearest_hint(typed, modules))};
}

// The choice with its group filled in and checked against every tensor of the unit.
Status resolve(const Draft& d, const Override& o, const PlannedUnit& u, Choice* choice) {
  *choice = o.choice;
  if (choice->bits == 0) return {};
  if (choice->group_size == 0) choice->group_size = u.group_size;
  for (const int i : u.unit.tensors) {
    const arch::OutTensor& t = d.tensor(i);
    if (choice->group_size == 0 || elements(t.shape) <= 0 || columns(t.shape) % choice->group_size != 0)
      return {
          StatusCode::invalid_argument,
          fmt::format("tensor override {}: {} has {} inputs, which {} does not divide", json::quote(o.pattern), t.module, columns(t.shape),
                      choice->group_size == 0 ? "any group of 32, 64 or 128" : fmt::format("a group of {}", choice->group_size))};
  }
  return {};
}

// Sets what the last matching override says on one unit.
Status resolve_unit(const Draft& d, const std::vector<std::regex>& regexes, std::vector<bool>* matched, PlannedUnit* u) {
  for (const int i : u->unit.tensors) {
    const Override* last = nullptr;
    for (std::size_t k = 0; k < regexes.size(); ++k) {
      if (!search(regexes[k], d.tensor(i).module)) continue;
      (*matched)[k] = true;
      last = &d.options->overrides[k];
    }
    if (!last) continue;
    Choice choice;
    JANG_TRY(resolve(d, *last, *u, &choice));
    if (u->override_ && *u->override_ != choice)
      return {StatusCode::invalid_argument, fmt::format("tensor overrides {} and {} disagree on {}, whose tensors share one choice",
                                                        json::quote(u->override_pattern), json::quote(last->pattern), u->unit.name)};
    u->override_ = choice;
    u->override_pattern = last->pattern;
  }
  return {};
}

}  // namespace

Result<Override> parse_override(std::string_view text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) return bad_override(text, "no '='");
  Override o;
  o.pattern = text.substr(0, equals);
  if (o.pattern.empty()) return bad_override(text, "the expression is empty");
  if (o.pattern.size() > kLongestPattern)
    return bad_override(text, fmt::format("the expression is longer than {} characters", kLongestPattern));
  std::regex regex;
  if (!compile(o.pattern, &regex)) return bad_override(text, "the expression is not a valid ECMAScript regular expression");
  const std::string_view value = text.substr(equals + 1);
  const std::size_t colon = value.find(':');
  if (!parse_number(value.substr(0, colon), &o.choice.bits)) return bad_override(text, "bits is not a number");
  const bool has_group = colon != std::string_view::npos;
  if (has_group && !parse_number(value.substr(colon + 1), &o.choice.group_size)) return bad_override(text, "group is not a number");
  if (o.choice.bits == kKeepBits) {
    if (has_group) return bad_override(text, "16 keeps the tensor and takes no group");
    o.choice = {};
    return o;
  }
  if (!codec::is_width(o.choice.bits)) return bad_override(text, "bits is not one of 2, 3, 4, 5, 6, 8, 16");
  if (has_group && !codec::is_group(o.choice.group_size)) return bad_override(text, "group is not one of 32, 64, 128");
  return o;
}

std::string override_note(const PlannedUnit& unit) {
  const std::string what = unit.override_->bits == 0 ? "kept" : fmt::format("{} bits", unit.override_->bits);
  return fmt::format("{} by --tensor {}", what, json::quote(unit.override_pattern, kLongestPattern));
}

Status resolve_overrides(Draft* d) {
  std::vector<std::regex> regexes(d->options->overrides.size());
  for (std::size_t k = 0; k < regexes.size(); ++k) {
    const Override& o = d->options->overrides[k];
    const bool valid =
        o.choice == Choice{} || (codec::is_width(o.choice.bits) && (o.choice.group_size == 0 || codec::is_group(o.choice.group_size)));
    if (!valid || !compile(o.pattern, &regexes[k])) return bad_override(o.pattern, "not a valid expression, width or group");
  }
  std::vector<bool> matched(regexes.size(), false);
  for (PlannedUnit& u : d->units) JANG_TRY(resolve_unit(*d, regexes, &matched, &u));
  for (std::size_t k = 0; k < regexes.size(); ++k) {
    if (matched[k]) continue;
    const arch::OutTensor* plain = nullptr;
    for (const arch::OutTensor& t : d->model->tensors)
      if (!t.quantizable && !plain && search(regexes[k], t.module)) plain = &t;
    // Keeping what is kept anyway is no mistake.
    if (!plain || d->options->overrides[k].choice.bits != 0) return no_match(*d->model, d->options->overrides[k], plain);
  }
  return {};
}

}  // namespace jang::plan
