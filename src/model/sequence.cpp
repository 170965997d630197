// SPDX-License-Identifier: Apache-2.0
// Caches of one sequence: they grow by half, so that a text of n positions copies at most a few n rows, and the system commits only pages
// that were written.
#include "model/sequence.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "model/sequence_state.h"

namespace jang::model {
namespace {

constexpr std::int64_t kFirstPositions = 32;

// The first `length` positions of every head, with rows for `capacity` each. Empty when there is no memory.
AlignedBuffer<std::byte> regrow(const AlignedBuffer<std::byte>& from, std::int64_t n_heads, std::int64_t row_bytes,
                                std::int64_t old_capacity, std::int64_t capacity, std::int64_t length) {
  AlignedBuffer<std::byte> grown;
  const auto head_bytes = checked_mul(capacity, row_bytes);
  const auto bytes = head_bytes ? checked_mul(*head_bytes, n_heads) : std::nullopt;
  if (!bytes || !grown.reserve(*bytes)) return {};
  for (std::int64_t h = 0; h < n_heads && length > 0; ++h)
    std::memcpy(grown.get() + h * capacity * row_bytes, from.get() + h * old_capacity * row_bytes,
                static_cast<std::size_t>(length * row_bytes));
  return grown;
}

bool copy(const AlignedBuffer<float>& from, std::int64_t n, AlignedBuffer<float>* to) {
  if (!to->reserve(n)) return false;
  std::memcpy(to->get(), from.get(), static_cast<std::size_t>(n) * sizeof(float));
  return true;
}

}  // namespace

bool Sequence::State::reserve_kv(int layer, std::int64_t positions) {
  KvCache& c = kv[static_cast<std::size_t>(layer)];
  if (positions <= c.capacity) return true;
  const std::int64_t capacity = std::max({positions, c.capacity + c.capacity / 2, kFirstPositions});
  const std::int64_t stored = std::min(length, c.capacity);
  AlignedBuffer<std::byte> keys = regrow(c.keys, n_kv_heads, row_bytes, c.capacity, capacity, stored);
  AlignedBuffer<std::byte> values = regrow(c.values, n_kv_heads, row_bytes, c.capacity, capacity, stored);
  if (keys.get() == nullptr || values.get() == nullptr) return false;
  c = {std::move(keys), std::move(values), capacity};
  return true;
}

bool Sequence::State::reserve_delta(int layer) {
  DeltaCache& c = delta[static_cast<std::size_t>(layer)];
  if (c.delta.capacity() > 0) return true;
  if (!c.conv.reserve(conv_values()) || !c.delta.reserve(delta_values())) return false;
  std::fill_n(c.conv.get(), conv_values(), 0.0f);
  std::fill_n(c.delta.get(), delta_values(), 0.0f);
  c.position = 0;
  return true;
}

Sequence::Sequence(const arch::DecoderConfig& config, kernels::KvType kv_type) : state_(std::make_unique<State>()) {
  state_->kv_type = kv_type;
  state_->n_kv_heads = config.n_kv_heads;
  state_->row_bytes = kernels::kv_row_bytes(kv_type, config.head_dim);
  state_->delta_config = config.delta;
  state_->kv.resize(config.layers.size());
  state_->delta.resize(config.layers.size());
}
Sequence::Sequence(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sequence::~Sequence() = default;
Sequence::Sequence(Sequence&&) noexcept = default;
Sequence& Sequence::operator=(Sequence&&) noexcept = default;

std::int64_t Sequence::length() const { return state_->length; }

void Sequence::advance(std::int64_t n) {
  JANG_CHECK(n >= 0);
  state_->length += n;
}

bool Sequence::truncate(std::int64_t length) {
  if (length < 0 || length > state_->length) return false;
  if (length == 0) {
    for (DeltaCache& c : state_->delta) c = DeltaCache{};
  } else {
    for (const DeltaCache& c : state_->delta)
      if (c.position > length) return false;
  }
  state_->length = length;
  return true;
}

Sequence Sequence::clone() const {
  auto copied = std::make_unique<State>();
  copied->kv_type = state_->kv_type;
  copied->n_kv_heads = state_->n_kv_heads;
  copied->row_bytes = state_->row_bytes;
  copied->delta_config = state_->delta_config;
  copied->kv.resize(state_->kv.size());
  copied->delta.resize(state_->delta.size());
  bool ok = true;
  for (std::size_t l = 0; l < state_->kv.size() && ok; ++l) {
    const KvCache& from = state_->kv[l];
    const std::int64_t stored = std::min(state_->length, from.capacity);
    if (stored > 0) {
      ok = copied->reserve_kv(static_cast<int>(l), stored);
      for (std::int64_t h = 0; h < state_->n_kv_heads && ok; ++h) {
        const auto bytes = static_cast<std::size_t>(stored * state_->row_bytes);
        std::memcpy(copied->key_row(static_cast<int>(l), h, 0), state_->key_row(static_cast<int>(l), h, 0), bytes);
        std::memcpy(copied->value_row(static_cast<int>(l), h, 0), state_->value_row(static_cast<int>(l), h, 0), bytes);
      }
    }
    const DeltaCache& state = state_->delta[l];
    if (ok && state.delta.capacity() > 0) {
      ok = copy(state.conv, state_->conv_values(), &copied->delta[l].conv) &&
           copy(state.delta, state_->delta_values(), &copied->delta[l].delta);
      copied->delta[l].position = state.position;
    }
  }
  if (!ok) {
    const std::size_t n_layers = copied->kv.size();
    copied->kv = std::vector<KvCache>(n_layers);
    copied->delta = std::vector<DeltaCache>(n_layers);
    return Sequence(std::move(copied));
  }
  copied->length = state_->length;
  return Sequence(std::move(copied));
}

std::int64_t Sequence::bytes() const {
  std::int64_t total = 0;
  for (std::size_t l = 0; l < state_->kv.size(); ++l) {
    total += 2 * std::min(state_->length, state_->kv[l].capacity) * state_->n_kv_heads * state_->row_bytes;
    if (state_->delta[l].delta.capacity() > 0)
      total += (state_->conv_values() + state_->delta_values()) * static_cast<std::int64_t>(sizeof(float));
  }
  return total;
}

}  // namespace jang::model
