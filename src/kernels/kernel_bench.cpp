// SPDX-License-Identifier: Apache-2.0
// The measuring: one block of memory serves as the weights of every format in turn, and as what the probe reads.
#include "kernels/kernel_bench.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>

#include "base/check.h"
#include "base/thread_pool.h"

namespace jang::kernels {
namespace {

// Any two or four of these bytes are a small ordinary number in f16, bf16 and f32: no NaN, no denormal, whatever part becomes scales.
constexpr std::uint64_t kPattern = 0x393a383b3b38393aull;
// Of a sample and thread: under a millisecond, so that on a busy machine most samples run undisturbed and the median is one of those.
constexpr std::int64_t kSampleBytes = std::int64_t{16} << 20;
constexpr double kSampleFlop = 1e9;     // at most, or one product
constexpr double kRowSeconds = 1;       // products that take long are sampled less often,
constexpr std::size_t kFewSamples = 7;  // but so often at least

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> v) {
  JANG_CHECK(!v.empty());
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

// Begin of part i of n equal parts of `total`.
std::int64_t part(std::int64_t total, std::int64_t i, std::int64_t n) { return total * i / n; }

std::uint64_t read_words(const std::byte* data, std::int64_t bytes) {
  constexpr int kWords = 32;
  std::uint64_t sums[kWords] = {};
  for (std::int64_t at = 0; at + 8 * kWords <= bytes; at += 8 * kWords) {
    std::uint64_t words[kWords];
    std::memcpy(words, data + at, sizeof(words));
    for (int i = 0; i < kWords; ++i) sums[i] += words[i];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t s : sums) sum += s;
  return sum;
}

class Bench {
 public:
  explicit Bench(const KernelBenchOptions& o) : o_(o), pool_(o.threads), memory_(static_cast<std::size_t>(o.cold_bytes / 8)) {
    std::fill(memory_.begin(), memory_.end(), kPattern);
  }

  KernelBench run() {
    KernelBench result;
    for (const std::int64_t n : o_.inputs)
      for (const MatrixFormat& format : o_.formats)
        for (const LinearKernel* kernel : o_.kernels)
          if (kernel->available() && kernel->supports(format)) result.rows.push_back(measure(*kernel, format, n));
    if (!probes_.empty()) result.read_gbps = median(probes_);
    return result;
  }

  // Median of `samples` probes.
  double read() {
    for (int i = 0; i < o_.samples; ++i) probe();
    return median(probes_);
  }

 private:
  [[nodiscard]] const std::byte* memory() const { return reinterpret_cast<const std::byte*>(memory_.data()); }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(memory_.size() * 8); }

  // Runs work(thread) on every thread at once and returns GB/s.
  double time(std::int64_t bytes, const std::function<void(int)>& work) {
    const double start = seconds();
    pool_.run(o_.threads, [&](std::int64_t i, int) { work(static_cast<int>(i)); });
    return static_cast<double>(bytes) / (seconds() - start) * 1e-9;
  }

  double probe() {
    const std::int64_t bytes = std::min(kSampleBytes * o_.threads, size());
    if (probe_at_ + bytes > size()) probe_at_ = 0;
    const std::byte* from = memory() + probe_at_;
    probe_at_ += bytes;
    std::vector<std::uint64_t> sums(static_cast<std::size_t>(o_.threads) * 16);  // a cache line each
    const double gbps = time(bytes, [&](int t) {
      const std::int64_t begin = part(bytes, t, o_.threads);
      sums[static_cast<std::size_t>(t) * 16] = read_words(from + begin, part(bytes, t + 1, o_.threads) - begin);
    });
    for (const std::uint64_t s : sums) sink_ = sink_ + s;
    probes_.push_back(gbps);
    return gbps;
  }

  KernelBenchRow measure(const LinearKernel& kernel, const MatrixFormat& format, std::int64_t n) {
    MatrixView w{format, o_.n_rows, o_.n_cols, memory(), memory(), memory()};
    const std::int64_t code_bytes = w.n_rows * w.row_bytes(), param_bytes = w.n_rows * w.param_row_bytes();
    const std::int64_t pitch = (w.bytes() + 127) / 64 * 64;  // from one matrix to the next
    const std::int64_t n_matrices = std::max<std::int64_t>(1, size() / pitch);
    JANG_CHECK(w.bytes() <= size());
    const double flop = 2.0 * static_cast<double>(w.n_rows) * static_cast<double>(w.n_cols) * static_cast<double>(n);
    const std::int64_t by_flop = std::max<std::int64_t>(1, static_cast<std::int64_t>(kSampleFlop * o_.threads / flop));
    const std::int64_t per_sample = std::min({std::max<std::int64_t>(1, kSampleBytes * o_.threads / pitch), by_flop, n_matrices});

    const std::vector<std::byte> prepared = prepare_inputs(kernel, format, n);
    const std::byte* inputs = prepared.data() + (64 - reinterpret_cast<std::uintptr_t>(prepared.data()) % 64) % 64;
    std::vector<float> y(static_cast<std::size_t>(n * w.n_rows));
    std::int64_t next = 0;
    const auto pass = [&] {
      const std::int64_t first = next;
      next = (next + per_sample) % n_matrices;
      return time(per_sample * w.bytes(), [&](int t) {
        const std::int64_t begin = part(w.n_rows, t, o_.threads), end = part(w.n_rows, t + 1, o_.threads);
        for (std::int64_t i = 0; i < per_sample && begin < end; ++i) {
          MatrixView m = w;
          m.data = memory() + (first + i) % n_matrices * pitch;
          m.scales = m.data + code_bytes;
          m.biases = m.scales + param_bytes;
          kernel.matmul(m.rows(begin, end - begin), inputs, n, y.data() + begin, w.n_rows);
        }
      });
    };
    pass();  // warm: instructions, inputs, scratch
    std::vector<double> speeds, ratios;
    double before = probe();
    const double start = seconds();
    for (int i = 0; i < o_.samples; ++i) {
      if (speeds.size() >= kFewSamples && seconds() - start > kRowSeconds) break;
      speeds.push_back(pass());
      const double after = probe();
      ratios.push_back(speeds.back() / ((before + after) / 2));
      before = after;
    }
    KernelBenchRow row;
    row.op = n == 1 ? "matvec" : "matmul";
    row.format = format;
    row.n_inputs = n;
    row.threads = o_.threads;
    row.gbps = median(speeds);
    row.ratio = median(ratios);
    row.gflops = row.gbps / static_cast<double>(w.bytes()) * flop;
    row.kernel = kernel.name;
    return row;
  }

  // n prepared rows, with room to begin them at a multiple of 64.
  std::vector<std::byte> prepare_inputs(const LinearKernel& kernel, const MatrixFormat& format, std::int64_t n) const {
    const std::int64_t stride = kernel.input_bytes(format, o_.n_cols);
    std::vector<std::byte> bytes(static_cast<std::size_t>(n * stride) + 64);
    std::byte* row = bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64) % 64;
    std::vector<float> x(static_cast<std::size_t>(o_.n_cols));
    for (std::int64_t i = 0; i < n; ++i, row += stride) {
      for (std::size_t c = 0; c < x.size(); ++c)
        x[c] = static_cast<float>(static_cast<int>((c * 37 + static_cast<std::size_t>(i) * 11) % 251) - 125) / 64;
      for (std::size_t c = 0; o_.outliers && c < x.size(); c += 32) x[c] *= 100;
      kernel.prepare(format, x.data(), o_.n_cols, row);
    }
    return bytes;
  }

  const KernelBenchOptions& o_;
  ThreadPool pool_;
  std::vector<std::uint64_t> memory_;
  std::int64_t probe_at_ = 0;
  std::vector<double> probes_;
  volatile std::uint64_t sink_ = 0;  // the probe's sums must be computed
};

}  // namespace

KernelBench bench_kernels(const KernelBenchOptions& options) {
  JANG_CHECK(options.threads > 0 && options.samples > 0 && options.n_rows > 0 && options.n_cols > 0);
  return Bench(options).run();
}

double read_gbps(int threads) {
  KernelBenchOptions options;
  options.threads = threads;
  options.samples = 15;
  return Bench(options).read();
}

}  // namespace jang::kernels
