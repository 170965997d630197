// SPDX-License-Identifier: Apache-2.0
// What every operation of a render shares: the budget, the owned entities, the clock, and the way to call a value.
//
// Limits. A step is one node evaluated, one item produced, or kBytesPerStep bytes of text built, so steps bound time and memory at once:
// 5,000,000 steps are at most 320 MB of text, or 160 MB of list items. Text whose size a template can ask for (repeat, indent, join,
// replace) is measured before it is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jang/status.h"
#include "text/jinja/runtime/value.h"

namespace jang::text::jinja {

inline constexpr std::uint64_t kMaxSteps = 5'000'000;
inline constexpr std::size_t kBytesPerStep = 64;
inline constexpr std::size_t kMaxStringBytes = 16u << 20;
inline constexpr int kMaxContainerDepth = 100;
inline constexpr int kMaxParseDepth = 64;
inline constexpr int kMaxCallDepth = 64;
inline constexpr std::int64_t kMaxRange = 100'000;  // as jinja's sandbox

// Arguments of a call, in Python's two sorts.
struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;

  // Assigns them to parameters: out[i] is the value of names[i], or missing when it was not given. Errors: corrupt (too many, unknown,
  // twice).
  [[nodiscard]] Result<Values> bind(std::string_view function, std::span<const std::string_view> names) const;
};

using Native = Result<Value> (*)(Runtime& runtime, const Value& self, const Arguments& arguments);

// A filter, global function or method: `self` is the value filtered, or the object the method belongs to.
struct Builtin {
  std::string_view name;
  Native run;
};

using Predicate = Result<bool> (*)(Runtime& runtime, const Value& self, const Arguments& arguments);
struct TestRow {
  std::string_view name;
  Predicate run;
};

class Runtime {
 public:
  Runtime(std::uint64_t max_steps, std::int64_t unix_seconds, std::int64_t utc_offset_seconds)
      : max_steps_(max_steps), steps_left_(max_steps), unix_seconds_(unix_seconds), utc_offset_(utc_offset_seconds) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  virtual ~Runtime() = default;

  // Errors: invalid_argument when the budget is spent.
  [[nodiscard]] Status charge(std::uint64_t steps) {
    if (steps > steps_left_) return out_of_steps();
    steps_left_ -= steps;
    return {};
  }
  [[nodiscard]] Status charge_bytes(std::size_t bytes) { return charge(bytes / kBytesPerStep); }
  [[nodiscard]] std::uint64_t steps_left() const { return steps_left_; }
  // invalid_argument when a string of `bytes` is more than one may have; to be asked before building it.
  [[nodiscard]] static Status check_string_size(std::uint64_t bytes);

  // Values of any size; the limits are checked here.
  [[nodiscard]] Result<Value> string(Text text, bool markup = false);
  [[nodiscard]] Result<Value> list(Values items) { return sequence(Kind::list, std::move(items)); }
  [[nodiscard]] Result<Value> tuple(Values items) { return sequence(Kind::tuple, std::move(items)); }
  // Later entries of equal keys replace earlier ones, in place, as in Python. Errors: also corrupt for a key that cannot be one.
  [[nodiscard]] Result<Value> dict(std::vector<std::pair<Value, Value>> entries);
  [[nodiscard]] Result<Value> iterator(Values items);
  [[nodiscard]] Result<Value> bound(const Builtin& builtin, Value self);
  template <typename T>
  [[nodiscard]] Result<T*> make() {
    JANG_TRY(charge(kEntitySteps));
    entities_.push_back(std::make_unique<T>());
    return static_cast<T*>(entities_.back().get());
  }

  [[nodiscard]] virtual Result<Value> call(const Value& callee, const Arguments& arguments) = 0;

  [[nodiscard]] std::int64_t unix_seconds() const { return unix_seconds_; }
  [[nodiscard]] std::int64_t utc_offset() const { return utc_offset_; }

 private:
  static constexpr std::uint64_t kEntitySteps = 8;

  [[nodiscard]] Result<Value> sequence(Kind kind, Values items);
  [[nodiscard]] Status out_of_steps() const;

  std::uint64_t max_steps_, steps_left_;
  std::int64_t unix_seconds_, utc_offset_;
  std::vector<std::unique_ptr<Entity>> entities_;
};

// The error of a template that did something Python would not allow.
[[nodiscard]] Status template_error(std::string message);
// What any use of an undefined value raises.
[[nodiscard]] Status undefined_error(const Value& undefined);

}  // namespace jang::text::jinja
