// SPDX-License-Identifier: Apache-2.0
// The card's linear maps against a read of the same bytes: matrices in turn, together far larger than the card's cache, in a graph, so that
// launches cost what they cost in a step. Prints a table: microseconds a matrix, GB/s of codes, scales and biases, part of the read.
//
// "step": the kernel of steps of one row, which prepares its input itself (linear_one.h).
//
//   cuda_bench [quick|prompts]              all shapes, or few row counts only, or many in every width
//   cuda_bench one ROWS COLUMNS BITS INPUTS   one shape
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/linear_exact.h"
#include "kernels/cuda/linear_fast.h"
#include "kernels/cuda/linear_one.h"
#include "kernels/cuda/rows.h"

namespace {

using namespace jang;
using namespace jang::kernels::cuda;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

__global__ void fill(std::uint32_t* p, std::int64_t n, std::uint32_t mask, std::uint32_t base) {
  for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x; i < n;
       i += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    std::uint32_t x = static_cast<std::uint32_t>(i) * 2654435761u + 12345u;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    p[i] = (x & mask) | base;
  }
}

// Median microseconds of one of `count` pieces of work in a graph.
double microseconds(cudaStream_t stream, int count, const std::function<void()>& work) {
  cudaGraph_t graph;
  cudaGraphExec_t program;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  work();
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&program, graph, 0), "instantiate");
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "event");
  check(cudaEventCreate(&end), "event");
  std::vector<double> times;
  for (int i = 0; i < 9; ++i) {
    check(cudaEventRecord(begin, stream), "record");
    check(cudaGraphLaunch(program, stream), "launch");
    check(cudaEventRecord(end, stream), "record");
    check(cudaEventSynchronize(end), "run");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "time");
    if (i >= 2) times.push_back(1e3 * static_cast<double>(ms) / count);
  }
  cudaGraphExecDestroy(program);
  cudaGraphDestroy(graph);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

