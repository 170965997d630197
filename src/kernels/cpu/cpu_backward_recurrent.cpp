// SPDX-License-Identifier: Apache-2.0
// Backward of the convolution and of the gated delta rule on the CPU. The rule runs back through time: states are kept at the starts of
// chunks, and those inside a chunk are computed once more when it is reached.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/cpu_device.h"

namespace jang::kernels {
namespace {

constexpr double kL2Eps = 1e-6;
constexpr std::int64_t kChunk = 32;  // tokens

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

// y = x / sqrt(sum x^2 + eps) * times.
void l2(const float* x, std::int64_t n, double times, float* y) {
  double squares = 0;
  for (std::int64_t j = 0; j < n; ++j) squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
  const auto factor = static_cast<float>(times / std::sqrt(squares + kL2Eps));
  for (std::int64_t j = 0; j < n; ++j) y[j] = x[j] * factor;
}
// dx = f (dy - x f^2 sum x dy) * times, f = 1 / sqrt(sum x^2 + eps).
void l2_gradient(const float* x, std::int64_t n, double times, const float* dy, float* dx) {
  double squares = 0, product = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    product += static_cast<double>(x[j]) * static_cast<double>(dy[j]);
  }
  const double square = 1.0 / (squares + kL2Eps), factor = times * std::sqrt(square);
  for (std::int64_t j = 0; j < n; ++j)
    dx[j] = static_cast<float>(factor * (static_cast<double>(dy[j]) - static_cast<double>(x[j]) * square * product));
}

// One value head of one text, whose rows alone op has. Rows of a state are keys, columns values.
class DeltaHead {
 public:
  DeltaHead(const DeltaGradient& op, std::int64_t head)
      : op_(op),
        head_(head),
        n_(op.qkv.rows),
        key_(head / (op.value_heads / op.key_heads)),
        size_(op.key_dim * op.value_dim),
        q_(values(n_ * op.key_dim)),
        k_(values(n_ * op.key_dim)),
        decay_(values(n_)),
        beta_(values(n_)),
        starts_(values(ceil_div(n_, kChunk) * size_)),
        states_(values((kChunk + 1) * size_)),
        ds_(values(size_)),
        memory_(values(op.value_dim)),
        change_(values(op.value_dim)),
        du_(values(op.value_dim)) {}

  // dq and dk [n, key_dim] are added to: those of the normalised queries and keys.
  void run(float* dq, float* dk) {
    prepare();
    for (std::int64_t t = 0; t < n_; ++t) {  // forward once, for the starts of the chunks
      float* state = states_.data();
      if (t % kChunk == 0) std::copy_n(state, size_, starts_.data() + t / kChunk * size_);
      step(t, state, state);
    }
    for (std::int64_t chunk = ceil_div(n_, kChunk) - 1; chunk >= 0; --chunk) {
      const std::int64_t begin = chunk * kChunk, end = std::min(n_, begin + kChunk);
      std::copy_n(starts_.data() + chunk * size_, size_, states_.data());
      for (std::int64_t t = begin; t < end; ++t) step(t, states_.data() + (t - begin) * size_, states_.data() + (t - begin + 1) * size_);
      for (std::int64_t t = end - 1; t >= begin; --t)
        step_back(t, states_.data() + (t - begin) * size_, dq + t * op_.key_dim, dk + t * op_.key_dim);
    }
  }

 private:
  static std::vector<float> values(std::int64_t n) { return std::vector<float>(static_cast<std::size_t>(n), 0.0f); }
  const float* query(std::int64_t t) const { return row_of(op_.qkv, t) + key_ * op_.key_dim; }
  const float* key(std::int64_t t) const { return query(t) + op_.key_heads * op_.key_dim; }
  std::int64_t value_column() const { return 2 * op_.key_heads * op_.key_dim + head_ * op_.value_dim; }
  float rate() const { return std::exp(row_of(op_.a_log)[head_]); }
  float step_size(std::int64_t t) const { return row_of(op_.ba, t)[op_.value_heads + head_] + row_of(op_.dt_bias)[head_]; }

