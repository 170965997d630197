// SPDX-License-Identifier: Apache-2.0
// Backward of the scan of Mamba2 on the CPU, back through time: states are kept at the starts of chunks, and those inside a chunk are
// computed once more when it is reached. Of one head, with s the step, a = exp(-r s) the decay and r = exp(a_log), behind token t
//
//   dS += C dy^T;  dC = S_t dy;  dB = s dS x;  dx = skip dy + s dS^T B;  ds = B^T dS x - r a (dS . S_{t-1});  dS <- a dS
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/cpu_device.h"

namespace jang::kernels {
namespace {

constexpr std::int64_t kScanChunk = 32;  // tokens

// One head of one text, whose rows alone op has. Rows of a state are those of B and C, columns those of x.
class ScanHead {
 public:
  ScanHead(const ScanGradient& op, std::int64_t head)
      : op_(op),
        head_(head),
        n_(op.xbc.rows),
        b_column_(op.heads * op.head_dim + head / (op.heads / op.groups) * op.state_dim),
        size_(op.state_dim * op.head_dim),
        rate_(std::exp(row_of(op.a_log)[head])),
        step_(values(n_)),
        slope_(values(n_)),
        starts_(values(ceil_div(n_, kScanChunk) * size_)),
        states_(values((kScanChunk + 1) * size_)),
        ds_(values(size_)) {}

  // The gradients of B and C, which the heads of a group share, are added to.
  void run() {
    prepare();
    for (std::int64_t t = 0; t < n_; ++t) {  // forward once, for the starts of the chunks
      float* state = states_.data();
      if (t % kScanChunk == 0) std::copy_n(state, size_, starts_.data() + t / kScanChunk * size_);
      step(t, state, state);
    }
    for (std::int64_t chunk = ceil_div(n_, kScanChunk) - 1; chunk >= 0; --chunk) {
      const std::int64_t begin = chunk * kScanChunk, end = std::min(n_, begin + kScanChunk);
      std::copy_n(starts_.data() + chunk * size_, size_, states_.data());
      for (std::int64_t t = begin; t < end; ++t) step(t, states_.data() + (t - begin) * size_, states_.data() + (t - begin + 1) * size_);
      for (std::int64_t t = end - 1; t >= begin; --t) step_back(t, states_.data() + (t - begin) * size_);
    }
  }

 private:
  static std::vector<float> values(std::int64_t n) { return std::vector<float>(static_cast<std::size_t>(n), 0.0f); }
  static std::size_t at(std::int64_t t) { return static_cast<std::size_t>(t); }
  const float* x(std::int64_t t) const { return row_of(op_.xbc, t) + head_ * op_.head_dim; }
  const float* b(std::int64_t t) const { return row_of(op_.xbc, t) + b_column_; }
  float decay(std::int64_t t) const { return std::exp(-rate_ * step_[at(t)]); }

  // Steps, and their slopes by dt.
  void prepare() {
    for (std::int64_t t = 0; t < n_; ++t) {
      const float dt = row_of(op_.dt, t)[head_] + row_of(op_.dt_bias)[head_];
      const float plain = softplus(dt);
      step_[at(t)] = std::clamp(plain, op_.least_step, op_.most_step);
      slope_[at(t)] = plain < op_.least_step || plain > op_.most_step ? 0.0f : 1.0f / (1.0f + std::exp(-dt));
    }
  }

  // The state after token t; may be in place.
  void step(std::int64_t t, const float* state, float* next) const {
    const float a = decay(t), s = step_[at(t)];
    for (std::int64_t r = 0; r < op_.state_dim; ++r) {
      const float factor = s * b(t)[r];
      for (std::int64_t c = 0; c < op_.head_dim; ++c) next[r * op_.head_dim + c] = a * state[r * op_.head_dim + c] + factor * x(t)[c];
    }
  }

  // ds_: of the state after token t, becomes that of the state before it. state, and behind it the next: before and after.
  void step_back(std::int64_t t, const float* state) {
    const std::int64_t width = op_.head_dim;
    const float* after = state + size_;
    const float* in = x(t);
    const float* c_row = b(t) + op_.groups * op_.state_dim;
    const float* dout = row_of(op_.dout, t) + head_ * width;
    float* dx = row_of(op_.dxbc, t) + head_ * width;
    float* db = row_of(op_.dxbc, t) + b_column_;
    float* dc = db + op_.groups * op_.state_dim;
    const float a = decay(t), s = step_[at(t)], skip = row_of(op_.skip)[head_];
    for (std::int64_t c = 0; c < width; ++c) dx[c] = skip * dout[c];
    float dstep = 0, ddecay = 0;
    for (std::int64_t r = 0; r < op_.state_dim; ++r) {
      float* ds = ds_.data() + r * width;
      const float factor = s * b(t)[r];
      float read = 0, written = 0;
      for (std::int64_t c = 0; c < width; ++c) {
        read += after[r * width + c] * dout[c];
        ds[c] += c_row[r] * dout[c];
        written += ds[c] * in[c];
        dx[c] += factor * ds[c];
        ddecay += ds[c] * state[r * width + c];
        ds[c] *= a;
      }
      dc[r] += read;
      db[r] += s * written;
      dstep += b(t)[r] * written;
    }
    row_of(op_.ddt, t)[head_] = (dstep - rate_ * a * ddecay) * slope_[at(t)];
  }

  const ScanGradient& op_;
  std::int64_t head_, n_, b_column_, size_;
  float rate_;
  std::vector<float> step_, slope_, starts_, states_, ds_;
};

// The rows of one text.
ScanGradient rows_of_text(const ScanGradient& op, const SequenceRun& text) {
  ScanGradient one = op;
  for (Tensor* t : {&one.xbc, &one.dt, &one.dout, &one.dxbc, &one.ddt}) *t = t->row_range(text.first_row, text.n_rows);
  return one;
}

}  // namespace

void CpuBackward::scan(const ScanGradient& all, std::span<const SequenceRun> texts) {
  const std::int64_t x_size = all.heads * all.head_dim, group = all.heads / all.groups;
  parallel_.each(static_cast<std::int64_t>(texts.size()) * all.groups, [&](std::int64_t task) {
    const ScanGradient op = rows_of_text(all, texts[static_cast<std::size_t>(task / all.groups)]);
    const std::int64_t g = task % all.groups;
    for (std::int64_t t = 0; t < op.xbc.rows; ++t)
      for (const std::int64_t column : {x_size + g * op.state_dim, x_size + (op.groups + g) * op.state_dim})
        std::fill_n(row_of(op.dxbc, t) + column, op.state_dim, 0.0f);
    for (std::int64_t h = 0; h < group; ++h) ScanHead(op, g * group + h).run();
  });
}

}  // namespace jang::kernels
