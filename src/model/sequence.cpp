// SPDX-License-Identifier: Apache-2.0
// Pages taken, shared and copied by who writes first; recurrent states made of zeros.
#include "model/sequence.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked.h"

namespace jang::model {
namespace {

using kernels::kPagePositions;

bool zeros(kernels::Device& device, std::int64_t n, Array* out) {
  if (!out->reserve(device, n)) return false;
  const std::vector<float> values(static_cast<std::size_t>(n), 0.0f);
  return device.write(values.data(), out->matrix(1, n)).ok();
}

bool duplicate(kernels::Device& device, const Array& from, Array* out) {
  const std::int64_t n = from.bytes() / size_bytes(DType::f32);
  if (!out->reserve(device, n)) return false;
  device.copy(from.matrix(1, n), out->matrix(1, n));
  return true;
}

}  // namespace

Sequence::Sequence(std::shared_ptr<CachePool> pool) : pool_(std::move(pool)) { recurrent_.resize(pool_->n_layers()); }

Sequence::~Sequence() {
  if (pool_ != nullptr) release_pages(0);
}

Sequence& Sequence::operator=(Sequence&& other) noexcept {
  if (this == &other) return *this;
  if (pool_ != nullptr) release_pages(0);
  pool_ = std::move(other.pool_);
  length_ = other.length_;
  pages_ = std::move(other.pages_);
  recurrent_ = std::move(other.recurrent_);
  return *this;
}

void Sequence::release_pages(std::size_t keep) {
  for (std::size_t i = keep; i < pages_.size(); ++i) pool_->release(pages_[i]);
  pages_.resize(std::min(keep, pages_.size()));
}

void Sequence::advance(std::int64_t n) {
  JANG_CHECK(n >= 0);
  length_ += n;
}

bool Sequence::truncate(std::int64_t length) {
  if (length < 0 || length > length_) return false;
  if (length == 0) {
    for (RecurrentState& s : recurrent_) s = RecurrentState{};
  } else {
    for (const RecurrentState& s : recurrent_)
      if (s.position > length) return false;
  }
  length_ = length;
  release_pages(static_cast<std::size_t>(ceil_div(length, kPagePositions)));
  return true;
}

Status Sequence::reserve(std::int64_t n) {
  const auto wanted = static_cast<std::size_t>(ceil_div(length_ + n, kPagePositions));
  const std::size_t before = pages_.size();
  while (pages_.size() < wanted) {
    Result<std::int32_t> page = pool_->take();
    if (!page.ok()) {
      release_pages(before);
      return page.status();
    }
    pages_.push_back(page.value());
  }
  const auto first = static_cast<std::size_t>(length_ / kPagePositions);  // the page the next position lies in
  if (n > 0 && first < before && pool_->is_shared(pages_[first])) {
    Result<std::int32_t> own = pool_->take();
    if (!own.ok()) {
      release_pages(before);
      return own.status();
    }
    pool_->copy(pages_[first], own.value());
    pool_->release(pages_[first]);
    pages_[first] = own.value();
  }
  return {};
}

RecurrentState* Sequence::recurrent(int layer) {
  RecurrentState& s = recurrent_[static_cast<std::size_t>(layer)];
  if (!s.arrays.empty()) return &s;
  std::vector<Array> arrays;
  for (const StateShape& shape : pool_->layer(layer).states)
    if (!zeros(pool_->device(), shape.rows * shape.columns, &arrays.emplace_back())) return nullptr;
  s = {std::move(arrays), 0};
  return &s;
}

Sequence Sequence::clone() const {
  Sequence copied(pool_);
  for (std::size_t l = 0; l < recurrent_.size(); ++l) {
    const RecurrentState& from = recurrent_[l];
    RecurrentState& to = copied.recurrent_[l];
    for (const Array& array : from.arrays)
      if (!duplicate(pool_->device(), array, &to.arrays.emplace_back())) return Sequence(pool_);
    to.position = from.position;
  }
  const auto filled = std::min(pages_.size(), static_cast<std::size_t>(ceil_div(length_, kPagePositions)));
  copied.pages_.assign(pages_.begin(), pages_.begin() + static_cast<std::ptrdiff_t>(filled));
  for (const std::int32_t page : copied.pages_) pool_->share(page);  // the last one is copied by who writes it first
  copied.length_ = length_;
  return copied;
}

std::int64_t Sequence::bytes() const {
  std::int64_t total = static_cast<std::int64_t>(pages_.size()) * pool_->page_bytes();
  for (const RecurrentState& s : recurrent_)
    for (const Array& array : s.arrays) total += array.bytes();
  return total;
}

}  // namespace jang::model
