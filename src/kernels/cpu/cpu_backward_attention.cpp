// SPDX-License-Identifier: Apache-2.0
// Backward of attention on the CPU: a task a query head of a text, blocks of queries against the keys that they see, probabilities
// recomputed. What the heads of a group add to their common key-value head is summed afterwards, in the order of the heads.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/norm_gradient.h"

namespace jang::kernels {
namespace {

constexpr std::int64_t kQueries = 64;  // of a block

struct Matrix {
  std::vector<float> values;
  std::int64_t columns = 0;
  Matrix(std::int64_t rows, std::int64_t n) : values(static_cast<std::size_t>(rows * n)), columns(n) {}
  [[nodiscard]] float* row(std::int64_t r) { return values.data() + r * columns; }
};

// One query head: p = softmax(cap(scale q k^T)), out = p v, so
//   dv = p^T dout;  dp = dout v^T;  ds = p (dp - sum_j p_j dp_j), through the cap, times scale;  dq = ds k;  dk = ds^T q
// A sink is a column of the softmax with dp = 0.
class Head {
 public:
  Head(const Ops& ops, const AttendGradient& op, const SequenceRun& text, std::int64_t head)
      : ops_(ops),
        op_(op),
        first_row_(text.first_row),
        n_(text.n_rows),
        key_dim_(op.q.columns / op.heads),
        value_dim_(op.v.columns / op.kv_heads),
        kv_head_(head / (op.heads / op.kv_heads)),
        sink_(op.sinks.exists() ? row_of(op.sinks) + head : nullptr),
        q_(row_of(op.q, first_row_) + head * key_dim_),
        dout_(row_of(op.dout, first_row_) + head * value_dim_),
        dq_(row_of(op.dq, first_row_) + head * key_dim_),
        keys_(key_dim_, n_),
        values_(value_dim_, n_),
        p_(kQueries, n_),
        ds_(kQueries, n_) {
    transpose(row_of(op.k, first_row_) + kv_head_ * key_dim_, op.k.stride, key_dim_, &keys_);
    transpose(row_of(op.v, first_row_) + kv_head_ * value_dim_, op.v.stride, value_dim_, &values_);
  }

  // dk [n, key_dim] and dv [n, value_dim] hold zeros and are added to.
  void run(float* dk, float* dv) {
    for (std::int64_t first = 0; first < n_; first += kQueries) {
      const std::int64_t rows = std::min(kQueries, n_ - first), end = first + rows;
      const std::int64_t begin = op_.window > 0 ? std::max<std::int64_t>(0, first + 1 - op_.window) : 0, visible = end - begin;
      const float* q = q_ + first * op_.q.stride;
      const float* dout = dout_ + first * op_.dout.stride;
      ops_.product({rows, visible, key_dim_, q, op_.q.stride, 1, keys_.row(0) + begin, n_, p_.row(0), n_, false});
      ops_.product({rows, visible, value_dim_, dout, op_.dout.stride, 1, values_.row(0) + begin, n_, ds_.row(0), n_, false});
      for (std::int64_t i = 0; i < rows; ++i) scores(p_.row(i), ds_.row(i), first + i - begin, visible);
      ops_.product({visible, value_dim_, rows, p_.row(0), 1, n_, dout, op_.dout.stride, dv + begin * value_dim_, value_dim_, true});
      ops_.product({visible, key_dim_, rows, ds_.row(0), 1, n_, q, op_.q.stride, dk + begin * key_dim_, key_dim_, true});
      const float* k = row_of(op_.k, first_row_ + begin) + kv_head_ * key_dim_;
      ops_.product({rows, key_dim_, visible, ds_.row(0), n_, 1, k, op_.k.stride, dq_ + first * op_.dq.stride, op_.dq.stride, false});
    }
  }

 private:
  void transpose(const float* from, std::int64_t stride, std::int64_t dim, Matrix* to) const {
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t c = 0; c < dim; ++c) to->row(c)[i] = from[i * stride + c];
  }

  // One query, itself at column `own`: products with the keys become p, dp becomes ds; both zero where it does not see.
  void scores(float* p, float* dp, std::int64_t own, std::int64_t n) const {
    const std::int64_t begin = op_.window > 0 ? std::max<std::int64_t>(0, own + 1 - op_.window) : 0, seen = own + 1 - begin;
    std::fill_n(p, begin, 0.0f);
    std::fill_n(dp, begin, 0.0f);
    std::fill(p + own + 1, p + n, 0.0f);
    std::fill(dp + own + 1, dp + n, 0.0f);
    p += begin;
    dp += begin;
    thread_local std::vector<float> slope;
    if (op_.softcap != 0) slope.resize(static_cast<std::size_t>(seen));
    for (std::int64_t j = 0; j < seen; ++j) {
      p[j] *= op_.scale;
      if (op_.softcap == 0) continue;
      const float t = std::tanh(p[j] / op_.softcap);
      slope[static_cast<std::size_t>(j)] = 1.0f - t * t;
      p[j] = op_.softcap * t;
    }
    weigh(p, seen);
    double mean = 0;
    for (std::int64_t j = 0; j < seen; ++j) mean += static_cast<double>(p[j]) * static_cast<double>(dp[j]);
    for (std::int64_t j = 0; j < seen; ++j) {
      dp[j] = p[j] * (dp[j] - static_cast<float>(mean)) * op_.scale;
      if (op_.softcap != 0) dp[j] *= slope[static_cast<std::size_t>(j)];
    }
  }

