// SPDX-License-Identifier: Apache-2.0
// datetime.now().strftime(format) in the C locale, from a time the caller gives: no clock, time zone or locale of the process is read.
// Civil date from days since 1970-01-01: H. Hinnant, "chrono-compatible low-level date algorithms".
#include "text/jinja/library/strftime.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

namespace jang::text::jinja {
namespace {

constexpr std::int64_t kSecondsPerDay = 86400;
constexpr std::int64_t kMaxSeconds = 253402300799;  // 9999-12-31T23:59:59

constexpr std::array<std::string_view, 7> kDays = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                                      "July",    "August",   "September", "October", "November", "December"};

struct Civil {
  std::int64_t year = 1970;
  int month = 1, day = 1, weekday = 4, day_of_year = 0;  // weekday 0 = Sunday
  int hour = 0, minute = 0, second = 0;
};

std::int64_t days_before_year(std::int64_t year) {
  const std::int64_t y = year - 1;
  return 365 * y + y / 4 - y / 100 + y / 400 - 719162;
}

Civil civil_of(std::int64_t seconds) {
  Civil out;
  const std::int64_t days = seconds >= 0 ? seconds / kSecondsPerDay : -((-seconds + kSecondsPerDay - 1) / kSecondsPerDay);
  const auto rest = static_cast<int>(seconds - days * kSecondsPerDay);
  out.hour = rest / 3600, out.minute = rest / 60 % 60, out.second = rest % 60;
  out.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  const std::int64_t shifted = days + 719468;  // days since 0000-03-01
  const std::int64_t era = shifted / 146097;
  const std::int64_t doe = shifted - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  out.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  out.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  out.year = yoe + era * 400 + (out.month <= 2 ? 1 : 0);
  out.day_of_year = static_cast<int>(days - days_before_year(out.year));
  return out;
}

// What a directive stands for; nothing for one that is not offered.
std::optional<std::string> expand(const Civil& c, char directive) {
  const auto day_name = kDays[static_cast<std::size_t>(c.weekday)];
  const auto month_name = kMonths[static_cast<std::size_t>(c.month - 1)];
  switch (directive) {
    case 'a': return std::string(day_name.substr(0, 3));
    case 'A': return std::string(day_name);
    case 'b': return std::string(month_name.substr(0, 3));
    case 'B': return std::string(month_name);
    case 'd': return fmt::format("{:02}", c.day);
    case 'e': return fmt::format("{:2}", c.day);
    case 'F': return fmt::format("{}-{:02}-{:02}", c.year, c.month, c.day);
    case 'H': return fmt::format("{:02}", c.hour);
    case 'I': return fmt::format("{:02}", c.hour % 12 == 0 ? 12 : c.hour % 12);
    case 'j': return fmt::format("{:03}", c.day_of_year + 1);
    case 'm': return fmt::format("{:02}", c.month);
    case 'M': return fmt::format("{:02}", c.minute);
    case 'p': return c.hour < 12 ? "AM" : "PM";
    case 'S': return fmt::format("{:02}", c.second);
    case 'T': return fmt::format("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
    case 'y': return fmt::format("{:02}", c.year % 100);
    case 'Y': return fmt::format("{}", c.year);
    case 'z':
    case 'Z': return "";  // datetime.now() knows no zone
    case '%': return "%";
    default: return std::nullopt;
  }
}

}  // namespace

Result<std::string> format_time(std::string_view format, std::int64_t unix_seconds, std::int64_t utc_offset_seconds) {
  if (unix_seconds < 0 || unix_seconds > kMaxSeconds || utc_offset_seconds < -kSecondsPerDay || utc_offset_seconds > kSecondsPerDay)
    return Status(StatusCode::invalid_argument, "the time given for strftime_now is outside the years 1970 to 9999");
  const Civil civil = civil_of(unix_seconds + utc_offset_seconds);
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    ++i;
    const bool bare = i + 1 < format.size() && format[i] == '-';  // glibc's flag for a number without zeros before it: %-d
    if (bare) ++i;
    std::optional<std::string> text = expand(civil, format[i]);
    if (!text) {
      const std::size_t begin = i - (bare ? 2 : 1), end = i + utf8::length_at(format[i]);
      return not_supported(fmt::format("the directive {} of strftime_now()", in_quotes(format.substr(begin, end - begin))));
    }
    if (bare && text->find_first_not_of("0123456789 ") == std::string::npos)
      text->erase(0, std::min(text->find_first_not_of("0 "), text->size() - 1));
    out += *text;
  }
  return out;
}

}  // namespace jang::text::jinja
