// SPDX-License-Identifier: Apache-2.0
// Parsing in integers throughout (a size is an exact promise), formatting in double.
#include "cli/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

namespace jang::cli {
namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t bytes;
};
constexpr std::array<Unit, 10> kUnits = {{
    {"", 1},
    {"b", 1},
    {"kb", 1'000},
    {"mb", 1'000'000},
    {"gb", 1'000'000'000},
    {"tb", 1'000'000'000'000},
    {"kib", 1ull << 10},
    {"mib", 1ull << 20},
    {"gib", 1ull << 30},
    {"tib", 1ull << 40},
}};
constexpr std::size_t kMaxDecimals = 6;  // 10^6 times the largest unit stays below 2^63

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Status bad_size(std::string_view text, std::string_view why) {
  return {StatusCode::invalid_argument,
          fmt::format("'{}' is not a size: {}; write for example 48GB (10^9 bytes), 44.7GiB (2^30 bytes) or a number of bytes",
                      printable(text), why)};
}

// a * b + c; nullopt when it does not fit.
std::optional<std::uint64_t> product_and_sum(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t product = 0, sum = 0;
  if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(product, c, &sum)) return std::nullopt;
  return sum;
}

// Leading digits of `rest` as a number; nullopt when it does not fit.
std::optional<std::uint64_t> take_digits(std::string_view& rest, std::size_t max_digits) {
  std::uint64_t n = 0;
  std::size_t used = 0;
  for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1), ++used) {
    if (used >= max_digits) return std::nullopt;
    const auto next = product_and_sum(n, 10, static_cast<std::uint64_t>(rest.front() - '0'));
    if (!next) return std::nullopt;
    n = *next;
  }
  return n;
}

const Unit* find_unit(std::string_view rest) {
  std::string lower;
  for (const char c : rest) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const Unit& unit : kUnits)
    if (unit.name == lower) return &unit;
  return nullptr;
}

std::string scaled(double value, double step, const std::array<std::string_view, 5>& names) {
  std::size_t i = 0;
  // 999.995 would print as 1000.00 of the smaller unit.
  while (i + 1 < names.size() && value >= step - 0.005) {
    value /= step;
    ++i;
  }
  return i == 0 ? fmt::format("{:.0f} {}", value, names[0]) : fmt::format("{:.2f} {}", value, names[i]);
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  if (rest.empty() || !is_digit(rest.front())) return bad_size(text, "it must start with a digit");
  const auto whole = take_digits(rest, 20);
  if (!whole) return bad_size(text, "the number is too large");
  std::uint64_t fraction = 0, fraction_scale = 1;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const std::size_t before = rest.size();
    const auto digits = take_digits(rest, kMaxDecimals);
    const std::size_t n_digits = before - rest.size();
    if (!digits || n_digits == 0) return bad_size(text, fmt::format("one to {} decimals may follow the point", kMaxDecimals));
    fraction = *digits;
    for (std::size_t i = 0; i < n_digits; ++i) fraction_scale *= 10;
  }
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  const Unit* unit = find_unit(rest);
  if (unit == nullptr) return bad_size(text, "the unit must be one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB");
  if (fraction_scale > 1 && unit->bytes == 1) return bad_size(text, "a byte has no fractions");
  const auto total = product_and_sum(*whole, unit->bytes, fraction * unit->bytes / fraction_scale);
  if (!total) return bad_size(text, "it does not fit 64 bits");
  if (*total == 0) return bad_size(text, "it is zero");
  return *total;
}

Result<double> parse_positive(std::string_view text, std::string_view what, double max) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value <= 0 || value > max)
    return Status(StatusCode::invalid_argument,
                  fmt::format("{} must be a number above 0 and at most {}, not '{}'", what, max, printable(text)));
  return value;
}

Result<std::int64_t> parse_integer(std::string_view text, std::string_view what, std::int64_t min, std::int64_t max) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max)
    return Status(StatusCode::invalid_argument,
                  fmt::format("{} must be a whole number from {} to {}, not '{}'", what, min, max, printable(text)));
  return value;
}

std::string format_bytes(std::uint64_t bytes) { return scaled(static_cast<double>(bytes), 1000.0, {"B", "KB", "MB", "GB", "TB"}); }

std::string format_bytes_both(std::uint64_t bytes) {
  return fmt::format("{} ({})", format_bytes(bytes), scaled(static_cast<double>(bytes), 1024.0, {"B", "KiB", "MiB", "GiB", "TiB"}));
}

std::string format_count(std::uint64_t count) {
  const std::string text = scaled(static_cast<double>(count), 1000.0, {"", "K", "M", "B", "T"});
  return text.ends_with(' ') ? text.substr(0, text.size() - 1) : text;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0)) seconds = 0;
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto total = static_cast<std::int64_t>(std::llround(std::min(seconds, 3.6e9)));
  const std::int64_t h = total / 3600, m = total / 60 % 60, s = total % 60;
  return h > 0 ? fmt::format("{}:{:02}:{:02}", h, m, s) : fmt::format("{}:{:02}", m, s);
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size != 0 && (size < 0.001 || size >= 1e6)) return fmt::format("{:.2g}", value);
  return fmt::format("{:.4g}", value);
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

}  // namespace jang::cli
