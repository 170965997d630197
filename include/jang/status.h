// SPDX-License-Identifier: Apache-2.0
// Error values of the whole project: Status, and Result<T> which is a value or a Status.
//
// No exception crosses a jang function. A Status says what failed (file, tensor, byte offset, expected and found), why, and what to do.
// Codes are few because callers branch on them; people read the message. The program maps codes to exit codes in src/cli/exit_code.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "jang/export.h"

namespace jang {

enum class StatusCode : std::uint8_t {
  ok,
  invalid_argument,  // the caller asked for something impossible (flag, option, plan)
  not_found,         // a file, tensor or key that must exist does not
  corrupt,           // outside data breaks its format
  unsupported,       // valid, but not something this version handles
  io,                // the operating system failed a read or a write
  out_of_memory,
  device,
  cancelled,
};

// Name as it appears in JSON and messages, e.g. "corrupt".
[[nodiscard]] JANG_API std::string_view to_string(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // A failed write, sync, rename or reservation: same code as other I/O, but the program exits with its own code.
  static Status write_error(std::string message) {
    Status s(StatusCode::io, std::move(message));
    s.is_write_ = true;
    return s;
  }

  [[nodiscard]] bool ok() const { return code_ == StatusCode::ok; }
  [[nodiscard]] StatusCode code() const { return code_; }
  [[nodiscard]] bool is_write_error() const { return is_write_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  // Same code, message "context: message". Each layer adds its context once on the way up.
  [[nodiscard]] Status with_context(std::string_view context) const {
    if (ok()) return *this;
    Status s = *this;
    s.message_ = std::string(context) + ": " + message_;
    return s;
  }

 private:
  StatusCode code_ = StatusCode::ok;
  bool is_write_ = false;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::move(value)) {}         // NOLINT: implicit on purpose, `return value;`
  Result(Status status) : data_(std::move(status)) {}  // NOLINT: implicit on purpose, `return status;`; must not be ok

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(data_); }
  // Ok when a value is held.
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<Status>(data_); }
  // Precondition: ok().
  [[nodiscard]] T& value() & { return std::get<T>(data_); }
  [[nodiscard]] const T& value() const& { return std::get<T>(data_); }
  [[nodiscard]] T&& value() && { return std::get<T>(std::move(data_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> data_;
};

// Returns from the enclosing function when `expr` (a Status) is not ok.
#define JANG_TRY(expr)                                                           \
  do {                                                                           \
    if (::jang::Status jang_try_s = (expr); !jang_try_s.ok()) return jang_try_s; \
  } while (0)

#define JANG_CONCAT_INNER(a, b) a##b
#define JANG_CONCAT(a, b) JANG_CONCAT_INNER(a, b)
// `JANG_ASSIGN(auto x, f());` binds the value of a Result or returns its Status.
#define JANG_ASSIGN(lhs, expr) JANG_ASSIGN_INNER(JANG_CONCAT(jang_result_, __LINE__), lhs, expr)
#define JANG_ASSIGN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                      \
  if (!tmp.ok()) return tmp.status();     \
  lhs = std::move(tmp).value()

}  // namespace jang
