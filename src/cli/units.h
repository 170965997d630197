// SPDX-License-Identifier: Apache-2.0
// Numbers as people write and read them: sizes, counts, durations. KB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB of 1024.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "jang/status.h"

namespace jang::cli {

// "48GB", "1.5 GiB", "4096": bytes, at least 1. Letter case is ignored; at most six decimals, and only with a unit above the byte; the
// result is rounded down. Errors: invalid_argument (nonsense, sign, zero, overflow, a bare K/M/G that could mean either).
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

// A plain decimal number in (0, max]. Errors: invalid_argument naming `what`.
[[nodiscard]] Result<double> parse_positive(std::string_view text, std::string_view what, double max);
// A whole number in [min, max]. Errors: invalid_argument naming `what`.
[[nodiscard]] Result<std::int64_t> parse_integer(std::string_view text, std::string_view what, std::int64_t min, std::int64_t max);

[[nodiscard]] std::string format_bytes(std::uint64_t bytes);       // "1.50 GB", powers of 1000
[[nodiscard]] std::string format_bytes_both(std::uint64_t bytes);  // "1.50 GB (1.40 GiB)"
[[nodiscard]] std::string format_count(std::uint64_t count);       // "9.23 M"
[[nodiscard]] std::string format_duration(double seconds);         // "0.4 s", "1:05", "2:03:04"

// A measured value: four significant digits at most, no exponent between 0.001 and 10^6; "-" for what is not finite.
[[nodiscard]] std::string short_number(double value);

// `text` with control bytes replaced by '?': names from files must not steer a terminal.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace jang::cli
