// SPDX-License-Identifier: Apache-2.0
// datetime.now().strftime(format) in the C locale, from a time the caller gives: no clock, time zone or locale of the process is read.
// Civil date from days since 1970-01-01: H. Hinnant, "chrono-compatible low-level date algorithms".
#include <array>

#include <fmt/format.h>

#include "text/jinja/runtime.h"

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

// ISO 8601 week and the year it belongs to.
std::pair<std::int64_t, int> iso_week(const Civil& c) {
  const int monday_based = (c.weekday + 6) % 7;
  const int week = (c.day_of_year - monday_based + 10) / 7;
  const auto weeks_in = [](std::int64_t year) {
    const auto first = static_cast<int>(((days_before_year(year) + 4) % 7 + 7) % 7);  // weekday of January 1st
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return first == 4 || (leap && first == 3) ? 53 : 52;
  };
  if (week < 1) return {c.year - 1, weeks_in(c.year - 1)};
  if (week > weeks_in(c.year)) return {c.year + 1, 1};
  return {c.year, week};
}

std::string expand(const Civil& c, char directive, std::int64_t unix_seconds) {
  const auto day_name = kDays[static_cast<std::size_t>(c.weekday)];
  const auto month_name = kMonths[static_cast<std::size_t>(c.month - 1)];
  const int hour12 = c.hour % 12 == 0 ? 12 : c.hour % 12;
  switch (directive) {
    case 'a': return std::string(day_name.substr(0, 3));
    case 'A': return std::string(day_name);
    case 'b':
    case 'h': return std::string(month_name.substr(0, 3));
    case 'B': return std::string(month_name);
    case 'C': return fmt::format("{:02}", c.year / 100);
    case 'd': return fmt::format("{:02}", c.day);
    case 'D':
    case 'x': return fmt::format("{:02}/{:02}/{:02}", c.month, c.day, c.year % 100);
    case 'e': return fmt::format("{:2}", c.day);
    case 'f': return "000000";
    case 'F': return fmt::format("{}-{:02}-{:02}", c.year, c.month, c.day);
    case 'g': return fmt::format("{:02}", iso_week(c).first % 100);
    case 'G': return fmt::format("{}", iso_week(c).first);
    case 'H': return fmt::format("{:02}", c.hour);
    case 'I': return fmt::format("{:02}", hour12);
    case 'j': return fmt::format("{:03}", c.day_of_year + 1);
    case 'k': return fmt::format("{:2}", c.hour);
    case 'l': return fmt::format("{:2}", hour12);
    case 'm': return fmt::format("{:02}", c.month);
    case 'M': return fmt::format("{:02}", c.minute);
    case 'n': return "\n";
    case 'p': return c.hour < 12 ? "AM" : "PM";
    case 'P': return c.hour < 12 ? "am" : "pm";
    case 'r': return fmt::format("{:02}:{:02}:{:02} {}", hour12, c.minute, c.second, c.hour < 12 ? "AM" : "PM");
    case 'R': return fmt::format("{:02}:{:02}", c.hour, c.minute);
    case 's': return fmt::format("{}", unix_seconds);
    case 'S': return fmt::format("{:02}", c.second);
    case 't': return "\t";
    case 'T':
    case 'X': return fmt::format("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
    case 'u': return fmt::format("{}", c.weekday == 0 ? 7 : c.weekday);
    case 'U': return fmt::format("{:02}", (c.day_of_year + 7 - c.weekday) / 7);
    case 'V': return fmt::format("{:02}", iso_week(c).second);
    case 'w': return fmt::format("{}", c.weekday);
    case 'W': return fmt::format("{:02}", (c.day_of_year + 7 - (c.weekday + 6) % 7) / 7);
    case 'y': return fmt::format("{:02}", c.year % 100);
    case 'Y': return fmt::format("{}", c.year);
    case 'c':
      return fmt::format("{} {} {:2} {:02}:{:02}:{:02} {}", day_name.substr(0, 3), month_name.substr(0, 3), c.day, c.hour, c.minute,
                         c.second, c.year);
    case 'z':
    case 'Z': return "";  // datetime.now() knows no zone
    case '%': return "%";
    default: return std::string("%") + directive;
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
    // glibc's padding flags, which templates use to write a day without a zero: %-d
    const char flag = i + 1 < format.size() && (format[i] == '-' || format[i] == '_' || format[i] == '0') ? format[i] : '\0';
    if (flag != '\0') ++i;
    std::string text = expand(civil, format[i], unix_seconds);
    if (flag == '-') {
      const std::size_t digit = std::min(text.find_first_not_of("0 "), text.size() - (text.empty() ? 0 : 1));
      const bool number = !text.empty() && text.find_first_not_of("0123456789 ") == std::string::npos;
      if (number) text.erase(0, digit);
    }
    out += text;
  }
  return out;
}

}  // namespace jang::text::jinja
