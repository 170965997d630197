// SPDX-License-Identifier: Apache-2.0
// Products of many prepared inputs with packed rows: a tile of rows is taken apart once and used for all inputs.
//
// Tile: kRowTiles * kLanes rows by up to kTileColumns weights, one vector of bytes for 4 weights of kLanes rows: lane = row, byte = weight.
// It is made by transposing packed words, which the width makes few, and expanding each word within its lane. Order of a tile's vectors:
// [word][phase] as phases fall out of the word (linear_input.h), or four weights after four in natural order. The four bytes of x that meet
// a vector lie together in the prepared row; runs of vectors meet runs of x.
// Per group of weights the integer sums of a row and an input become y += (s * dx) * sum + b * (dx * sum(xq)), groups in order: the result
// depends neither on the number of inputs nor on the tiling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/generic/linear_input.h"
#include "kernels/matrix.h"

namespace jang::kernels::generic {

constexpr int kTileColumns = 4096;                     // at most
constexpr std::int64_t kInputCacheBytes = 512 * 1024;  // of x that should stay in the second-level cache while rows pass by
constexpr std::int64_t kInputChunk = 512;              // inputs at a time

template <class Isa>
struct Tile {
  static constexpr int kRows = Isa::kRowTiles * Isa::kLanes;
  alignas(64) std::uint8_t codes[static_cast<std::size_t>(kTileColumns) * kRows];  // [4 weights][row tile][row][4]
  alignas(64) float scales[static_cast<std::size_t>(kTileColumns / 32) * kRows];   // [group][row]
  alignas(64) float biases[static_cast<std::size_t>(kTileColumns / 32) * kRows];
};

// Takes apart n_columns (a multiple of 32) of kLanes rows; `row` points at each row's codes of the first column. Vectors go to `out`,
// kRowTiles apart.
template <class Isa, int kBits>
void fill_codes(const std::byte* const* row, std::int64_t n_columns, std::uint8_t* out) {
  constexpr int kLanes = Isa::kLanes;
  alignas(64) std::uint32_t words[kBits * kLanes * kLanes];  // of 32 * kLanes columns, transposed
  for (std::int64_t column = 0; column < n_columns; column += 32 * kLanes) {
    const std::int64_t left = n_columns - column;
    const int n_units = left < 32 * kLanes ? static_cast<int>(left / 32) : kLanes;  // of 32 weights: kBits words
    for (int w = 0; w < n_units * kBits; w += kLanes) {
      const std::int64_t at = (column / 32 * kBits + w) * 4;
      const int n = n_units * kBits - w;
      typename Isa::I m[kLanes];
      for (int r = 0; r < kLanes; ++r) m[r] = n >= kLanes ? Isa::load_int(row[r] + at) : Isa::load_int_partial(row[r] + at, 4 * n);
      Isa::transpose(m);
      for (int i = 0; i < kLanes; ++i) Isa::store_int(words + static_cast<std::ptrdiff_t>(w + i) * kLanes, m[i]);
    }
    for (int u = 0; u < n_units; ++u, out += 8 * Isa::kRowTiles * Isa::kBytes) {
      typename Isa::I quads[8];
      Isa::template expand<kBits>(words + u * kBits * kLanes, quads);
      for (int q = 0; q < 8; ++q) Isa::store_int(out + q * Isa::kRowTiles * Isa::kBytes, quads[q]);
    }
  }
}

// Scales and biases of kLanes rows as [group][row].
template <class Isa, int kBits>
void fill_params(DType dtype, const std::byte* const* scale_row, const std::byte* const* bias_row, std::int64_t n_groups, float* scales,
                 float* biases) {
  constexpr int kLanes = Isa::kLanes;
  for (std::int64_t g = 0; g < n_groups; g += kLanes) {
    const int n = n_groups - g < kLanes ? static_cast<int>(n_groups - g) : kLanes;
    typename Isa::I s[kLanes], b[kLanes];
    for (int r = 0; r < kLanes; ++r) {
      const typename Isa::F scale = Isa::load_params_partial(dtype, scale_row[r] + g * size_bytes(dtype), n);
      s[r] = Isa::bits_of(scale);
      b[r] = Isa::bits_of(with_offset<Isa, kBits>(Isa::load_params_partial(dtype, bias_row[r] + g * size_bytes(dtype), n), scale));
    }
    Isa::transpose(s);
    Isa::transpose(b);
    for (int i = 0; i < n; ++i) {
      Isa::store_int(scales + (g + i) * Isa::kRowTiles * kLanes, s[i]);
      Isa::store_int(biases + (g + i) * Isa::kRowTiles * kLanes, b[i]);
    }
  }
}

// The codes that the next tile will read: kRows pieces of rows, fetched while this tile is multiplied. Prefetching never faults, so the
// pieces may run over the end of the matrix.
struct Ahead {
  const std::byte* next = nullptr;
  std::int64_t piece = 0, stride = 0;  // bytes of a piece, and from one to the next
  std::int64_t done = 0;               // of the current piece
  std::int64_t lines = 0;              // left, of 64 bytes
  template <class Isa>
  void fetch(std::int64_t n_lines) {
    for (; n_lines > 0 && lines > 0; --n_lines, --lines) {
      Isa::prefetch_far(next + done);
      done += 64;
      if (done >= piece) {
        done = 0;
        next += stride;
      }
    }
  }
};

// A tile's place in the matrix.
struct TilePlace {
  std::int64_t row = 0, column = 0;
  int n_rows = 0;
  std::int64_t n_columns = 0;
};

constexpr int kMostInputs = 8;
// Some of the inputs: prepared rows (linear_input.h), all wide or none, and where each one's y begins.
struct InputSet {
  const std::byte* row[kMostInputs];
  float* y[kMostInputs];
};

// kInputs inputs with a filled tile: y[i][row] (+)= ... The two bytes of a wide input are multiplied like two inputs and joined per group.
template <class Isa, int kBits, int kInputs, bool kWide>
void multiply(const Tile<Isa>& tile, const TilePlace& at, const InputLayout& layout, int group_size, bool woven, const InputSet& in,
              Ahead& ahead, std::int64_t lines_per_group) {
  using F = typename Isa::F;
  using I = typename Isa::I;
  constexpr int kRT = Isa::kRowTiles, kPhases = phases(kBits), kBlock = Isa::kBytes * kPhases, kWord = 4 * kPhases;
  constexpr int kParts = kWide ? 2 * kInputs : kInputs;
  const std::int64_t n_groups = at.n_columns / group_size, params = at.column / group_size * 4;
  const std::byte* x[kParts];
  for (int i = 0; i < kInputs; ++i) {
    x[i] = in.row[i] + at.column;
    if constexpr (kWide) x[kInputs + i] = x[i] + layout.low;
  }
  F total[kRT][kInputs];
  for (int t = 0; t < kRT; ++t)
    for (int i = 0; i < kInputs; ++i)
      total[t][i] = at.column > 0 ? Isa::load_rows(in.y[i] + at.row + t * Isa::kLanes, at.n_rows - t * Isa::kLanes) : Isa::zero();
  const std::uint8_t* codes = tile.codes;
  for (std::int64_t g = 0; g < n_groups; ++g) {
    ahead.fetch<Isa>(lines_per_group);
    I dots[kRT][kParts];
    for (int t = 0; t < kRT; ++t)
      for (int i = 0; i < kParts; ++i) dots[t][i] = Isa::zero_int();
    for (int done = 0; done < group_size;) {  // runs of words whose x lie at equal distances
      const std::int64_t column = g * group_size + done;
      const int block = woven ? 2 * kBlock : kBlock, within = static_cast<int>(column % block);
      std::int64_t from = (column - within) + within / kPhases;
      int n = group_size - done < block - within ? group_size - done : block - within, distance = 4;
      if (woven) {
        n = group_size / 2;
        from = (column - within) + (done > 0 ? Isa::kBytes : 0) + within / group_size * 4;
        distance = block / group_size * 4;
      }
      Isa::template multiply_words<kBits>(codes, x, from, n / kWord, distance, dots);
      codes += static_cast<std::ptrdiff_t>(n / 4) * kRT * Isa::kBytes;
      done += n;
    }
    for (int t = 0; t < kRT; ++t) {
      F s = Isa::load(tile.scales + (g * kRT + t) * Isa::kLanes);
      const F b = Isa::load(tile.biases + (g * kRT + t) * Isa::kLanes);
      if constexpr (kWide) s = Isa::mul(s, Isa::set1(1.0f / 256));  // what join() counts in
      for (int i = 0; i < kInputs; ++i) {
        if constexpr (kWide) dots[t][i] = Isa::join(dots[t][i], dots[t][kInputs + i]);
        const F scale = Isa::mul(s, Isa::set1(reinterpret_cast<const float*>(in.row[i] + layout.scales + params)[g]));
        total[t][i] = Isa::fma(b, Isa::set1(reinterpret_cast<const float*>(in.row[i] + layout.sums + params)[g]), total[t][i]);
        total[t][i] = Isa::fma(Isa::to_float(dots[t][i]), scale, total[t][i]);
      }
    }
  }
  for (int t = 0; t < kRT; ++t)
    for (int i = 0; i < kInputs; ++i) Isa::store_rows(in.y[i] + at.row + t * Isa::kLanes, at.n_rows - t * Isa::kLanes, total[t][i]);
}

template <class Isa, int kBits, bool kWide, int... kInputs>
constexpr auto multiply_table(std::integer_sequence<int, kInputs...>) {
  using Function = decltype(&multiply<Isa, kBits, 1, kWide>);
  struct Table {
    Function functions[sizeof...(kInputs)];
  };
  return Table{{multiply<Isa, kBits, kInputs + 1, kWide>...}};
}

// Widths that the multiplication cannot tell apart share one instance of it.
constexpr int multiply_class(int bits) { return phases(bits) == 1 && bits < 8 ? 6 : bits; }

template <class Isa, int kBits>
void fill_tile(const MatrixView& w, const TilePlace& at, Tile<Isa>& tile) {
  constexpr int kLanes = Isa::kLanes;
  const int group_size = w.format.group_size;
  const std::int64_t params = at.column / group_size * size_bytes(w.format.param_dtype);
  for (int t = 0; t < Isa::kRowTiles; ++t) {
    const std::byte *codes[kLanes], *scales[kLanes], *biases[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      const std::int64_t r = at.row + (t * kLanes + i < at.n_rows ? t * kLanes + i : at.n_rows - 1);  // missing rows repeat the last
      codes[i] = w.data + r * w.row_bytes() + at.column * kBits / 8;
      scales[i] = w.scales + r * w.param_row_bytes() + params;
      biases[i] = w.biases + r * w.param_row_bytes() + params;
    }
    fill_codes<Isa, kBits>(codes, at.n_columns, tile.codes + t * Isa::kBytes);
    fill_params<Isa, kBits>(w.format.param_dtype, scales, biases, at.n_columns / group_size, tile.scales + t * kLanes,
                            tile.biases + t * kLanes);
  }
}

template <class Isa, int kBits>
Ahead codes_below(const MatrixView& w, const TilePlace& at) {
  Ahead ahead;
  const std::int64_t row = at.row + Tile<Isa>::kRows;
  if (row >= w.n_rows) return ahead;
  ahead.next = w.data + row * w.row_bytes() + at.column * kBits / 8;
  ahead.piece = at.n_columns * kBits / 8;
  ahead.stride = w.row_bytes();
  ahead.lines = (ahead.piece + 63) / 64 * Tile<Isa>::kRows;
  return ahead;
}

// Indices of a chunk's inputs, the narrow ones first.
struct InputOrder {
  std::int16_t index[kInputChunk];
  int n_narrow = 0, n_wide = 0;
};

inline InputOrder order_inputs(const std::byte* inputs, std::int64_t n, const InputLayout& layout) {
  InputOrder order;
  int next = 0;
  for (const bool wide : {false, true})
    for (std::int64_t i = 0; i < n; ++i) {
      if (is_wide(inputs + i * layout.bytes, layout) != wide) continue;
      order.index[next++] = static_cast<std::int16_t>(i);
      ++(wide ? order.n_wide : order.n_narrow);
    }
  return order;
}

// The tile against n inputs of one kind, in nearly equal parts.
template <class Isa, int kBits, bool kWide>
void multiply_some(const Tile<Isa>& tile, const TilePlace& at, const InputLayout& layout, int group_size, const std::byte* inputs,
                   const std::int16_t* index, int n, float* y, std::int64_t y_stride, Ahead& ahead, std::int64_t lines_per_group) {
  static_assert(Isa::kMaxInputs % 2 == 0 && Isa::kMaxInputs <= kMostInputs);
  constexpr int kMost = kWide ? Isa::kMaxInputs / 2 : Isa::kMaxInputs;
  static constexpr auto kTable = multiply_table<Isa, multiply_class(kBits), kWide>(std::make_integer_sequence<int, kMost>());
  const int n_parts = (n + kMost - 1) / kMost;
  for (int part = 0, i = 0; part < n_parts; ++part) {
    const int count = (n - i + n_parts - part - 1) / (n_parts - part);
    InputSet in;
    for (int k = 0; k < count; ++k, ++i) {
      in.row[k] = inputs + index[i] * layout.bytes;
      in.y[k] = y + index[i] * y_stride;
    }
    kTable.functions[count - 1](tile, at, layout, group_size, Isa::woven(kBits, group_size), in, ahead, lines_per_group);
  }
}

template <class Isa, int kBits>
void multiply_all(const MatrixView& w, const TilePlace& at, const Tile<Isa>& tile, const InputLayout& layout, const std::byte* inputs,
                  const InputOrder& order, float* y, std::int64_t y_stride) {
  const int group_size = w.format.group_size;
  Ahead ahead = codes_below<Isa, kBits>(w, at);
  const std::int64_t n_calls = order.n_narrow / Isa::kMaxInputs + order.n_wide / (Isa::kMaxInputs / 2) + 1;
  const std::int64_t lines_per_group = ahead.lines / (at.n_columns / group_size * n_calls) + 1;
  multiply_some<Isa, kBits, false>(tile, at, layout, group_size, inputs, order.index, order.n_narrow, y, y_stride, ahead, lines_per_group);
  multiply_some<Isa, kBits, true>(tile, at, layout, group_size, inputs, order.index + order.n_narrow, order.n_wide, y, y_stride, ahead,
                                  lines_per_group);
}

template <class Isa, int kBits>
void prefill(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
  const InputLayout layout(w.n_cols, w.format.group_size);
  Tile<Isa> tile;
  for (std::int64_t first = 0; first < n; first += kInputChunk) {
    const std::int64_t chunk = n - first < kInputChunk ? n - first : kInputChunk;
    const std::int64_t fitting = kInputCacheBytes / chunk / 512 * 512;
    const std::int64_t n_columns = fitting < kTileColumns ? fitting : kTileColumns;  // 1024 at a full chunk
    const InputOrder order = order_inputs(inputs + first * layout.bytes, chunk, layout);
    TilePlace at;
    for (at.column = 0; at.column < w.n_cols; at.column += n_columns) {
      at.n_columns = w.n_cols - at.column < n_columns ? w.n_cols - at.column : n_columns;
      for (at.row = 0; at.row < w.n_rows; at.row += Tile<Isa>::kRows) {
        at.n_rows = static_cast<int>(w.n_rows - at.row < Tile<Isa>::kRows ? w.n_rows - at.row : Tile<Isa>::kRows);
        fill_tile<Isa, kBits>(w, at, tile);
        multiply_all<Isa, kBits>(w, at, tile, layout, inputs + first * layout.bytes, order, y + first * y_stride, y_stride);
      }
    }
  }
}

}  // namespace jang::kernels::generic