  void prepare() {
    for (std::int64_t t = 0; t < n_; ++t) {
      l2(query(t), op_.key_dim, 1.0 / std::sqrt(static_cast<double>(op_.key_dim)), q_.data() + t * op_.key_dim);
      l2(key(t), op_.key_dim, 1.0, k_.data() + t * op_.key_dim);
      beta_[at(t)] = sigmoid(row_of(op_.ba, t)[head_]);
      decay_[at(t)] = std::exp(-rate() * softplus(step_size(t)));
    }
  }
  static std::size_t at(std::int64_t t) { return static_cast<std::size_t>(t); }

  // memory_ = decayed S^T k; change_ = beta (v - memory_).
  void recall(std::int64_t t, const float* state) {
    const float* k = k_.data() + t * op_.key_dim;
    const float* v = row_of(op_.qkv, t) + value_column();
    std::ranges::fill(memory_, 0.0f);
    for (std::int64_t r = 0; r < op_.key_dim; ++r)
      for (std::int64_t c = 0; c < op_.value_dim; ++c) memory_[at(c)] += state[r * op_.value_dim + c] * k[r];
    for (std::int64_t c = 0; c < op_.value_dim; ++c) {
      memory_[at(c)] *= decay_[at(t)];
      change_[at(c)] = beta_[at(t)] * (v[c] - memory_[at(c)]);
    }
  }

  // The state after token t; may be in place.
  void step(std::int64_t t, const float* state, float* next) {
    recall(t, state);
    const float* k = k_.data() + t * op_.key_dim;
    for (std::int64_t r = 0; r < op_.key_dim; ++r)
      for (std::int64_t c = 0; c < op_.value_dim; ++c)
        next[r * op_.value_dim + c] = decay_[at(t)] * state[r * op_.value_dim + c] + k[r] * change_[at(c)];
  }

  // ds_: of the state after token t, becomes that of the state before it. state, and behind it the next: before and after.
  void step_back(std::int64_t t, const float* state, float* dq, float* dk) {
    recall(t, state);
    const std::int64_t width = op_.value_dim;
    const float* after = state + size_;
    const float* q = q_.data() + t * op_.key_dim;
    const float* k = k_.data() + t * op_.key_dim;
    const float* dout = row_of(op_.dout, t) + head_ * width;
    std::ranges::fill(du_, 0.0f);
    for (std::int64_t r = 0; r < op_.key_dim; ++r) {
      float* ds = ds_.data() + r * width;
      float read = 0, written = 0;
      for (std::int64_t c = 0; c < width; ++c) {
        read += after[r * width + c] * dout[c];
        ds[c] += q[r] * dout[c];
        written += ds[c] * change_[at(c)];
        du_[at(c)] += ds[c] * k[r];
      }
      dq[r] += read;
      dk[r] += written;
    }
    const float* v = row_of(op_.qkv, t) + value_column();
    float* dv = row_of(op_.dqkv, t) + value_column();
    float dbeta = 0, ddecay = 0;
    const float beta = beta_[at(t)], decay = decay_[at(t)];
    for (std::int64_t c = 0; c < width; ++c) {
      dbeta += du_[at(c)] * (v[c] - memory_[at(c)]);
      dv[c] = beta * du_[at(c)];
      du_[at(c)] = -dv[c];  // of the memory
    }
    for (std::int64_t r = 0; r < op_.key_dim; ++r) {
      float* ds = ds_.data() + r * width;
      float recalled = 0;
      for (std::int64_t c = 0; c < width; ++c) {
        recalled += state[r * width + c] * du_[at(c)];
        ds[c] += k[r] * du_[at(c)];
        ddecay += state[r * width + c] * ds[c];
        ds[c] *= decay;
      }
      dk[r] += decay * recalled;
    }
    float* dba = row_of(op_.dba, t);
    dba[head_] = dbeta * beta * (1.0f - beta);
    // decay = exp(-rate softplus(a + dt_bias))
    dba[op_.value_heads + head_] = -ddecay * decay * rate() * sigmoid(step_size(t));
  }