  // Scores become weights.
  void weigh(float* p, std::int64_t n) const {
    if (sink_ == nullptr) return ops_.softmax(p, n);
    thread_local std::vector<float> with_sink;
    with_sink.assign(p, p + n);
    with_sink.push_back(*sink_);
    ops_.softmax(with_sink.data(), n + 1);
    std::copy_n(with_sink.begin(), n, p);
  }

  const Ops& ops_;
  const AttendGradient& op_;
  std::int64_t first_row_, n_, key_dim_, value_dim_, kv_head_;
  const float* sink_;
  const float *q_, *dout_;
  float* dq_;
  Matrix keys_, values_, p_, ds_;  // keys and values by column
};

// to[i, kv head] = sum over the heads of the group of parts[head][i], for the rows of one text.
void sum_group(std::span<const Matrix> parts, std::int64_t heads, std::int64_t kv_heads, const Parallel& parallel, const Tensor& to) {
  const std::int64_t group = heads / kv_heads, dim = to.columns / kv_heads;
  parallel.run(to.rows, to.columns * group / 4, [&](std::int64_t i) {
    for (std::int64_t h = 0; h < heads; ++h) {
      const float* from = parts[static_cast<std::size_t>(h)].values.data() + i * dim;
      float* row = row_of(to, i) + h / group * dim;
      for (std::int64_t c = 0; c < dim; ++c) row[c] = h % group == 0 ? from[c] : row[c] + from[c];
    }
  });
}

// Turns a head by the angles of row i, or by those angles times `sign`.
void turn(const RopeGradient& op, std::int64_t i, float sign, float* x) {
  if (!op.cosines.exists()) return;
  const std::int64_t half = op.cosines.columns;
  for (std::int64_t j = 0; j < half; ++j) {
    const float cosine = row_of(op.cosines, i)[j], sine = sign * row_of(op.sines, i)[j];
    float& a = x[op.interleaved ? 2 * j : j];
    float& b = x[op.interleaved ? 2 * j + 1 : j + half];
    const float first = a, second = b;
    a = first * cosine - second * sine;
    b = second * cosine + first * sine;
  }
}

}  // namespace

void CpuBackward::rope(const RopeGradient& op) {
  const std::int64_t heads = op.d.columns / op.head_dim;
  parallel_.run(op.d.rows, op.d.columns * 2, [&](std::int64_t i) {
    std::vector<float> turned;
    for (std::int64_t h = 0; h < heads; ++h) {
      float* d = row_of(op.d, i) + h * op.head_dim;
      const float* x = op.norm.exists() ? row_of(op.x, i) + h * op.head_dim : nullptr;
      if (x != nullptr && op.norm_last) {
        turned.assign(x, x + op.head_dim);
        turn(op, i, 1.0f, turned.data());
        norm_gradient(turned.data(), row_of(op.norm), op.head_dim, op.eps, op.offset, d, false, d);
      }
      turn(op, i, -1.0f, d);  // the transpose of the turn, which is the turn back times the square of a factor in it
      if (x != nullptr && !op.norm_last) norm_gradient(x, row_of(op.norm), op.head_dim, op.eps, op.offset, d, false, d);
    }
  });
}

void CpuBackward::attend(const AttendGradient& op, std::span<const SequenceRun> texts) {
  const std::int64_t key_dim = op.q.columns / op.heads, value_dim = op.v.columns / op.kv_heads;
  std::vector<Matrix> dk, dv;  // of every head of every text
  for (const SequenceRun& text : texts)
    for (std::int64_t h = 0; h < op.heads; ++h) {
      dk.emplace_back(text.n_rows, key_dim);
      dv.emplace_back(text.n_rows, value_dim);
    }
  parallel_.each(static_cast<std::int64_t>(dk.size()), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    Head(ops_, op, texts[at / static_cast<std::size_t>(op.heads)], i % op.heads).run(dk[at].values.data(), dv[at].values.data());
  });
  const auto heads = static_cast<std::size_t>(op.heads);
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const SequenceRun& text = texts[t];
    sum_group(std::span(dk).subspan(t * heads, heads), op.heads, op.kv_heads, parallel_, op.dk.row_range(text.first_row, text.n_rows));
    sum_group(std::span(dv).subspan(t * heads, heads), op.heads, op.kv_heads, parallel_, op.dv.row_range(text.first_row, text.n_rows));
  }
}

}  // namespace jang::kernels
