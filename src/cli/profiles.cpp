// SPDX-License-Identifier: Apache-2.0
// `jang profiles`: the table of profiles, and what the digits of -p stand for.
#include "cli/profiles.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"
#include "jang/plan.h"

namespace jang::cli {
namespace {

constexpr std::string_view kDigits = "12345678";

// Digits that mean this profile, "2".
std::string digits_of(std::string_view profile) {
  std::string digits;
  for (const char digit : kDigits) {
    const Result<std::string> name = canonical_profile(std::string_view(&digit, 1));
    if (name.ok() && name.value() == profile) digits += digits.empty() ? std::string(1, digit) : fmt::format(",{}", digit);
  }
  return digits;
}

Json bits_or_null(int bits) { return bits > 0 ? Json(bits) : Json(nullptr); }

Json document() {
  Json v = Json::object();
  v["schema_version"] = kSchemaVersion;
  v["default_profile"] = Arguments().value("--profile");
  Json rows = Json::array();
  for (const Profile& row : jang::profiles()) {
    Json r = Json::object();
    r["name"] = row.name;
    r["kind"] = row.kind;
    r["critical"] = bits_or_null(row.critical);
    r["important"] = bits_or_null(row.important);
    r["compress"] = bits_or_null(row.compress);
    r["summary"] = row.summary;
    rows.push_back(std::move(r));
  }
  v["profiles"] = std::move(rows);
  Json digits = Json::object();
  for (const char digit : kDigits) {
    const Result<std::string> name = canonical_profile(std::string_view(&digit, 1));
    if (name.ok()) digits[std::string(1, digit)] = name.value();
  }
  v["digits"] = std::move(digits);
  return v;
}

std::string table(bool color) {
  std::string out =
      styled(fmt::format("{:<11} {:>3}  {:<9} {:>8} {:>9} {:>8}  {}", "profile", "-p", "kind", "CRITICAL", "IMPORTANT", "COMPRESS", ""),
             Style::bold, color) +
      "\n";
  const auto bits = [](int b) { return b > 0 ? fmt::format("{}", b) : std::string("-"); };
  for (const Profile& row : jang::profiles()) {
    out += fmt::format("{:<11} {:>3}  {:<9} {:>8} {:>9} {:>8}  {}\n", row.name, digits_of(row.name), row.kind, bits(row.critical),
                       bits(row.important), bits(row.compress), row.summary);
  }
  // What docs/numbers.md section 9 measured.
  out +=
      "\nWhat was measured beside uniform widths at the same bytes:\n"
      "  mixtures of experts  K profiles, JANG_3S, JANG_4S and JANG_6M lose less; JANG_2S loses as much or more; JANG_1L, 2M and 2L lose "
      "more\n"
      "  dense models         K profiles lose as little; all other profiles lose more\n"
      "  auto                 loses least at every size compared\n";
  return out +
         fmt::format("\nThe default is {}. Any name may be shortened (4K) and written in lower case.\n", Arguments().value("--profile"));
}

}  // namespace

int run_profiles(const Arguments& arguments, const Surroundings& surroundings) {
  return finish(arguments.has("--json") ? dump(document(), 2) + "\n" : table(surroundings.stdout_color), surroundings);
}

}  // namespace jang::cli