struct Shape {
  std::int64_t rows, columns, experts;  // experts: gathered, each of that shape; 0: one matrix
};

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const bool quick = mode == "quick", prompts = mode == "prompts", one = argc == 6 && std::string(argv[1]) == "one";
  cudaDeviceProp card;
  check(cudaGetDeviceProperties(&card, 0), "no card");
  kernels_overlap = card.major >= 9 && can_overlap_kernels();
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "stream");
  constexpr std::int64_t kPool = std::int64_t{3} << 30, kParams = std::int64_t{512} << 20;
  std::byte *codes, *params, *scratch;
  float *x, *y;
  std::int32_t* routing;
  check(cudaMalloc(&codes, kPool), "memory");
  check(cudaMalloc(&params, kParams), "memory");
  check(cudaMalloc(&scratch, std::int64_t{256} << 20), "memory");
  check(cudaMalloc(&x, 2048 * 16384 * 4), "memory");
  check(cudaMalloc(&y, std::int64_t{2048} * 32768 * 4), "memory");
  check(cudaMalloc(&routing, 4096), "memory");
  fill<<<2048, 256, 0, stream>>>(reinterpret_cast<std::uint32_t*>(codes), kPool / 4, ~0u, 0);
  fill<<<2048, 256, 0, stream>>>(reinterpret_cast<std::uint32_t*>(params), kParams / 4, 0x007f007fu, 0x3c003c00u);
  fill<<<2048, 256, 0, stream>>>(reinterpret_cast<std::uint32_t*>(x), 2048 * 16384, 0x007fffffu, 0x3f800000u);
  std::int32_t route[64] = {};  // one slot for each of eight experts: begin, then tokens, all of token 0
  for (int e = 0; e <= 8; ++e) route[e] = e;
  check(cudaMemcpy(routing, route, sizeof route, cudaMemcpyHostToDevice), "routing");
  check(cudaStreamSynchronize(stream), "fill");
  std::printf("%s; pdl %d\n%-16s %4s %5s %10s %9s %6s %s\n", card.name, kernels_overlap ? 1 : 0, "matrix", "bits", "rows", "us", "GB/s",
              "of read", "exact us");
  const std::vector<Shape> shapes = one       ? std::vector<Shape>{{std::atol(argv[2]), std::atol(argv[3]), 0}}
                                    : prompts ? std::vector<Shape>{{4096, 4096, 0}, {28672, 4096, 0}}
                                              : std::vector<Shape>{{4096, 4096, 0},  {14336, 4096, 0}, {4096, 14336, 0},
                                                                   {28672, 4096, 0}, {2048, 2048, 0},  {768, 2048, 8}};
  const std::vector<int> inputs = one       ? std::vector<int>{std::atoi(argv[5])}
                                  : quick   ? std::vector<int>{1, 8}
                                  : prompts ? std::vector<int>{16, 32, 64, 128, 512, 2048}
                                            : std::vector<int>{1, 8, 16, 32, 64, 512, 2048};
  for (const Shape& s : shapes)
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      if (one && bits != std::atoi(argv[4])) continue;
      const std::int64_t n_matrices = s.experts > 0 ? s.experts : 1;
      Matrices w;
      w.rows = s.rows;
      w.columns = s.columns;
      w.dtype = DType::u32;
      w.param = DType::bf16;
      w.bits = bits;
      w.group = 64;
      w.row_pitch = s.columns * bits / 8;
      w.param_pitch = (s.columns / 64 * 2 + 15) / 16 * 16;
      w.matrix_bytes = w.row_pitch * s.rows;
      w.param_bytes = w.param_pitch * s.rows;
      const std::int64_t bytes = n_matrices * (w.matrix_bytes + 2 * w.param_bytes), all_codes = n_matrices * w.matrix_bytes;
      const int count = static_cast<int>(std::min<std::int64_t>({kPool / all_codes, kParams / (2 * n_matrices * w.param_bytes), 300}));
      const double read = microseconds(stream, count, [&] {
        for (int i = 0; i < count; ++i)
          read_bytes(codes + (i * bytes / 16 * 16) % (kPool - bytes) / 256 * 256, bytes / 16 * 16, y,
                     static_cast<int>(std::min<std::int64_t>(4 * card.multiProcessorCount, bytes / (512 * 16 * 8) + 1)), stream);
      });
      for (const int n : inputs) {
        if (s.experts > 0 && n > 1) continue;
        if (!one && !prompts && n > 32 && bits != 4 && bits != 8) continue;
        Columns columns;
        columns.n = s.experts > 0 ? s.experts : n;
        if (s.experts > 0) {
          columns.begin = routing;
          columns.tokens = routing + 16;
          columns.experts = 8;
        }
        const Rows rows_x{x, s.columns};
        const FastInputs prepared = prepare_fast(fast_plan(w, columns), rows_x, n, columns, s.columns, scratch, stream);
        const int some = n > 64 ? std::min(count, 10) : count;
        const auto map_of = [&](int i) {
          FastMap map;
          map.w = w;
          map.w.codes = codes + i * all_codes;
          map.w.scales = params + i * 2 * n_matrices * w.param_bytes;
          map.w.biases = map.w.scales + n_matrices * w.param_bytes;
          map.y = {y, s.rows};
          return map;
        };
        const double us = microseconds(stream, some, [&] {
          for (int i = 0; i < some; ++i) {
            const FastMap map = map_of(i);
            linear_fast(&map, 1, prepared, columns, stream);
          }
        });
        double exact = 0, alone = 0;
        const FastMap any = map_of(0);
        if (n == 1 && s.experts == 0 && one_supports(&any, 1, false))  // prepares its input itself
          alone = microseconds(stream, some, [&] {
            for (int i = 0; i < some; ++i) {
              const FastMap map = map_of(i);
              linear_one(&map, 1, {.x = x}, {}, card.multiProcessorCount, stream);
            }
          });
        if (n <= 8)
          exact = microseconds(stream, std::min(some, 20), [&] {
            for (int i = 0; i < std::min(some, 20); ++i) {
              const FastMap map = map_of(i);
              linear_exact({map.w, nullptr, rows_x, map.y, columns}, card.multiProcessorCount, stream);
            }
          });
        check(cudaGetLastError(), "launch");
        char name[64];
        std::snprintf(name, sizeof name, "%s%ldx%ld", s.experts > 0 ? "8 x " : "", static_cast<long>(s.rows), static_cast<long>(s.columns));
        const double flops = 2.0 * static_cast<double>(s.rows) * static_cast<double>(s.columns) * n * static_cast<double>(n_matrices);
        std::printf("%-16s %4d %5d %10.2f %9.0f %6.2f %8.1f %8.1f TFLOP/s", name, bits, n, us, static_cast<double>(bytes) / us / 1e3,
                    read / us, exact, flops / us / 1e6);
        if (alone > 0)
          std::printf("; step %8.2f us %6.0f GB/s %6.2f of read", alone, static_cast<double>(bytes) / alone / 1e3, read / alone);
        std::printf("\n");
        std::fflush(stdout);
      }
    }
  for (const std::int64_t n : {1, 2048})
    for (const std::int64_t k : {4096, 14336}) {
      const double us = microseconds(stream, 20, [&] {
        for (int i = 0; i < 20; ++i) prepare_fast({4, false, true, n > 1}, {x, k}, n, {}, k, scratch, stream);
      });
      std::printf("preparing %ld inputs of %ld: %.2f us\n", static_cast<long>(n), static_cast<long>(k), us);
    }
  return 0;
}
