// SPDX-License-Identifier: Apache-2.0
// Speed of the ops of inference on one thread, for every backend but the reference: exact linear maps at the shapes of layers and of
// experts (GFLOP/s), attention in prefill and decode (GFLOP/s; GB/s of cache), the delta rule, convolution and the row-wise ops (values/s).
// Speeds from memory, beside the read speed of the machine, are `jang bench`'s.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/instruction_set.h"

namespace {

using namespace jang;
using namespace jang::kernels;

std::vector<float> random_values(std::int64_t n) {
  std::mt19937 gen(1);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = normal(gen);
  return v;
}

void rate(benchmark::State& state, const char* name, double per_iteration) {
  state.counters[name] = benchmark::Counter(per_iteration * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};

void exact_linear(benchmark::State& state, const LinearKernel& kernel, const MatrixFormat& format) {
  const std::int64_t n_rows = state.range(0), n_cols = state.range(1), n = state.range(2);
  MatrixView w{format, n_rows, n_cols};
  // Zeros: a float of any kind, codes and scales alike; the time does not depend on values.
  const std::vector<std::byte> data(static_cast<std::size_t>(n_rows * w.row_bytes()));
  const std::vector<std::byte> params(static_cast<std::size_t>(n_rows * w.param_row_bytes()));
  w.data = data.data();
  w.scales = w.biases = params.data();
  const std::int64_t stride = kernel.input_bytes(format, n_cols);
  std::unique_ptr<std::byte, Free> inputs(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<std::size_t>(stride * n))));
  const std::vector<float> x = random_values(n_cols);
  for (std::int64_t i = 0; i < n; ++i) kernel.prepare(format, x.data(), n_cols, inputs.get() + i * stride);
  std::vector<float> y(static_cast<std::size_t>(n * n_rows));
  for (auto _ : state) {
    kernel.matmul(w, inputs.get(), n, y.data(), n_rows);
    benchmark::ClobberMemory();
  }
  rate(state, "FLOP/s", 2.0 * static_cast<double>(n_rows * n_cols * n));
}

// range: queries, first position; four query heads, head_dim 128.
void attention(benchmark::State& state, const Ops& ops, KvType type) {
  AttentionArgs a;
  a.n_queries = state.range(0);
  a.first_position = state.range(1);
  a.n_heads = 4;
  a.head_dim = 128;
  a.q_stride = a.out_stride = a.n_heads * a.head_dim;
  a.scale = 1.0f / std::sqrt(128.0f);
  a.kv_type = type;
  const std::int64_t n = a.n_queries + a.first_position, row = kv_row_bytes(type, a.head_dim);
  const std::vector<float> q = random_values(a.n_queries * a.q_stride), values = random_values(n * a.head_dim);
  std::vector<float> out(q.size());
  const std::int64_t n_pages = (n + kPagePositions - 1) / kPagePositions, half = kPagePositions * row;
  std::vector<std::byte> memory(static_cast<std::size_t>(n_pages * 2 * half));  // keys, then values of every page
  std::vector<const std::byte*> pages;
  for (std::int64_t p = 0; p < n_pages; ++p) pages.push_back(memory.data() + p * 2 * half);
  for (std::int64_t j = 0; j < n; ++j)
    for (const std::int64_t offset : {std::int64_t{0}, half})
      ops.kv_store(type, values.data() + j * a.head_dim, a.head_dim,
                   memory.data() + j / kPagePositions * 2 * half + offset + j % kPagePositions * row);
  a.q = q.data();
  a.pages = pages.data();
  a.v_offset = half;
  a.out = out.data();
  for (auto _ : state) {
    ops.attention(a);
    benchmark::ClobberMemory();
  }
  const double seen = static_cast<double>(a.n_queries) * (static_cast<double>(a.first_position) + static_cast<double>(a.n_queries + 1) / 2);
  rate(state, "FLOP/s", 4.0 * seen * static_cast<double>(a.n_heads * a.head_dim));
  if (a.n_queries == 1) rate(state, "cache_B/s", static_cast<double>(2 * n * row));
}

