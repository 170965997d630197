// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "quantize/encode_speed.h"

#include <algorithm>
#include <random>
#include <span>
#include <vector>

#include "codec/affine.h"

namespace jang::quantize {
namespace {

constexpr int kGroup = 64;
constexpr int kWidths[] = {2, 3, 4, 6, 8};  // the one in the middle stands for all where codes are written
constexpr std::int64_t kRowsOfTask = 64, kGramTokens = 256;
constexpr std::int64_t kNarrow = 256, kWide = 512;  // columns of the matrices

std::vector<float> normal_values(std::int64_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = normal(random);
  return values;
}

// Of one weight of rows of `columns`, rows spread over the threads as a conversion spreads them.
Cost encode_random(const kernels::Device& device, ThreadPool& pool, kernels::EncodeMethod method, const kernels::Gram* gram,
                   std::int64_t columns, std::int64_t n_weights, bool errors_only = false) {
  const std::span<const int> widths = errors_only ? std::span(kWidths) : std::span(kWidths).subspan(2, 1);
  const auto n_widths = static_cast<std::int64_t>(widths.size());
  const std::int64_t tasks = std::max<std::int64_t>(pool.size(), n_weights / columns / kRowsOfTask / n_widths);
  const std::vector<float> weights = normal_values(kRowsOfTask * columns);
  const Stopwatch watch;
  pool.run(tasks, [&](std::int64_t, int) {
    std::vector<std::uint32_t> words(static_cast<std::size_t>(kRowsOfTask * codec::words_per_row(columns, 8)));
    std::vector<std::byte> scales(static_cast<std::size_t>(kRowsOfTask * columns / kGroup * 2)), biases(scales.size());
    kernels::EncodeArgs a;
    a.weights = weights.data();
    a.gram = gram;
    a.n_rows = kRowsOfTask;
    a.in = columns;
    a.group_size = kGroup;
    if (!errors_only) {
      a.words = words.data();
      a.scales = scales.data();
      a.biases = biases.data();
    }
    for (const int bits : widths) {
      a.bits = bits;
      (void)device.encode(method, a);
    }
  });
  return (1 / static_cast<double>(n_widths * tasks * kRowsOfTask * columns)) * watch.cost();
}

struct GramProbe {
  kernels::Gram gram;
  Cost sum, factor;  // of a product, of columns^3
};

Result<GramProbe> probe_gram(kernels::Device& device, ThreadPool& pool, std::int64_t columns) {
  GramProbe probe;
  const auto x_buffer = device.allocate(kGramTokens * columns * 4), sum_buffer = device.allocate(columns * columns * 4);
  if (x_buffer == nullptr || sum_buffer == nullptr)
    return Status(StatusCode::out_of_memory, "no memory to measure the speed of Gram matrices");
  const kernels::Tensor x{x_buffer.get(), 0, DType::f32, kGramTokens, columns, columns},
      sum{sum_buffer.get(), 0, DType::f32, columns, columns, columns};
  const std::vector<float> values = normal_values(kGramTokens * columns);
  std::vector<float> upper(static_cast<std::size_t>(columns * columns));
  JANG_TRY(device.write(values.data(), x));
  JANG_TRY(device.write(upper.data(), sum));
  const Stopwatch summing;
  device.gram(x, sum);
  JANG_TRY(device.wait());
  const double n = static_cast<double>(columns);
  probe.sum = (2 / (n * n * static_cast<double>(kGramTokens))) * summing.cost();
  JANG_TRY(device.read(sum, upper.data()));
  const Stopwatch factoring;
  JANG_ASSIGN(probe.gram, kernels::make_gram(upper, columns, &pool));
  probe.factor = (1 / (n * n * n)) * factoring.cost();
  return probe;
}

}  // namespace

Result<EncodeSpeeds> measure_encode_speeds(kernels::Device& device, ThreadPool& pool, bool feedback) {
  using kernels::EncodeMethod;
  EncodeSpeeds speeds;
  speeds.rtn = encode_random(device, pool, EncodeMethod::rtn, nullptr, kWide, 1 << 22);
  speeds.fit = encode_random(device, pool, EncodeMethod::fit, nullptr, kWide, 1 << 20);
  speeds.rtn_error = encode_random(device, pool, EncodeMethod::rtn, nullptr, kWide, 1 << 22, true);
  speeds.fit_error = encode_random(device, pool, EncodeMethod::fit, nullptr, kWide, 5 << 18, true);
  if (!feedback) return speeds;
  JANG_ASSIGN(const GramProbe narrow, probe_gram(device, pool, kNarrow));
  JANG_ASSIGN(const GramProbe wide, probe_gram(device, pool, kWide));
  speeds.gram = wide.sum;
  speeds.factor = wide.factor;
  const Cost in_narrow = encode_random(device, pool, EncodeMethod::feedback, &narrow.gram, kNarrow, 1 << 15);
  const Cost in_wide = encode_random(device, pool, EncodeMethod::feedback, &wide.gram, kWide, 1 << 15);
  const double step = static_cast<double>(kWide - kNarrow);
  speeds.feedback_of_column = {std::max(0.0, in_wide.wall - in_narrow.wall) / step, std::max(0.0, in_wide.cpu - in_narrow.cpu) / step};
  speeds.feedback = in_wide + -static_cast<double>(kWide) * speeds.feedback_of_column;
  return speeds;
}

}  // namespace jang::quantize
