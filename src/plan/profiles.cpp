// SPDX-License-Identifier: Apache-2.0
// The profiles: one row each. JANG's tier triples (CRITICAL, IMPORTANT, COMPRESS), its K budgets, `auto`, and the recipes of mlx-lm that
// everything is compared with. Adding a profile = one row.
//
// A K profile N is a budget: the file bytes of uniform_N. CRITICAL tensors never get less than N bits, others never less than the next
// width below N; within these bounds the bytes go where the role prior says they count.
#include "plan/profiles.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "json/json.h"
#include "plan/names.h"

namespace jang::plan {
namespace {

constexpr Profile kProfiles[] = {
    {"JANG_1L", Kind::tiers, 8, 8, 2, 0, 0, "2-bit experts and MLP, everything else 8"},
    {"JANG_2S", Kind::tiers, 6, 4, 2, 0, 0, "smallest: 2-bit MLP, 6-bit attention and head"},
    {"JANG_2M", Kind::tiers, 8, 4, 2, 0, 0, "2-bit MLP, 8-bit attention and head"},
    {"JANG_2L", Kind::tiers, 8, 6, 2, 0, 0, "2-bit MLP, 8-bit attention, 6-bit embedding"},
    {"JANG_3S", Kind::tiers, 6, 3, 3, 0, 0, "3-bit MLP and embedding, 6-bit attention and head"},
    {"JANG_3M", Kind::tiers, 8, 3, 3, 0, 0, "3-bit MLP and embedding, 8-bit attention and head"},
    {"JANG_3L", Kind::tiers, 8, 4, 3, 0, 0, "3-bit MLP, 8-bit attention, 4-bit embedding"},
    {"JANG_4S", Kind::tiers, 6, 4, 4, 0, 0, "4-bit MLP and embedding, 6-bit attention and head"},
    {"JANG_4M", Kind::tiers, 8, 4, 4, 0, 0, "4-bit MLP and embedding, 8-bit attention and head"},
    {"JANG_4L", Kind::tiers, 8, 6, 4, 0, 0, "4-bit MLP, 8-bit attention, 6-bit embedding"},
    {"JANG_6M", Kind::tiers, 8, 6, 6, 0, 0, "6-bit MLP and embedding, 8-bit attention and head"},
    {"JANG_3K", Kind::budget, 3, 2, 2, 3, 0, "the bytes of uniform_3, spent by role"},
    {"JANG_4K", Kind::budget, 4, 3, 3, 4, 0, "the bytes of uniform_4, spent by role"},
    {"JANG_5K", Kind::budget, 5, 4, 4, 5, 0, "the bytes of uniform_5, spent by role"},
    {"JANG_6K", Kind::budget, 6, 5, 5, 6, 0, "the bytes of uniform_6, spent by role"},
    {"auto", Kind::automatic, 0, 0, 0, 0, 0, "the bytes you name (--bpw or --size), spent by measured error and role"},
    {"uniform_2", Kind::uniform, 0, 0, 0, 2, 0, "baseline: mlx-lm, 2 bits everywhere"},
    {"uniform_3", Kind::uniform, 0, 0, 0, 3, 0, "baseline: mlx-lm, 3 bits everywhere"},
    {"uniform_4", Kind::uniform, 0, 0, 0, 4, 0, "baseline: mlx-lm, 4 bits everywhere (its default)"},
    {"uniform_5", Kind::uniform, 0, 0, 0, 5, 0, "baseline: mlx-lm, 5 bits everywhere"},
    {"uniform_6", Kind::uniform, 0, 0, 0, 6, 0, "baseline: mlx-lm, 6 bits everywhere"},
    {"uniform_8", Kind::uniform, 0, 0, 0, 8, 0, "baseline: mlx-lm, 8 bits everywhere"},
    {"mixed_2_6", Kind::mixed, 0, 0, 0, 2, 6, "baseline: mlx-lm's mixed_2_6 recipe"},
    {"mixed_3_4", Kind::mixed, 0, 0, 0, 3, 4, "baseline: mlx-lm's mixed_3_4 recipe"},
    {"mixed_3_6", Kind::mixed, 0, 0, 0, 3, 6, "baseline: mlx-lm's mixed_3_6 recipe"},
    {"mixed_4_6", Kind::mixed, 0, 0, 0, 4, 6, "baseline: mlx-lm's mixed_4_6 recipe"},
};

// What `-p N` means.
constexpr std::array<std::string_view, 8> kDigits = {"JANG_1L", "JANG_2S", "JANG_3K", "JANG_4K",
                                                     "JANG_5K", "JANG_6K", "JANG_6M", "JANG_6M"};

constexpr std::string_view kPrefix = "jang_";

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::tiers: return "tiers";
    case Kind::budget: return "budget";
    case Kind::automatic: return "auto";
    case Kind::uniform:
    case Kind::mixed: return "baseline";
  }
  JANG_CHECK(!"a Kind");
  return "";
}

std::string fold(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return folded;
}

}  // namespace

const Profile* find_profile(std::string_view name) {
  const auto row = std::ranges::find(kProfiles, name, &Profile::name);
  return row == std::end(kProfiles) ? nullptr : &*row;
}

Result<std::string> canonical_profile(std::string_view name) {
  if (name.size() == 1 && name[0] >= '1' && name[0] <= '8') return std::string(kDigits[static_cast<std::size_t>(name[0] - '1')]);
  const std::string typed = fold(name);
  std::vector<std::string_view> known;
  for (const Profile& row : kProfiles) {
    const std::string full = fold(row.name);
    if (typed == full || (full.starts_with(kPrefix) && full.substr(kPrefix.size()) == typed)) return std::string(row.name);
    known.push_back(row.name);
  }
  std::string hint = nearest_hint(name, known);
  if (hint.empty()) hint = "; `jang profiles` lists them";
  return Status(StatusCode::invalid_argument, "no profile is named " + json::quote(name, 64) + hint);
}

const std::vector<ProfileRow>& profiles() {
  static const std::vector<ProfileRow> rows = [] {
    std::vector<ProfileRow> all;
    for (const Profile& p : kProfiles) {
      const bool tiers = p.kind == Kind::tiers;
      all.push_back({p.name, kind_name(p.kind), tiers ? p.critical : 0, tiers ? p.important : 0, tiers ? p.compress : 0, p.summary});
    }
    return all;
  }();
  return rows;
}

}  // namespace jang::plan