// range: tokens; one head, 128 x 128.
void delta_rule(benchmark::State& state, const Ops& ops) {
  DeltaArgs a;
  a.n = state.range(0);
  a.key_dim = a.value_dim = a.qk_stride = a.v_stride = a.out_stride = 128;
  a.gate_stride = 1;
  std::vector<float> x = random_values(a.n * 128), carried(128 * 128, 0.0f), out(x.size());
  for (float& value : x) value /= 11.3f;  // keys of about length 1
  const std::vector<float> gate(static_cast<std::size_t>(a.n), -0.1f), beta(gate.size(), 0.5f);
  a.q = a.k = a.v = x.data();
  a.g = gate.data();
  a.beta = beta.data();
  a.state = carried.data();
  a.out = out.data();
  for (auto _ : state) {
    ops.delta_rule(a);
    benchmark::ClobberMemory();
  }
  rate(state, "tokens/s", static_cast<double>(a.n));
}

void conv_silu(benchmark::State& state, const Ops& ops) {
  const std::int64_t n = state.range(0), channels = 8192;
  const std::vector<float> x = random_values(n * channels), weight = random_values(4 * channels);
  std::vector<float> carried(3 * channels), out(x.size());
  for (auto _ : state) {
    ops.conv(x.data(), n, channels, weight.data(), nullptr, 4, true, carried.data(), out.data());
    benchmark::ClobberMemory();
  }
  rate(state, "values/s", static_cast<double>(n * channels));
}

void silu_mul(benchmark::State& state, const Ops& ops) {
  const std::int64_t n = 4096;
  const std::vector<float> gate = random_values(n);
  std::vector<float> out(gate.size());
  for (auto _ : state) {
    ops.silu_mul(gate.data(), gate.data(), n, out.data());
    benchmark::ClobberMemory();
  }
  rate(state, "values/s", static_cast<double>(n));
}

void log_sum_exp(benchmark::State& state, const Ops& ops) {
  const std::int64_t n = 262144;
  const std::vector<float> x = random_values(n);
  for (auto _ : state) benchmark::DoNotOptimize(ops.log_sum_exp(x.data(), n));
  rate(state, "values/s", static_cast<double>(n));
}

void register_ops(const InstructionSet& set) {
  const std::string name(set.name);
  const Ops& ops = *set.ops;
  for (const auto& [type, label] : {std::pair{KvType::f32, "f32"}, {KvType::f16, "f16"}, {KvType::bf16, "bf16"}, {KvType::q8, "q8"}}) {
    benchmark::RegisterBenchmark((name + "/attention_" + label).c_str(), attention, ops, type)
        ->Args({1, 4095})
        ->Args({512, 0})
        ->ArgNames({"queries", "position"});
  }
  benchmark::RegisterBenchmark((name + "/delta_rule").c_str(), delta_rule, ops)->Arg(1)->Arg(256)->ArgName("tokens");
  benchmark::RegisterBenchmark((name + "/conv_silu").c_str(), conv_silu, ops)->Arg(1)->Arg(64)->ArgName("tokens");
  benchmark::RegisterBenchmark((name + "/silu_mul").c_str(), silu_mul, ops);
  benchmark::RegisterBenchmark((name + "/log_sum_exp").c_str(), log_sum_exp, ops);
}

}  // namespace

int main(int argc, char** argv) {
  for (const InstructionSet& set : instruction_sets()) {
    if (set.name == "ref" || !set.available()) continue;
    const LinearKernel* kernel = set.linear.back();
    const MatrixFormat formats[] = {{DType::bf16}, {DType::f32}, {DType::u32, 4, 64, DType::bf16}, {DType::u32, 3, 64, DType::bf16}};
    for (const MatrixFormat& f : formats) {
      const std::string label = f.packed() ? std::to_string(f.bits) + "_bits" : std::string(jang::name(f.dtype));
      auto* b = benchmark::RegisterBenchmark((std::string(kernel->name) + "/linear_" + label).c_str(), exact_linear, *kernel, f);
      for (const auto& [rows, cols] : {std::pair{4096, 4096}, {512, 512}, {192, 512}})
        for (const int n : {1, 4, 16, 64, 512}) b->Args({rows, cols, n});
      b->ArgNames({"rows", "cols", "n"});
    }
  }
  for (const InstructionSet& set : instruction_sets())
    if (set.name != "ref" && set.available()) register_ops(set);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