  const DeltaGradient& op_;
  std::int64_t head_, n_, key_, size_;
  std::vector<float> q_, k_, decay_, beta_, starts_, states_, ds_, memory_, change_, du_;
};

// y = silu(s), s[t] = sum_j w[j] x[t - kernel + 1 + j] + bias: ds in the place of dout.
void silu_of_sums_back(const ConvGradient& op, const Parallel& parallel) {
  const std::int64_t channels = op.x.columns, kernel = op.weight.columns;
  const float* w = row_of(op.weight);
  parallel.run(op.x.rows, channels * (kernel + 10), [&](std::int64_t t) {
    float* d = row_of(op.dout, t);
    for (std::int64_t c = 0; c < channels; ++c) {
      float s = op.bias.exists() ? row_of(op.bias)[c] : 0.0f;
      for (std::int64_t j = std::max<std::int64_t>(0, kernel - 1 - t); j < kernel; ++j)
        s += w[c * kernel + j] * row_of(op.x, t - kernel + 1 + j)[c];
      const float gate = sigmoid(s);
      d[c] *= gate * (1.0f + s * (1.0f - gate));
    }
  });
}

// First ds in the place of dout, then every x takes from the s that read it.
void convolution_back(const ConvGradient& op, const Parallel& parallel) {
  const std::int64_t n = op.x.rows, channels = op.x.columns, kernel = op.weight.columns;
  const float* w = row_of(op.weight);
  if (op.silu) silu_of_sums_back(op, parallel);
  parallel.run(n, channels * kernel, [&](std::int64_t t) {
    float* dx = row_of(op.dx, t);
    for (std::int64_t c = 0; c < channels; ++c) {
      float sum = 0;
      for (std::int64_t j = std::max<std::int64_t>(0, t + kernel - n); j < kernel; ++j)
        sum += w[c * kernel + j] * row_of(op.dout, t + kernel - 1 - j)[c];
      dx[c] = sum;
    }
  });
}

// The rows of one text.
ConvGradient text_of(const ConvGradient& op, const SequenceRun& text) {
  const auto rows = [&](const Tensor& t) { return t.row_range(text.first_row, text.n_rows); };
  return {.x = rows(op.x), .weight = op.weight, .bias = op.bias, .dout = rows(op.dout), .dx = rows(op.dx), .silu = op.silu};
}
DeltaGradient text_of(const DeltaGradient& op, const SequenceRun& text) {
  DeltaGradient one = op;
  for (Tensor* t : {&one.qkv, &one.ba, &one.dout, &one.dqkv, &one.dba}) *t = t->row_range(text.first_row, text.n_rows);
  return one;
}

}  // namespace

void CpuBackward::conv(const ConvGradient& op, std::span<const SequenceRun> texts) {
  for (const SequenceRun& text : texts) convolution_back(text_of(op, text), parallel_);
}

void CpuBackward::delta(const DeltaGradient& all, std::span<const SequenceRun> texts) {
  const std::int64_t dim = all.key_dim, group = all.value_heads / all.key_heads;
  parallel_.each(static_cast<std::int64_t>(texts.size()) * all.key_heads, [&](std::int64_t task) {
    const DeltaGradient op = text_of(all, texts[static_cast<std::size_t>(task / all.key_heads)]);
    const std::int64_t h = task % all.key_heads, n = op.qkv.rows;
    std::vector<float> dq(static_cast<std::size_t>(n * dim)), dk(dq.size());
    for (std::int64_t v = 0; v < group; ++v) DeltaHead(op, h * group + v).run(dq.data(), dk.data());
    const std::int64_t q_column = h * dim, k_column = (op.key_heads + h) * dim;
    for (std::int64_t t = 0; t < n; ++t) {
      const float* x = row_of(op.qkv, t);
      float* dx = row_of(op.dqkv, t);
      l2_gradient(x + q_column, dim, 1.0 / std::sqrt(static_cast<double>(dim)), dq.data() + t * dim, dx + q_column);
      l2_gradient(x + k_column, dim, 1.0, dk.data() + t * dim, dx + k_column);
    }
  });
}

}  // namespace jang::kernels
