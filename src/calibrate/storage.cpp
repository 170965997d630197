// SPDX-License-Identifier: Apache-2.0
// Units encoded in memory.
#include "calibrate/storage.h"

#include <algorithm>

#include "kernels/host_ops.h"
#include "quantize/encode_rows.h"

namespace jang::calibrate {
namespace {

constexpr std::int64_t kTaskRows = 64;  // of one expert or matrix

// A run of rows of one matrix of a module.
struct Task {
  std::size_t matrix;
  std::int64_t row_begin, n_rows;
};

std::vector<Task> tasks_of(std::span<const kernels::MatrixView> matrices) {
  std::vector<Task> tasks;
  for (std::size_t e = 0; e < matrices.size(); ++e)
    for (std::int64_t r = 0; r < matrices[e].n_rows; r += kTaskRows) tasks.push_back({e, r, std::min(kTaskRows, matrices[e].n_rows - r)});
  return tasks;
}

// Allocates the packed module and its views: one matrix behind the other.
Storage::Module allocate(const std::string& path, std::span<const kernels::MatrixView> source, plan::Choice choice, DType param_dtype) {
  Storage::Module m;
  m.path = path;
  const std::int64_t in = source.front().n_cols, words = codec::words_per_row(in, choice.bits);
  const std::int64_t param_bytes = in / choice.group_size * size_bytes(param_dtype);
  std::int64_t n_rows = 0;
  for (const kernels::MatrixView& v : source) n_rows += v.n_rows;
  m.words.resize(static_cast<std::size_t>(n_rows * words));
  m.scales.resize(static_cast<std::size_t>(n_rows * param_bytes));
  m.biases.resize(m.scales.size());
  kernels::MatrixView all{{DType::u32, choice.bits, choice.group_size, param_dtype}, n_rows,          in,
                          reinterpret_cast<const std::byte*>(m.words.data()),        m.scales.data(), m.biases.data()};
  std::int64_t row = 0;
  for (const kernels::MatrixView& v : source) {
    m.views.push_back(all.rows(row, v.n_rows));
    row += v.n_rows;
  }
  return m;
}

kernels::EncodeError encode_module(engine::Engine& engine, int tensor, std::span<const kernels::MatrixView> source, plan::Choice choice,
                                   const quantize::Importance& importance, const EncodeOptions& options, Storage::Module* m) {
  const std::vector<Task> tasks = tasks_of(source);
  const Shape& shape = engine.described().tensors[static_cast<std::size_t>(tensor)].shape;
  std::vector<kernels::EncodeError> errors(tasks.size());
  const std::int64_t in = source.front().n_cols, words = codec::words_per_row(in, choice.bits);
  const std::int64_t param_bytes = in / choice.group_size * size_bytes(options.param_dtype);
  engine.pool().run(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t i, int) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    std::vector<float> values(static_cast<std::size_t>(task.n_rows * in));
    for (std::int64_t r = 0; r < task.n_rows; ++r) kernels::dequantize_row(source[task.matrix], task.row_begin + r, values.data() + r * in);
    std::int64_t row = task.row_begin;
    for (std::size_t e = 0; e < task.matrix; ++e) row += source[e].n_rows;
    kernels::EncodeArgs a;
    a.weights = values.data();
    a.n_rows = task.n_rows;
    a.in = in;
    a.bits = choice.bits;
    a.group_size = choice.group_size;
    a.param_dtype = options.param_dtype;
    a.words = m->words.data() + row * words;
    a.scales = m->scales.data() + row * param_bytes;
    a.biases = m->biases.data() + row * param_bytes;
    errors[static_cast<std::size_t>(i)] =
        quantize::encode_rows(engine.device(), options.method, a, {tensor, shape, row}, {&importance, nullptr});
  });
  kernels::EncodeError sum;
  for (const kernels::EncodeError& e : errors) {
    sum.squared_error += e.squared_error;
    sum.squared_norm += e.squared_norm;
  }
  return sum;
}

}  // namespace

Storage current_storage(engine::Engine& engine, const arch::Unit& unit) {
  Storage s;
  for (const int i : unit.tensors) {
    const std::string& module = engine.described().tensors[static_cast<std::size_t>(i)].module;
    const auto views = engine.decoder().matrices(module);
    s.modules.push_back({module, {views.begin(), views.end()}, {}, {}, {}});
  }
  return s;
}

Result<Storage> encode_unit(engine::Engine& engine, const arch::Unit& unit, const Storage& source, plan::Choice choice,
                            const quantize::Importance& importance, const EncodeOptions& options) {
  Storage out;
  kernels::EncodeError sum;
  for (std::size_t k = 0; k < unit.tensors.size(); ++k) {
    const Storage::Module& from = source.modules[k];
    if (from.views.empty() || from.views.front().format.packed())
      return Status(StatusCode::unsupported, "module " + from.path + " is quantized already; calibrate the source model");
    out.modules.push_back(allocate(from.path, from.views, choice, options.param_dtype));
    const kernels::EncodeError e = encode_module(engine, unit.tensors[k], from.views, choice, importance, options, &out.modules.back());
    sum.squared_error += e.squared_error;
    sum.squared_norm += e.squared_norm;
  }
  out.error = sum.squared_norm > 0 ? sum.squared_error / sum.squared_norm : 0.0;
  return out;
}

Status install(model::Decoder& decoder, const Storage& storage) {
  for (const Storage::Module& m : storage.modules) JANG_TRY(decoder.replace(m.path, m.views));
  return {};
}

}  // namespace jang::calibrate
