// SPDX-License-Identifier: Apache-2.0
// Memory aligned to 64 bytes that grows and is not initialised: scratch of the graph, caches. Running out of memory is a value, not an
// exception. Large blocks come untouched from the system, so pages cost memory only once they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/checked.h"

namespace jang {

template <typename T>
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  // Room for n values; what was there is lost when it has to grow. False when there is no memory.
  [[nodiscard]] bool reserve(std::int64_t n) {
    if (n <= capacity_) return true;
    const auto bytes = checked_mul<std::int64_t>(n, static_cast<std::int64_t>(sizeof(T)));
    if (!bytes || *bytes > INT64_MAX - static_cast<std::int64_t>(kAlignment)) return false;
    data_.reset();
    capacity_ = 0;
    data_.reset(static_cast<T*>(std::aligned_alloc(kAlignment, round_up(static_cast<std::size_t>(*bytes), kAlignment))));
    if (data_ == nullptr) return false;
    capacity_ = n;
    return true;
  }
  void release() {
    data_.reset();
    capacity_ = 0;
  }

  [[nodiscard]] T* get() { return data_.get(); }
  [[nodiscard]] const T* get() const { return data_.get(); }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::move(other.data_)), capacity_(std::exchange(other.capacity_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::int64_t capacity_ = 0;
};

}  // namespace jang
