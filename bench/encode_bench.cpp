// SPDX-License-Identifier: Apache-2.0
// Speed of the encode kernels on one thread: weights per second for every backend, method and width at group 64, beside the rate at which
// plain memcpy moves the same float weights in the same run. Synthetic Gaussian weights, 4 M of them (16 MiB of floats, past L2).
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "codec/affine.h"
#include "kernels/instruction_set.h"

namespace {

using jang::kernels::EncodeArgs;
using jang::kernels::InstructionSet;

constexpr std::int64_t kRows = 1024, kIn = 4096;

const std::vector<float>& weights() {
  static const std::vector<float> w = [] {
    std::mt19937 gen(1);
    std::normal_distribution<float> normal(0.0f, 0.02f);
    std::vector<float> v(static_cast<std::size_t>(kRows * kIn));
    for (float& x : v) x = normal(gen);
    return v;
  }();
  return w;
}

void encode(benchmark::State& state, const InstructionSet& set, bool fit, bool weighted) {
  const int bits = static_cast<int>(state.range(0)), group = static_cast<int>(state.range(1));
  // The scalar reference is two orders slower: fewer rows, same figure.
  const std::int64_t n_rows = set.name == "ref" ? 32 : kRows;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(n_rows * jang::codec::words_per_row(kIn, bits)));
  std::vector<std::byte> scales(static_cast<std::size_t>(n_rows * kIn / group * 2)), biases(scales.size());
  const std::vector<float> importance(static_cast<std::size_t>(kIn), 0.5f);
  EncodeArgs a;
  a.weights = weights().data();
  a.importance = weighted ? importance.data() : nullptr;
  a.n_rows = n_rows;
  a.in = kIn;
  a.bits = bits;
  a.group_size = group;
  a.words = words.data();
  a.scales = scales.data();
  a.biases = biases.data();
  for (auto _ : state) benchmark::DoNotOptimize((fit ? set.encoders.fit : set.encoders.rtn)(a));
  state.counters["Mweights/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * n_rows * kIn) / 1e6, benchmark::Counter::kIsRate);
}

void copy_weights(benchmark::State& state) {
  std::vector<float> out(weights().size());
  for (auto _ : state) {
    std::memcpy(out.data(), weights().data(), out.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  state.counters["Mweights/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kRows * kIn) / 1e6, benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("memcpy", copy_weights);
  for (const InstructionSet& set : jang::kernels::instruction_sets()) {
    if (!set.available()) continue;
    for (const auto& [method, fit, weighted] :
         {std::tuple{"rtn", false, false}, std::tuple{"fit", true, false}, std::tuple{"fit_weighted", true, true}}) {
      for (const auto& width : jang::codec::kWidths)
        benchmark::RegisterBenchmark((std::string(set.name) + "/" + method).c_str(), encode, set, fit, weighted)
            ->Args({width.bits, 64})
            ->ArgNames({"bits", "group"})
            ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
