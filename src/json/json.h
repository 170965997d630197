// SPDX-License-Identifier: Apache-2.0
// JSON from untrusted bytes, and the ordered values we write back.
//
// Parsing is simdjson's (RFC 8259, valid UTF-8); on top of it we bound size and depth and see duplicate keys at every level, which no
// JSON library here does. The value type is nlohmann::ordered_json: key order survives a read-edit-write, so configs come back as they
// were.
//
// Two dialects. What we write ourselves, and whatever decides weights, is read strictly. Files that Python programs write and read (the
// configs of a checkpoint, variables of a template) are read as Python's json module reads them, because it accepts more than JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "jang/status.h"

namespace jang::json {

using Value = nlohmann::ordered_json;

enum class Dialect : std::uint8_t {
  strict,  // RFC 8259; numbers fit int64, uint64 or a finite double; no key twice
  python,  // also a byte order mark, NaN, Infinity, -Infinity; integers beyond 64 bits become the nearest double, doubles beyond their
           // range infinite (Python keeps the former exact, transformers writes 10^30 as "model_max_length"); of a repeated key the last
           // value counts, in the place of the first
};

struct Limits {
  std::size_t max_bytes = 64u << 20;
  int max_depth = 64;
  Dialect dialect = Dialect::strict;
};

// One JSON document, nothing but white space around it. `what` names the document in messages ("config.json"). `repeated`, if given, gets
// the keys that occurred again in an object of the python dialect, in the order they were met, at most 16.
// Errors: corrupt (syntax, UTF-8, depth; in the strict dialect a duplicate key or a number out of range), invalid_argument (size).
[[nodiscard]] Result<Value> parse(std::string_view text, std::string_view what, const Limits& limits = {},
                                  std::vector<std::string>* repeated = nullptr);

// Reads a whole regular file and parses it. Errors: not_found, io, and those of parse.
[[nodiscard]] Result<Value> parse_file(const std::string& path, const Limits& limits = {}, std::vector<std::string>* repeated = nullptr);

// Member access that never throws. A null member counts as absent (configs write explicit nulls).
// Pointer into `object`, or nullptr when `object` is not an object or lacks the key.
[[nodiscard]] const Value* find(const Value& object, std::string_view key);
// Value of an integer / finite number / bool / string member, or `fallback` when absent. Errors: corrupt when the type is wrong or out of
// [lo, hi].
[[nodiscard]] Result<std::int64_t> get_int(const Value& object, std::string_view key, std::int64_t fallback, std::int64_t lo,
                                           std::int64_t hi);
[[nodiscard]] Result<double> get_number(const Value& object, std::string_view key, double fallback);
[[nodiscard]] Result<bool> get_bool(const Value& object, std::string_view key, bool fallback);
[[nodiscard]] Result<std::string> get_string(const Value& object, std::string_view key, std::string_view fallback);

// Text with `indent` spaces per level, or compact when indent < 0; invalid UTF-8 in strings is replaced, never thrown on.
// Numbers that are not finite are written as null.
[[nodiscard]] std::string dump(const Value& value, int indent = -1);
// The same with NaN, Infinity and -Infinity where they stand, for a config that Python programs read.
[[nodiscard]] std::string dump_for_python(const Value& value, int indent = -1);

// Outside text for a message: in double quotes, control and non-ASCII characters escaped, cut after `max_bytes`.
[[nodiscard]] std::string quote(std::string_view text, std::size_t max_bytes = 128);

// Index of a key that occurred before, or nullopt. O(n log n) for any input: keys made to collide in a hash table gain nothing.
[[nodiscard]] std::optional<std::size_t> find_duplicate(std::span<const std::string_view> keys);

// Where `text` stops being JSON, for a message: " at line 3, column 7 (byte 41)" and a hint when there is one; empty when a general JSON
// reader accepts it.
[[nodiscard]] std::string locate_syntax_error(std::string_view text);

}  // namespace jang::json
