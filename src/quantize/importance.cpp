// SPDX-License-Identifier: Apache-2.0
// From statistics to fit weights: matching by module, damping, shrinking of rarely used experts.
#include "quantize/importance.h"

#include <fmt/format.h>

#include "quantize/channel_scales.h"

namespace jang::quantize {
namespace {

constexpr double kDamping = 1e-4;       // of the mean
constexpr double kShrinkTokens = 32.0;  // inputs that the mean over experts counts for

std::vector<float> damped(const format::InputStatistics& s) {
  const auto n = s.tokens.size(), in = static_cast<std::size_t>(s.in());
  std::vector<double> all(in, 0.0);
  double total = 0;
  for (std::size_t e = 0; e < n; ++e) {
    for (std::size_t j = 0; j < in; ++j) all[j] += static_cast<double>(s.tokens[e]) * s.mean_square[e * in + j];
    total += static_cast<double>(s.tokens[e]);
  }
  for (double& m : all) m = total > 0 ? m / total : 0.0;
  const double shrink = n > 1 ? kShrinkTokens : 0.0;
  std::vector<float> out(n * in);
  std::vector<double> row(in);
  for (std::size_t e = 0; e < n; ++e) {
    const double seen = static_cast<double>(s.tokens[e]);
    double mean = 0;
    for (std::size_t j = 0; j < in; ++j) {
      row[j] = seen + shrink > 0 ? (seen * s.mean_square[e * in + j] + shrink * all[j]) / (seen + shrink) : 0.0;
      mean += row[j] / static_cast<double>(in);
    }
    for (std::size_t j = 0; j < in; ++j) out[e * in + j] = static_cast<float>(row[j] + kDamping * mean);
  }
  return out;
}

}  // namespace

std::string fingerprint(const arch::Model& model) {
  std::vector<TensorInfo> infos;
  for (const arch::OutTensor& t : model.tensors) {
    if (t.role == arch::Role::vision) continue;  // what runs is the text model
    TensorInfo info{arch::canonical_name(t), t.source_dtype, t.shape};
    if (t.role == arch::Role::conv) std::erase(info.shape, 1);  // targets put the dimension of 1 in different places
    infos.push_back(std::move(info));
  }
  return format::model_fingerprint(infos);
}

Result<Importance> Importance::create(const arch::Model& model, const format::Statistics& statistics) {
  if (statistics.model != fingerprint(model))
    return Status(StatusCode::invalid_argument, "the statistics were measured on another model: run `jang calibrate` on this one");
  Importance out;
  out.by_tensor_.resize(model.tensors.size());
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    const auto found = statistics.inputs.find(t.canonical);
    if (!t.quantizable || found == statistics.inputs.end()) continue;
    const std::int64_t n = t.shape.size() == 3 ? t.shape[0] : 1;
    const format::InputStatistics& s = found->second;
    if (static_cast<std::int64_t>(s.tokens.size()) != n || s.in() != columns(t.shape))
      return Status(StatusCode::invalid_argument, fmt::format("statistics of {} are for {} x {} inputs, the tensor is {}", t.module,
                                                              s.tokens.size(), s.in(), to_string(t.shape)));
    out.by_tensor_[i] = {damped(s), columns(t.shape)};
  }
  return out;
}

void Importance::rescale(const ChannelScales& scales) {
  for (std::size_t i = 0; i < by_tensor_.size(); ++i) {
    const TensorScales* t = scales.of(static_cast<int>(i));
    Rows& rows = by_tensor_[i];
    if (t == nullptr || t->columns.empty() || rows.values.empty()) continue;
    for (std::size_t k = 0; k < rows.values.size(); ++k) {
      const auto in = static_cast<std::size_t>(rows.in);
      const float s = t->columns_of(static_cast<std::int64_t>(k / in))[k % in];
      rows.values[k] /= s * s;
    }
  }
}

const float* Importance::of(int tensor, std::int64_t expert) const {
  if (by_tensor_.empty()) return nullptr;
  const Rows& rows = by_tensor_[static_cast<std::size_t>(tensor)];
  return rows.values.empty() ? nullptr : rows.values.data() + expert * rows.in;
}

}  // namespace jang::quantize
